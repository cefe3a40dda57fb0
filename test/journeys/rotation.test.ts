// @rerun never
/**
 * Rotation of every root key, and of JWT_SECRET, as docs/operate.md describes it, with sessions and registrations under way: at each step
 * processes with the keys of before and of after it run beside each other. The re-encryption is interrupted in its middle.
 */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, describe, it } from 'node:test';
import { reencryptionWorkflowId } from '../../domain/workflow-ids.ts';
import { openTemporaryFolder } from '../../engines/data-folder.ts';
import { readSecrets, type Secrets } from '../../engines/secrets.ts';
import type { System } from '../../engines/system.ts';
import { makeDevice, makeIdentity } from '../support/device-keys.ts';
import { journeyVariables, logInAgain, register, stayLoggedIn, write } from '../support/engine-journey.ts';
import { testEngines } from '../support/engines.ts';
import { type Act, createJourney, type Journey, personOf } from '../support/journey.ts';
import { registeredPerson } from '../support/people.ts';
import { atOnce, uniqueName } from '../support/redis.ts';
import { lookBehind } from '../support/registrations.ts';
import { createRestClient } from '../support/rest-client.ts';
import { startOwnEngines, startOwnTestSystem } from '../support/system.ts';
import { until } from '../support/until.ts';
import { jsonOf, vyryFor } from '../support/vyry.ts';

const folder = await openTemporaryFolder();
const engines = { ...testEngines(), ...(await startOwnEngines(folder)) };
const name = uniqueName('rotation');
const former = readSecrets(folder.path);
const rotated = { PAYLOAD_KEY: newKey(32), DATA_KEY: newKey(32), AUDIT_KEY: newKey(32), JWT_SECRET: newKey(48) };
const opened: System[] = [];
after(async () => {
  for (const system of opened) await system.stop();
  await folder.close();
});

function newKey(length: number): string {
  return randomBytes(length).toString('base64');
}

/** Starts processes with some keys, beside those that run. */
async function start(secrets: Partial<Secrets>, beside: Record<string, string> = {}): Promise<System> {
  const system = await startOwnTestSystem({
    engines,
    elasticsearch: true,
    namespace: name,
    database: name,
    secrets: { ...former, ...secrets },
    env: { ...journeyVariables, AUDIT_INDEX: name, ...beside },
  });
  opened.push(system);
  return system;
}

const next = {
  PAYLOAD_KEY_NEXT: rotated.PAYLOAD_KEY,
  DATA_KEY_NEXT: rotated.DATA_KEY,
  AUDIT_KEY_NEXT: rotated.AUDIT_KEY,
  JWT_SECRETS_OLD: rotated.JWT_SECRET,
};
const older = {
  PAYLOAD_KEYS_OLD: former.PAYLOAD_KEY,
  DATA_KEYS_OLD: former.DATA_KEY,
  AUDIT_KEYS_OLD: former.AUDIT_KEY,
  JWT_SECRETS_OLD: former.JWT_SECRET,
};

/** Where people are now. */
const to = { apiUrl: '', outboxUrl: engines.outboxUrl };
const moveTo = (system: System) => Object.assign(to, { apiUrl: system.ready.apiUrl });

/** The accounts that nobody uses meanwhile: more than a page of the re-encryption. */
const quiet = 230;
let registrations = 10;

/** Begins registrations that wait at different acts. */
async function beginSome(): Promise<Journey[]> {
  const waitAt: Act[] = ['directory', 'send', 'code', 'credentials'];
  return await Promise.all(
    waitAt.map(async (act) => {
      const device = makeDevice(makeIdentity());
      const journey = createJourney(to, personOf(registrations++), 'sms', { device });
      await journey.walk(act);
      return journey;
    }),
  );
}

const finish = (journeys: Journey[]) => Promise.all(journeys.map((journey) => journey.walk('session')));

