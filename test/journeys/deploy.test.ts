/**
 * A deploy with versions of the workers, as docs/deploy.md describes it: a registration that a build began is finished by
 * that build, while new ones run on the next build, whose workflows are different; what lives longer moves to the next build.
 */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { accountDeletionWorkflowId, registrationWorkflowId } from '../../domain/workflow-ids.ts';
import { type Child, startChild } from '../../engines/child.ts';
import { roleCommand } from '../../engines/processes.ts';
import type { Role } from '../../platform/config/roles.ts';
import { testBundle } from '../support/engines.ts';
import { createJourney, personOf } from '../support/journey.ts';
import { must } from '../support/registrations.ts';
import { startOwnTestSystem } from '../support/system.ts';
import { until } from '../support/until.ts';
import { jsonOf, vyryFor } from '../support/vyry.ts';
import { withSystem } from '../support/with-system.ts';

const roles: Role[] = ['registration', 'directory', 'delivery'];
const { system, behind, api, person } = await withSystem(
  { WORKER_DEPLOYMENT: 'vyry', WORKER_BUILD_ID: 'a' },
  { start: startOwnTestSystem },
);
const vyry = vyryFor(system);

/** Starts the workers of build b, beside those that run. A registration that build a began cannot continue on them. */
async function startNextBuild(): Promise<Child[]> {
  const bundle = join(system.folder.path, 'next.js');
  const code = readFileSync(testBundle(), 'utf8');
  const begin = 'async function run(progress) {';
  const wait = '(0,_temporalio_workflow__WEBPACK_IMPORTED_MODULE_0__.condition)(() => false, 1)';
  assert.equal(code.split(begin).length, 2, 'the bundle has the function once');
  writeFileSync(bundle, code.replace(begin, `${begin} await ${wait};`));
  return Promise.all(
    roles.map((role) => {
      const env = { ...system.processes.env(role), WORKER_BUILD_ID: 'b', WORKFLOW_BUNDLE: bundle };
      const command = roleCommand(role, env, process.env.NODE_COMPILE_CACHE);
      return startChild(system.folder, { name: `next-${role}`, ...command });
    }),
  );
}

/** Returns the builds that executed the tasks of a workflow, in order. */
async function buildsOf(workflowId: string): Promise<string[]> {
  const { events } = await behind.temporal.workflow.getHandle(workflowId).fetchHistory();
  const builds = (events ?? []).flatMap(
    ({ workflowTaskCompletedEventAttributes: done }) => done?.deploymentVersion?.buildId ?? [],
  );
  return [...new Set(builds)];
}

interface Version {
  buildId: string;
  state: string;
  percent?: number;
  roles: string[];
}

async function versions(): Promise<Record<string, Version>> {
  const { versions: found } = jsonOf(await vyry(['deploy', 'status', '--json'])) as { versions: Version[] };
  return Object.fromEntries(found.map((version) => [version.buildId, version]));
}

async function finding(): Promise<string> {
  const { stdout } = await vyry(['doctor', '--json']);
  const found = (JSON.parse(stdout) as { check: string; verdict: string; about: string }[]).find(
    ({ check }) => check === 'worker versions',
  );
  return `${found?.verdict}: ${found?.about}`;
}

describe('A deploy', () => {
  const early = createJourney(system.ready, personOf(951));
  const late = createJourney(system.ready, personOf(952));
  const idOf = ({ registration }: typeof early) => registrationWorkflowId(registration?.id ?? '');
  let next: Child[];

  it('gives no build new workflows before an operator says so', async () => {
    await until(async () => (await versions()).a?.roles.length === roles.length);
    assert.equal(await finding(), 'failed: vyry has no current version');
    const { code, stderr } = await vyry(['deploy', 'current', 'b']);
    assert.deepEqual([code, stderr], [1, 'No worker of version b has ever run.\n']);
    jsonOf(await vyry(['deploy', 'current', 'a', '--by', 'olga', '--json']));
    assert.equal((await versions()).a?.state, 'current');
    assert.match(await finding(), /^ok: a current/);
  });

  it('leaves a registration with the build that began it; new ones run on the next build', async () => {
    await early.walk('send');
    const ada = await person(953);
    const { body: deletion } = await must(api.deleteAccount({ token: ada.token }), 202);
    next = await startNextBuild();
    await until(async () => (await versions()).b?.roles.length === roles.length);
    const ramped = jsonOf(await vyry(['deploy', 'current', 'b', '--percent', '25', '--json'])) as {
      versions: Version[];
    };
    assert.deepEqual(
      ramped.versions.map(({ buildId, state, percent }) => [buildId, state, percent]),
      [
        ['b', 'ramping', 25],
        ['a', 'current', undefined],
      ],
    );
    jsonOf(await vyry(['deploy', 'current', 'b', '--json']));
    await late.walk('session');
    const waiting = await vyry(['deploy', 'drain', 'a', '--timeout', '0']);
    assert.equal(waiting.code, 1);
    assert.match(waiting.stderr, /pinned to a: its workers must run on/);
    await early.walk('session');
    await must(api.stopAccountDeletion({ token: ada.token }), 204);
    assert.deepEqual(await buildsOf(idOf(early)), ['a']);
    assert.deepEqual(await buildsOf(idOf(late)), ['b']);
    assert.deepEqual(await buildsOf(accountDeletionWorkflowId(deletion.deletionId)), ['a', 'b'], 'a deletion moves on');
  });

  it('ends the earlier build once nothing is pinned to it', async () => {
    jsonOf(await vyry(['deploy', 'drain', 'a', '--json']));
    for (const role of roles) await system.kill(role, 'SIGTERM');
    const last = createJourney(system.ready, personOf(954));
    await last.walk('session');
    assert.deepEqual(await buildsOf(idOf(last)), ['b']);
    assert.match(await finding(), /^warning: b current, \d+ pinned; this build is a$/);
    for (const child of next) assert.ok(child.isRunning);
  });
});
