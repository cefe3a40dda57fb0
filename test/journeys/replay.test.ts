/**
 * Running registrations, links, deletions and removals of devices survive a deployment: recorded histories are replayed against the
 * current workflow code. A test that fails here means that the code has changed what running ones do next: see
 * test/support/record-histories.ts.
 */

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { before, describe, it } from 'node:test';
import { DefaultLogger, Runtime, Worker } from '@temporalio/worker';
import { DeterminismViolationError } from '@temporalio/workflow';
import { createDataConverter } from '../../adapters/temporal/connect.ts';
import { testBundle } from '../support/engines.ts';
import { historiesCodec, type RecordedHistory, readHistories } from '../support/histories.ts';

const histories = readHistories();

describe('Recorded histories', () => {
  before(() => {
    Runtime.install({
      logger: new DefaultLogger('ERROR'),
      telemetryOptions: { logging: { filter: { core: 'ERROR', other: 'ERROR' } } },
    });
  });

  it('replay against the current workflow code', async () => {
    const failed: string[] = [];
    for (const recorded of histories) {
      await replay(recorded, bundle()).catch((err: unknown) => failed.push(`${recorded.name}: ${err}`));
    }
    assert.deepEqual(failed, []);
  });

  it('cover every end of a registration, of a link and of a deletion, every update, every activity and every wait', () => {
    assert.deepEqual(
      histories.map(({ name }) => name),
      [
        'approval',
        'approved',
        'cancelled',
        'deletion',
        'deletion-stopped',
        'device',
        'device-removal',
        'erasure',
        'expired',
        'good',
        'identity-taken',
        'link',
        'link-denied',
        'link-expired',
        'locked',
        'signal',
        'waiting',
        'wrong-password-and-code',
      ],
    );
    const recorded = JSON.stringify(histories.map(({ history }) => history));
    const updates = [
      'authenticate',
      'passCaptcha',
      'requestCode',
      'confirmCode',
      'setCredentials',
      'setDevice',
      'askApproval',
      'approve',
      'registerAtSignal',
      'cancel',
      'planDeletion',
      'stopDeletion',
    ];
    const activities = [
      'sendCode',
      'hashCredentials',
      'createAccount',
      'removeAccount',
      'recoverAccount',
      'findLocked',
      'registerWithSignal',
      'uploadSignalKeys',
      'claimWakeUps',
      'readIdentityKey',
      'endLink',
      'markDeviceRemoved',
      'endDeviceSessions',
      'removeDeviceKeys',
      'freeDeviceId',
      'tellDeviceRemoved',
      'beginErasure',
      'eraseWorkflows',
      'eraseAccount',
      'finishErasure',
    ];
    for (const name of [...updates, ...activities]) assert.ok(recorded.includes(`"name":"${name}"`), name);
    const local = [...recorded.matchAll(/EVENT_TYPE_MARKER_RECORDED".*?"payloads":\[\{.*?"data":"(.+?)"/g)].map(
      ([, data = '']) => atob(data),
    );
    for (const name of ['findOwner', 'publishStatus', 'closeRegistration'])
      assert.ok(
        local.some((marker) => marker.includes(`"${name}"`)),
        name,
      );
    for (const name of ['linkChanged', 'approvalAnswered'])
      assert.ok(recorded.includes(`"signalName":"${name}"`), name);
    const waits = [...recorded.matchAll(/"VyryWaitingFor":\{.*?"data":"(.+?)"/g)].map(([, data = '']) => atob(data));
    for (const system of ['directory', 'sms', 'database']) assert.ok(waits.includes(`"${system}"`), system);
    assert.ok(recorded.includes('EVENT_TYPE_TIMER_FIRED'));
  });

  it('of a registration have no more events, tasks, updates and activities than before', () => {
    const countOf = (name: string, type: string) =>
      named(name).history.events.filter(({ eventType }) => eventType === `EVENT_TYPE_${type}`).length;
    const costOf = (name: string) => ({
      events: named(name).history.events.length,
      tasks: countOf(name, 'WORKFLOW_TASK_COMPLETED'),
      updates: countOf(name, 'WORKFLOW_EXECUTION_UPDATE_ACCEPTED'),
      activities: countOf(name, 'ACTIVITY_TASK_SCHEDULED'),
      local: countOf(name, 'MARKER_RECORDED'),
    });
    assert.deepEqual(costOf('good'), { events: 50, tasks: 7, updates: 3, activities: 4, local: 3 });
    assert.deepEqual(costOf('device'), { events: 70, tasks: 10, updates: 4, activities: 6, local: 3 });
  });

  it('detect a workflow that schedules another activity than before', async () => {
    const code = change('accounts.createAccount.executeWithOptions', 'accounts.removeAccount.executeWithOptions');
    await assert.rejects(replay(named('good'), code), DeterminismViolationError);
  });

  it('detect a workflow with a new wait', async () => {
    const code = change('asked.isRetryRequested, ', 'asked.isRetryRequested); (');
    await assert.rejects(replay(named('waiting'), code), DeterminismViolationError);
  });

  it('accept a change of text', async () => {
    await replay(named('good'), change("'captcha solved'", "'captcha was solved'"));
  });
});

function replay({ name, history }: RecordedHistory, code: string): Promise<void> {
  const dataConverter = createDataConverter(historiesCodec());
  // the traces of replayed workflows are discarded
  const sinks = { trace: { ended: { fn: () => undefined } } };
  return Worker.runReplayHistory({ workflowBundle: { code }, dataConverter, sinks, replayName: name }, history);
}

function bundle(): string {
  return readFileSync(testBundle(), 'utf8');
}

/** The current bundle with one piece of code replaced by another. */
function change(from: string, to: string): string {
  const code = bundle();
  assert.equal(code.split(from).length, 2, `${from} is not exactly once in the bundle`);
  return code.replace(from, to);
}

function named(name: string): RecordedHistory {
  const found = histories.find((recorded) => recorded.name === name);
  if (found === undefined) throw new Error(`No history ${name}`);
  return found;
}