describe('A rotation of all keys', () => {
  let [running, alice, bob, carol]: [System?, ...Awaited<ReturnType<typeof register>>[]] = [];
  let waiting: Journey[] = [];

  /** Replaces the processes one set by the other; people use both meanwhile. */
  async function deploy(system: System): Promise<void> {
    assert.ok(running && alice && bob);
    for (const { ready } of [system, running, system]) await stayLoggedIn(createRestClient(ready.apiUrl), alice);
    await write(running.ready.apiUrl, alice, bob);
    moveTo(system);
    await finish(waiting.slice(0, 2));
    await running.stop();
    await finish(waiting);
    await stayLoggedIn(createRestClient(to.apiUrl), alice);
    await write(to.apiUrl, bob, alice);
    running = system;
    waiting = await beginSome();
  }

  it('before: people register, and some registrations are under way', async () => {
    running = await start({});
    moveTo(running);
    [alice, bob, carol] = await Promise.all([register(to, 1), register(to, 2), register(to, 3)]);
    const system = running;
    await atOnce(quiet / 10, async (ten) => {
      for (const one of Array(10).keys()) {
        const [username, number] = [`quiet${10 * ten + one}`, String(10 * ten + one).padStart(5, '0')];
        const who = { username, email: `${username}@example.org`, phone: `+4479110${number}` };
        await registeredPerson(system, who, { password: null });
      }
    });
    waiting = await beginSome();
  });

  it('first: every process learns the next keys', async () => {
    await deploy(await start({}, next));
  });

  it('second: the next keys become the current ones', async () => {
    await deploy(await start(rotated, older));
    assert.ok(alice && bob && carol);
    // carol has done nothing since she registered
    for (const traveller of [bob, carol]) await stayLoggedIn(createRestClient(to.apiUrl), traveller);
    await logInAgain(to, alice);
  });

  it('third: accounts are moved to the current data key, over a crash of the worker, and then nothing is left to move', async () => {
    assert.ok(running && alice && bob);
    const system = running;
    const vyry = vyryFor(system);
    await using behind = await lookBehind(system);
    const [first, second] = [vyry(['keys', 'reencrypt', '--json']), vyry(['keys', 'reencrypt', '--json'])];
    await until(async () => {
      const history = await behind.temporal.workflow.getHandle(reencryptionWorkflowId()).fetchHistory();
      return history.events?.some(({ activityTaskCompletedEventAttributes: done }) => done) ?? false;
    });
    await system.kill('registration');
    await stayLoggedIn(createRestClient(to.apiUrl), alice);
    await system.restart('registration');
    const told = jsonOf(await first);
    const accounts = await behind.database.collection('users').countDocuments();
    assert.ok(told.accounts >= quiet && told.accounts <= accounts);
    assert.equal(jsonOf(await second).accounts >= quiet, true);
    await finish(waiting);
    // those who registered meanwhile
    jsonOf(await vyry(['keys', 'reencrypt', '--json']));
    const again = jsonOf(await vyry(['keys', 'reencrypt', '--retire', '--json']));
    assert.deepEqual([again.accounts, again.changed], [await behind.database.collection('users').countDocuments(), 0]);
    waiting = await beginSome();
  });

  it('last: the former keys are gone, nobody is logged out, and every account is found and unique', async () => {
    await deploy(await start(rotated, { AUDIT_KEYS_OLD: former.AUDIT_KEY }));
    assert.ok(running && alice && bob && carol);
    const api = createRestClient(to.apiUrl);
    for (const traveller of [alice, bob, carol]) await stayLoggedIn(api, traveller);
    await logInAgain(to, alice, 3);
    const vyry = vyryFor(running);
    const shown = jsonOf(await vyry(['users', 'show', 'quiet7@example.org', '--json']));
    assert.equal(shown.username, 'quiet7');
    assert.match(shown.email, /@example\.org$/);
    await finish(waiting);
    await using behind = await lookBehind(running);
    const newcomer = await register(to, registrations++);
    const kinds = async (userId: string) => (await behind.claimsOf(userId)).map((claim) => claim.split(':')[0]);
    for (const { userId } of [alice, bob]) assert.deepEqual(await kinds(userId), await kinds(newcomer.userId));
    await assert.rejects(registeredPerson(running, 1), /has an account already/);
    await until(async () => jsonOf(await vyry(['audit', 'verify', '--json'])).waiting === 0);
    assert.deepEqual(jsonOf(await vyry(['audit', 'verify', '--json'])).faults, []);
  });
});
