/** While an external system is unavailable, a registration reports what it waits for. Then it continues on its own. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { type DataFolder, openTemporaryFolder } from '../../engines/data-folder.ts';
import type { Engine } from '../../engines/engine.ts';
import { startMongo } from '../../engines/mongo.ts';
import { freePort } from '../../engines/ports.ts';
import type { System } from '../../engines/system.ts';
import { openApiHere } from '../support/api.ts';
import { type Answer, call, messagesTo, registrationOf as startedRegistration } from '../support/client.ts';
import { type DatabaseGate, startDatabaseGate } from '../support/database-gate.ts';
import { setFault } from '../support/faults.ts';
import { createJourney, type Journey, personOf } from '../support/journey.ts';
import { assertUnavailable, assertWaits, processOf, registrationOf, statusOf } from '../support/outages.ts';
import { connectStores, type Stores } from '../support/stores.ts';
import { startWholeTestSystem } from '../support/system.ts';
import { eventually, unlessHung, until } from '../support/until.ts';
import { vyryFor } from '../support/vyry.ts';

describe('A registration, when external systems are unavailable', () => {
  let folder: DataFolder;
  let mongo: Engine;
  let gate: DatabaseGate;
  let system: System;
  let stores: Stores;
  let people = 0;
  /** Both are at their last step before directory and provider become unavailable. */
  let finishing: Journey;
  let cancelled: Journey;

  before(async () => {
    folder = await openTemporaryFolder();
    mongo = await startMongo({ folder });
    gate = await startDatabaseGate(mongo.url);
    system = await startWholeTestSystem({
      database: 'vyry',
      env: {
        DATABASE_URL: gate.url,
        CAPTCHA_COST: '2',
        // one for a wrong password: an outage that counted as an attempt would use up the other
        DIRECTORY_TRIES: '2',
      },
    });
    stores = await connectStores(system, `${mongo.url}/vyry`);
    finishing = next();
    cancelled = next();
    await Promise.all([finishing.walk('code'), cancelled.walk('code')]);
  });
  after(async () => {
    await stores?.[Symbol.asyncDispose]();
    await system?.stop();
    await gate?.[Symbol.asyncDispose]();
    await folder?.close();
  });

  it('waits for directory and SMS provider, and continues on its own', async () => {
    const { outboxUrl } = system.ready;
    const [atDirectory, mistyped, atSend] = [next(), next(), next()];
    await Promise.all([atDirectory, mistyped].map((journey) => journey.walk('start')));
    await atSend.walk('captcha');
    await processOf(system.engines?.ldap).kill();
    await setFault(outboxUrl, { channel: 'sms', mode: 'error500' });

    const { username, password } = atDirectory.person;
    for (const _ of [1, 2]) {
      const answer = await registrationOf(atDirectory).call('PUT', '/directory', { username, password });
      assertUnavailable(answer);
    }
    const wrong = { username: mistyped.person.username, password: 'not-this-one' };
    assertUnavailable(await registrationOf(mistyped).call('PUT', '/directory', wrong));
    const sent = await atSend.act();
    assert.equal(sent.status, 202);

    await untilSo(() => assertWaits(atSend, 'sms', 'code'));
    await assertWaits(atDirectory, 'directory', 'directory');
    await assertWaits(mistyped, 'directory', 'directory');
    assert.deepEqual(await messagesTo(outboxUrl, atSend.person.phone), []);
    await untilSo(() => assertListed('directory', [atDirectory, mistyped]));
    await untilSo(() => assertListed('sms', [atSend]));

    await processOf(system.engines?.ldap).start();
    await setFault(outboxUrl, { channel: 'sms', mode: 'none' });
    await Promise.all([
      untilStep(atDirectory, 'directory', 'done').then(async (answer) => {
        atDirectory.skip(answer);
        await atDirectory.walk('session');
      }),
      // the wrong password does not count as an outage, and the outage did not count as a wrong password
      untilStep(mistyped, 'directory', 'open').then(() => mistyped.walk('session')),
      atSend.walk('session'),
    ]);
    for (const journey of [atDirectory, mistyped, atSend]) {
      assert.equal((await messagesTo(outboxUrl, journey.person.phone)).length, 1);
    }
  });

  it('waits for the database at its last step, and completes on its own', async () => {
    const journey = finishing;
    await processOf(mongo).kill();
    const answer = await journey.act();
    assert.equal(answer.body.state, 'waiting');
    assert.equal(answer.body.waitingFor, 'database');
    await assertWaits(journey, 'database');
    await processOf(mongo).start();
    await until(async () => (await statusOf(journey)).state === 'completed');
    await journey.walk('session');
    assert.equal((await stores.accountsOf(journey.person.username)).length, 1);
  });

  it('releases its claims when cancelled while the database is unavailable', async () => {
    const journey = cancelled;
    const claimsBefore = await countClaims();
    gate.shutAtInsertInto('users');
    const answer = await journey.act();
    assert.ok(gate.isShut);
    assert.equal(answer.body.waitingFor, 'database');
    assert.equal(await countClaims(), claimsBefore + 5);
    const versionBefore = await versionOf(journey);
    const cancelling = registrationOf(journey).call('DELETE', '');
    // it is cancelled, and waits for the database to release its claims
    await until(async () => (await versionOf(journey)) > versionBefore);
    assert.equal(await countClaims(), claimsBefore + 5);
    gate.open();
    assert.equal((await cancelling).status, 204);
    assert.equal((await statusOf(journey)).state, 'cancelled');
    assert.equal(await countClaims(), claimsBefore);
    assert.deepEqual(await stores.accountsOf(journey.person.username), []);
  });

  it('is refused with 503 while Redis is unavailable, counts no attempt, and continues without a restart', async () => {
    const [atCode, done] = [next(), next()];
    await Promise.all([atCode.walk('send'), done.walk('session')]);
    await atCode.prepare();
    const { pids } = system.ready;
    const token = done.answerOf('session').body.accessToken;
    await processOf(system.engines?.redis).kill();
    const registration = registrationOf(atCode);
    const answers = await Promise.all([
      start(),
      registration.call('GET', ''),
      registration.call('PUT', '/directory', { username: 'person900', password: 'person-900' }),
      registration.call('POST', '/codes', { channel: 'sms' }),
      registration.call('PUT', '/code', { code: '000000' }),
      registration.call('PUT', '/credentials', { pin: '83059' }),
      registrationOf(done).call('POST', '/session'),
      call(system.ready.apiUrl, 'GET', '/api/v1/auth/session', { token }),
    ]);
    for (const answer of answers) assertUnavailable(answer);
    await processOf(system.engines?.redis).start();
    await until(async () => (await registration.call('GET', '')).status === 200);
    assert.equal((await statusOf(atCode)).attemptsLeft, 5);
    await atCode.walk('session');
    assert.equal((await call(system.ready.apiUrl, 'GET', '/api/v1/auth/session', { token })).status, 200);
    assert.deepEqual(system.ready.pids, pids);
  });

  it('is refused with 503 while Redis answers and takes no writes; /health/ready says why', async () => {
    const { apiUrl } = system.ready;
    const ready = () => call(apiUrl, 'GET', '/health/ready');
    for (const [setting, reason] of [
      ['min-replicas-to-write', 'replicas-missing'],
      ['maxmemory', 'out-of-memory'],
    ] as const) {
      await stores.redis.config('SET', setting, '1');
      assertUnavailable(await start());
      const { status, body } = await ready();
      assert.deepEqual([status, body.dependencies.redis], [503, { status: 'down', reason }]);
      await stores.redis.config('SET', setting, '0');
      await until(async () => (await ready()).status === 200);
    }
  });

  it('is refused with 503 while MongoDB answers and is no primary; /health/ready says why', async () => {
    const done = next();
    await done.walk('session');
    const { apiUrl } = system.ready;
    const token = done.answerOf('session').body.accessToken;
    const devices = () => call(apiUrl, 'GET', '/api/v1/devices', { token });
    assert.equal((await devices()).status, 200);
    gate.answer(['find'], { ok: 0, code: 10_107, codeName: 'NotWritablePrimary', errmsg: 'not primary' });
    assertUnavailable(await devices());
    gate.answer(['hello'], { ok: 1, isWritablePrimary: false, minWireVersion: 0, maxWireVersion: 21 });
    const { status, body } = await call(apiUrl, 'GET', '/health/ready');
    assert.deepEqual([status, body.dependencies.mongodb.status], [503, 'down']);
    gate.open();
    await until(async () => (await devices()).status === 200);
  });

  it('is answered with 503 within its budget while an engine is frozen, and so is a command', async () => {
    const done = next();
    await done.walk('session');
    const token = done.answerOf('session').body.accessToken;
    const [port, ...others] = await Promise.all([freePort(), freePort(), freePort()]);
    const ports = { SERVER_PORT: `${port}`, CODEC_PORT: `${others[0]}`, GRPC_PORT: `${others[1]}` };
    const api = await openApiHere(folder, 'frozen', {
      ...system.processes.env('api'),
      ...ports,
      REQUEST_BUDGET_MS: '1000',
    });
    const ask = (path: string) => call(`http://127.0.0.1:${port}`, 'GET', path, { token });
    await until(async () => (await ask('/api/v1/devices')).status === 200);
    const vyry = vyryFor(system, { CLI_READ_BUDGET_MS: '1000', REQUEST_BUDGET_MS: '1000' });
    const user = done.person.username;
    const frozen = async (engine: Engine | undefined, act: () => Promise<void>) => {
      const { pid } = processOf(engine);
      process.kill(pid, 'SIGSTOP');
      await unlessHung(act(), `${engine?.name} is frozen`).finally(() => process.kill(pid, 'SIGCONT'));
    };
    /** On a starved machine the budget may be used up before the call. */
    const assertGivenUp = async (...command: string[]) => {
      const { code, stderr } = await vyry(command);
      assert.match(stderr, /^(MongoDB does|Temporal or its workers do) not answer|^The command took too long/);
      assert.equal(code, 1);
    };
    await frozen(system.engines?.redis, async () => assertUnavailable(await ask('/api/v1/auth/session')));
    await frozen(mongo, async () => {
      assertUnavailable(await ask('/api/v1/devices'));
      await assertGivenUp('users', 'show', user);
    });
    await frozen(system.engines?.temporal, async () => {
      await assertGivenUp('registrations', 'list');
      // what was sent may still happen
      await assertGivenUp('users', 'enable', user);
    });
    await api.stop();
    assert.equal((await call(system.ready.apiUrl, 'GET', '/api/v1/auth/session', { token })).status, 200);
  });

  it('is refused while Temporal is unavailable, leaves nothing half done, and the same key works after', async () => {
    const [running, done] = [next(), next()];
    await Promise.all([running.walk('captcha'), done.walk('session')]);
    const token = done.answerOf('session').body.accessToken;
    const registrations = await stores.keys('registration:*');
    const workflows = await countWorkflows(registrations.length);
    await system.killTemporal();
    for (const key of [1, 2, 3]) assertUnavailable(await start(`outage-${key}`));
    assert.deepEqual(await stores.keys('registration:*'), registrations);
    assert.equal((await registrationOf(running).call('GET', '')).status, 200);
    assert.equal((await call(system.ready.apiUrl, 'GET', '/api/v1/auth/session', { token })).status, 200);

    await system.restartTemporal();
    await until(async () => (await start('outage-1')).status === 201);
    const [first, again] = [await start('outage-1'), await start('outage-1')];
    assert.deepEqual(again.body, first.body);
    const { registrationId, registrationToken } = first.body;
    const ended = await startedRegistration(system.ready.apiUrl, registrationId, registrationToken).call('DELETE', '');
    assert.equal(ended.status, 204);
    await running.walk('session');
    assert.equal(await countWorkflows(workflows + 1), workflows + 1);
    assert.equal((await stores.keys('registration:*')).length, registrations.length + 1);
  });

  function next(): Journey {
    return createJourney(system.ready, personOf(people++));
  }

  function start(key?: string): Promise<Answer> {
    const headers: Record<string, string> = key === undefined ? {} : { 'Idempotency-Key': key };
    return call(system.ready.apiUrl, 'POST', '/api/v1/registrations', { body: {}, headers });
  }

  async function assertListed(waitingFor: string, journeys: Journey[]): Promise<void> {
    const found: string[] = [];
    for await (const { workflowId } of stores.temporal.workflow.list({
      query: `WorkflowType = "registration" AND VyryWaitingFor = "${waitingFor}"`,
    })) {
      found.push(workflowId);
    }
    assert.deepEqual(found.sort(), journeys.map((journey) => `registration:${journey.registration?.id}`).sort());
  }

  async function versionOf(journey: Journey): Promise<number> {
    return Number(await stores.redis.hget(`registration:{${registrationOf(journey).id}}`, 'version'));
  }

  function countClaims(): Promise<number> {
    return stores.database.collection('claims').countDocuments();
  }

  /** Waits until Temporal lists as many registrations as expected, and returns their number. */
  async function countWorkflows(expected: number): Promise<number> {
    const count = async () => (await stores.temporal.workflow.count('WorkflowType = "registration"')).count;
    await until(async () => (await count()) >= expected);
    return count();
  }
});

/** Resolves when an assertion holds. */
async function untilSo(assertion: () => Promise<void>): Promise<void> {
  await until(async () => {
    await assertion();
    return true;
  });
}

/** Long-polls, without changing anything, until a step has a status. */
async function untilStep(journey: Journey, name: string, status: string): Promise<Answer> {
  return await eventually(async () => {
    const answer = await registrationOf(journey).call('GET', '?waitSeconds=10');
    const step = answer.body.steps.find((known: { name: string }) => known.name === name);
    return step.status === status ? answer : undefined;
  });
}
