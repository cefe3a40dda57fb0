import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { RegistrationStatus, StepName } from '../../domain/registration.ts';
import { approvalAnswered, approve, askApproval, setDevice } from '../../workflows/registration-messages.ts';
import { ask, confirm, give, isSent, secure } from '../support/registration-steps.ts';
import { ada, openStage, type Scene, type Script, type Stage } from '../support/workflow-scene.ts';

let stage: Stage;

before(async () => {
  stage = await openStage();
});
after(() => stage[Symbol.asyncDispose]());

const stepOf = (status: RegistrationStatus, name: StepName) => status.steps.find((step) => step.name === name);

/** An account with devices and a registration lock. */
const lockedAccount = { lockedBy: 'u-old', lock: { hasPin: true, hasDevices: true, endsAt: 0 } };

/** Starts a registration without a directory, with all steps done but the credentials and the device. */
async function beforeDevice(script: Script): Promise<Scene> {
  const { phone, country, callingCode } = ada;
  const policy = ['code', 'credentials', 'device'] satisfies StepName[];
  const scene = await stage.start(script, { policy, identity: { phone, country, callingCode } });
  await ask(scene);
  await scene.until(isSent);
  await confirm(scene);
  return scene;
}

describe('A registration with the step device', { concurrency: 3 }, () => {
  it('looks for a locked account before the device, which joins its devices after one of them has approved', async () => {
    const scene = await beforeDevice({ findLocked: async () => lockedAccount });
    const searched = (await secure(scene)).status;
    assert.deepEqual(searched.steps.at(-1), { name: 'approval', status: 'open', reason: 'registration-locked' });
    assert.equal(scene.acts().includes('createAccount'), false);
    assert.equal((await give(scene, setDevice, { identityKey: 'other' })).status.state, 'pending');
    await give(scene, askApproval, { linkId: 'older' });
    assert.equal((await give(scene, askApproval, { linkId: 'newer' })).status.waitingFor, 'approval');
    await scene.handle.signal(approvalAnswered, { linkId: 'older', outcome: 'denied' });
    await scene.handle.signal(approvalAnswered, { linkId: 'newer', outcome: 'approved', identityKey: 'account' });
    const approved = await scene.until(({ approvedBy }) => approvedBy === 'device');
    assert.deepEqual(stepOf(approved, 'device'), { name: 'device', status: 'open', reason: 'identity-differs' });
    const { status } = await give(scene, setDevice, { identityKey: 'account' });
    assert.deepEqual([status.state, status.userId], ['completed', 'u-old']);
    const recovered = scene.calls.find(({ name }) => name === 'recoverAccount')?.input;
    assert.deepEqual([recovered.keepsDevices, recovered.hasDevice], [true, true]);
  });

  it('ends the other devices of an account that its PIN has opened', async () => {
    const scene = await beforeDevice({ findLocked: async () => lockedAccount });
    await secure(scene);
    await give(scene, approve, {});
    assert.equal((await give(scene, setDevice, { identityKey: 'new' })).status.state, 'completed');
    const recovered = scene.calls.find(({ name }) => name === 'recoverAccount')?.input;
    assert.deepEqual([recovered.keepsDevices, recovered.hasDevice], [false, true]);
  });

  it('opens the step of the device again when its description is lost, and keeps the account', async () => {
    let isLost = true;
    const scene = await beforeDevice({
      createAccount: async () => (isLost ? { outcome: 'device-refused', why: 'lost' } : { outcome: 'created' }),
    });
    await secure(scene);
    const { status } = await give(scene, setDevice, { identityKey: 'new' });
    assert.deepEqual(stepOf(status, 'device'), { name: 'device', status: 'open', reason: 'lost' });
    isLost = false;
    assert.equal((await give(scene, setDevice, { identityKey: 'new' })).status.state, 'completed');
    assert.equal(scene.acts().includes('removeAccount'), false);
  });
});
