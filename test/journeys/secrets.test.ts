// @rerun never
/**
 * The canary search: successful, failed and crashed registrations with unmistakable secrets, and then a search of
 * everything that they have left behind. No secret is found anywhere. Personal data is found only where its key is
 * needed to read it.
 */
import assert from 'node:assert/strict';
import { appendFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { Client, Connection } from '@temporalio/client';
import { contentBytesMax } from '../../domain/message.ts';
import { type DataFolder, openTemporaryFolder } from '../../engines/data-folder.ts';
import { demoTwilio } from '../../engines/engines.ts';
import { type RunningDirectory, startDirectory } from '../../engines/ldap.ts';
import type { System } from '../../engines/system.ts';
import { type Role, roles } from '../../platform/config/roles.ts';
import {
  call,
  codeFor,
  type OutboxMessage,
  onAnswer,
  type RegistrationHandle,
  solveCaptcha,
} from '../support/client.ts';
import { setFault, untilHeld } from '../support/faults.ts';
import {
  type Footprint,
  readAuditIndex,
  readDatabase,
  readLogs,
  readMetrics,
  readRedis,
  readTemporal,
  search,
  type TemporalFootprint,
} from '../support/footprint.ts';
import { createJourney, type Journey, type Person } from '../support/journey.ts';
import { acceptEachOther, connectClient, deviceOwner, messageTo } from '../support/messages.ts';
import { must } from '../support/registrations.ts';
import { createRestClient } from '../support/rest-client.ts';
import { connectStores, type Stores } from '../support/stores.ts';
import { startOwnTestSystem } from '../support/system.ts';
import { until } from '../support/until.ts';

const canaries: Person[] = ['Quillfeather', 'Merriweather', 'Ravenscroft', 'Thistlewood'].map((name, index) => ({
  username: `canary-${name.toLowerCase()}`,
  password: `CANARY-directory-${name}-7Rw!`,
  fullName: `Canary ${name}`,
  email: `canary.${name.toLowerCase()}@example.org`,
  phone: `+44770090095${index}`,
  newPassword: `CANARY-account-${name}-9Xq!`,
  pin: `73910582461${index}`,
}));
/** What devices send, as a text in clear would look; the content of a message is its base64. */
const contents = { waiting: 'CANARY-content-waiting-4Gs', live: 'CANARY-content-live-8Wd' };
const [quill, merry, raven, thistle] = canaries as [Person, Person, Person, Person];

describe('R5: the data that registrations leave behind', () => {
  const secrets = new Set<string>();
  const registrations = new Map<Person, RegistrationHandle>();
  const answers: Footprint = {};
  const refusals: Footprint = {};
  let folder: DataFolder;
  let directory: RunningDirectory;
  let system: System;
  let stores: Stores;
  let everywhere: Footprint;
  let temporal: TemporalFootprint;
  let secretsOfAnswered: string[];

  before(async () => {
    folder = await openTemporaryFolder();
    directory = await startDirectory(folder, { ldif: canaries.map(entryOf).join('\n') });
    system = await startOwnTestSystem({
      elasticsearch: true,
      env: { LDAP_URL: directory.url, CAPTCHA_COST: '2', OTP_RESEND_WAITS: '1', DIRECTORY_TRIES: '20' },
    });
    stores = await connectStores(system);
    onAnswer(({ url, method, path }, { status, body }) => {
      if (url !== system.ready.apiUrl) return;
      const place = `${status >= 400 ? 'refusal' : 'answer'} ${method} ${path}`;
      const kept = status >= 400 ? refusals : answers;
      kept[place] = `${kept[place] ?? ''}${JSON.stringify(body)}\n`;
    });
    await Promise.all([registerWithMistakes(quill), registerByMail(merry)]);
    await registerTwice(quill);
    secretsOfAnswered = await stores.keys('secret:*');
    await failAndCancel(raven);
    await registerThroughBug(raven);
    await registerThroughCrashes(thistle);
    await exchangeMessages();
    const outbox = await call(system.ready.outboxUrl, 'GET', '/messages');
    for (const { code } of outbox.body as OutboxMessage[]) if (code !== undefined) note(code);
    for (const secret of secretsOfSystem()) note(secret);
    temporal = await readTemporal(system, stores);
    everywhere = {
      ...readLogs(system),
      ...(await readRedis(system, stores)),
      ...(await readDatabase(stores)),
      ...(await readMetrics(system)),
      ...(await readAuditIndex(system, stores)),
      ...temporal.stored,
    };
  });
  after(async () => {
    await stores?.[Symbol.asyncDispose]();
    await system?.stop();
    await folder?.close();
  });

  it('has no password, PIN, code or token in logs, Redis, MongoDB, Elasticsearch, metrics and histories', () => {
    for (const secret of secrets) assert.deepEqual(search(everywhere, secret), [], secret);
  });

  it('has no one-time secrets of passwords and PINs as soon as their step has returned', () => {
    assert.deepEqual(secretsOfAnswered, []);
  });

  it('K22: has no content of a message anywhere, in clear or as it was sent, once its device has acknowledged it', async () => {
    const { redis } = stores;
    for (const content of Object.values(contents)) {
      const places = search({ ...everywhere, ...temporal.decoded }, content);
      assert.deepEqual(
        places.filter((place) => !place.startsWith('redis file')),
        [],
        content,
      );
      assert.ok(places.length > 0, 'the append-only file has every write until it is rewritten');
    }
    // compressed values could not be searched
    await redis.config('SET', 'rdbcompression', 'no');
    await redis.bgrewriteaof();
    const isIdle = /aof_rewrite_(in_progress|scheduled):0/g;
    await until(async () => (await redis.info('persistence')).match(isIdle)?.length === 2);
    for (const content of Object.values(contents)) {
      assert.deepEqual(search(await readRedis(system, stores), content), []);
    }
  });

  it('has none of them in decrypted histories', () => {
    for (const secret of secrets) assert.deepEqual(search(temporal.decoded, secret), [], secret);
  });

  it('has none of them in a response, except the tokens that a response issues', () => {
    const gives = [/^answer POST \/api\/v1\/registrations$/, /^answer POST \/api\/v1\/registrations\/\w+\/session$/];
    for (const secret of secrets) {
      const places = search({ ...answers, ...refusals }, secret);
      assert.deepEqual(
        places.filter((place) => !gives.some((given) => given.test(place))),
        [],
        secret,
      );
    }
    for (const { password, newPassword, pin } of canaries) {
      for (const secret of [password, newPassword, pin]) assert.deepEqual(search(answers, secret), []);
    }
  });

  it('has numbers, addresses and names of users in histories only when these are decrypted', () => {
    const { 'database users': _users, ...beyondAccounts } = everywhere;
    for (const { phone, email, fullName, username } of canaries) {
      for (const personal of [phone, email, fullName, username]) {
        assert.deepEqual(search(beyondAccounts, personal), [], personal);
        assert.notDeepEqual(search(temporal.decoded, personal), [], personal);
      }
    }
  });

  it('has numbers and addresses of accounts encrypted in MongoDB', () => {
    for (const { phone, email } of canaries) {
      for (const personal of [phone, email]) assert.deepEqual(search(everywhere, personal), [], personal);
    }
    assert.deepEqual(search(everywhere, quill.username), ['database users']);
  });

  it('has every failure message and stack trace in histories encrypted', () => {
    const ours = temporal.failures.filter(({ source }) => source === 'TypeScriptSDK');
    for (const failure of ours) {
      assert.equal(failure.message, 'Encoded failure');
      assert.equal(failure.stackTrace ?? '', '');
    }
    const types = new Set(ours.map(({ applicationFailureInfo }) => applicationFailureInfo?.type));
    for (const type of ['directory-unavailable', 'unavailable', 'SimpleError']) assert.ok(types.has(type), type);
    for (const message of ['WRONGTYPE', 'twilio 500']) {
      assert.notDeepEqual(search(temporal.decoded, message), [], message);
      assert.deepEqual(search(temporal.stored, message), [], message);
    }
  });

  it('is searched in all places: data that must be there is found', () => {
    const id = registrations.get(quill)?.id ?? '';
    const places = search(everywhere, id);
    for (const place of ['log api.log', 'log registration.log', 'temporal list', `redis registration:{${id}}`]) {
      assert.ok(places.includes(place), `${place} is not among ${places.join(', ')}`);
    }
    assert.ok(places.some((place) => place.startsWith('redis file')));
    assert.ok(search(everywhere, '+44•••••0950').includes(`redis registration:{${id}}`));
    for (const role of roles.filter((name) => name !== 'gateway' && name !== 'signal')) {
      assert.ok((everywhere[`log ${role}.log`] ?? '').includes('process.started'), role);
    }
  });

  it('is searched in all places: a planted secret is found, in any encoding', async () => {
    const canary = `CANARY-planted-${quill.phone}`;
    const connection = await Connection.connect({ address: system.ready.temporalAddress });
    const plain = new Client({ connection, namespace: stores.temporal.options.namespace });
    const log = join(system.folder.logs, 'planted.log');
    appendFileSync(log, `{"note":"${Buffer.from(`so it is: ${canary}`).toString('base64')}"}\n`);
    await stores.redis.zadd('planted', 1, canary);
    await stores.database.collection('planted').insertOne({ note: encodeURIComponent(canary) });
    const { ELASTICSEARCH_URL: elasticsearchUrl, AUDIT_INDEX: prefix } = system.processes.env('audit');
    await fetch(`${elasticsearchUrl}/${prefix}-2026.01.01/_doc`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({ action: 'planted', surprise: canary }),
    });
    const planted = await plain.workflow.start('planted', {
      taskQueue: 'nobody',
      workflowId: 'planted',
      args: [canary],
    });
    await until(async () => (await stores.temporal.workflow.count('WorkflowId = "planted"')).count === 1);
    const found = search(
      {
        ...readLogs(system),
        ...(await readRedis(system, stores)),
        ...(await readDatabase(stores)),
        ...(await readTemporal(system, stores)).stored,
        ...(await readAuditIndex(system, stores)),
      },
      canary,
    );
    await planted.terminate();
    await connection.close();
    rmSync(log);
    assert.deepEqual(found.filter((place) => !place.startsWith('redis file')).sort(), [
      'database planted',
      `elasticsearch ${prefix}-2026.01.01 planted`,
      'history planted',
      'log planted.log',
      'redis planted',
    ]);
    assert.ok(found.some((place) => place.startsWith('redis file')));
  });

  async function registerWithMistakes(person: Person): Promise<void> {
    const journey = journeyOf(person);
    const registration = await begin(journey);
    const wrong = note('CANARY-wrong-password-3Kd!');
    assert.equal(
      (await registration.call('PUT', '/directory', { username: person.username, password: wrong })).status,
      401,
    );
    assert.equal(
      (await registration.call('PUT', '/directory', { password: note('CANARY-malformed-5Tz!') })).status,
      400,
    );
    await journey.walk('directory');
    const made = { provider: 'altcha', token: note('CANARY-captcha-token-8Bv') };
    assert.equal((await registration.call('PUT', '/captcha', made)).status, 400);
    const solved = await solveCaptcha(system.ready.apiUrl);
    note(solved.token);
    journey.skip(await registration.call('PUT', '/captcha', solved));
    await journey.walk('send');
    const code = note(await codeFor(system.ready.outboxUrl, person.phone));
    const wrongCode = note(String((Number(code) + 1) % 1_000_000).padStart(6, '0'));
    assert.equal((await registration.call('PUT', '/code', { code: wrongCode })).status, 400);
    await journey.walk('code');
    const tooMuch = { password: note('CANARY-unknown-field-2Hn!'), extra: 1 };
    assert.equal((await registration.call('PUT', '/credentials', tooMuch)).status, 400);
    assert.equal((await registration.call('PUT', '/credentials', { pin: note('555555555555') })).status, 400);
    await journey.walk('session');
    const { accessToken } = tokensOf(journey);
    const forged = note(`${accessToken.slice(0, -4)}AAAA`);
    assert.equal((await call(system.ready.apiUrl, 'GET', '/api/v1/users/me', { token: accessToken })).status, 200);
    assert.equal((await call(system.ready.apiUrl, 'GET', '/api/v1/users/me', { token: forged })).status, 401);
    const stranger = note('CANARY-registration-token-6Jp');
    const { apiUrl } = system.ready;
    assert.equal(
      (await call(apiUrl, 'GET', `/api/v1/registrations/${registration.id}`, { token: stranger })).status,
      404,
    );
  }

  async function registerByMail(person: Person): Promise<void> {
    const journey = createJourney(system.ready, person, 'email');
    await begin(journey);
    await journey.walk('send');
    note(await codeFor(system.ready.outboxUrl, person.email));
    await journey.walk('session');
    tokensOf(journey);
  }

  /** Two users write to each other over REST and a socket; everything is acknowledged. */
  async function exchangeMessages(): Promise<void> {
    const api = createRestClient(system.ready.apiUrl);
    const [alice, bob] = [await deviceOwner(system, 960), await deviceOwner(system, 961)];
    for (const secret of [alice, bob].flatMap(({ token, refreshToken }) => [token, refreshToken])) note(secret);
    await acceptEachOther(api, alice, bob);
    const send = (text: string, from: string) =>
      must(api.sendMessage({ userId: bob.userId, token: from, body: messageTo([bob], text) }));
    await send(contents.waiting, alice.token);
    using client = await connectClient(system.ready.apiUrl, bob.token);
    await client.hears('inbox:drained');
    await send(contents.live, alice.token);
    await client.hears('message:new');
    await send(`${contents.live}${'.'.repeat(contentBytesMax)}`, alice.token).catch(() => undefined);
    await until(async () => (await must(api.readMessages({ token: bob.token }))).body.items.length === 0);
  }

  /** The user already has an account, locked by the PIN. */
  async function registerTwice(person: Person): Promise<void> {
    const journey = journeyOf(person);
    const registration = await begin(journey);
    await journey.walk('send');
    note(await codeFor(system.ready.outboxUrl, person.phone, 2));
    await journey.walk('code');
    const answer = await registration.call('PUT', '/credentials', { password: person.newPassword, pin: person.pin });
    assert.equal(answer.body.steps.at(-1).reason, 'registration-locked');
    assert.equal((await registration.call('PUT', '/approval', { pin: '00000000' })).status, 423);
    await must(registration.call('PUT', '/approval', { pin: person.pin }));
  }

  /** Directory and provider are unavailable, and the user cancels. */
  async function failAndCancel(person: Person): Promise<void> {
    const journey = journeyOf(person);
    const registration = await begin(journey);
    process.kill(directory.process.pid, 'SIGSTOP');
    const order = { username: person.username, password: person.password };
    assert.equal((await registration.call('PUT', '/directory', order)).status, 503);
    process.kill(directory.process.pid, 'SIGCONT');
    await until(async () => (await registration.call('GET', '')).body.steps[0].status === 'done');
    journey.skip(await registration.call('GET', ''));
    await setFault(system.ready.outboxUrl, { channel: 'sms', mode: 'error500' });
    await journey.walk('send');
    await until(async () => (await registration.call('GET', '')).body.waitingFor === 'sms');
    await setFault(system.ready.outboxUrl, { channel: 'sms', mode: 'none' });
    note(await codeFor(system.ready.outboxUrl, person.phone, 1));
    assert.equal((await registration.call('DELETE', '')).status, 204);
  }

  /** An activity fails in a way that only a bug can cause. */
  async function registerThroughBug(person: Person): Promise<void> {
    const journey = journeyOf(person);
    const registration = await begin(journey);
    await journey.walk('send');
    note(await codeFor(system.ready.outboxUrl, person.phone, 2));
    await journey.walk('code');
    const { registration: pid = 0 } = system.ready.pids;
    process.kill(pid, 'SIGSTOP');
    const older = await stores.keys('secret:*');
    const setting = journey.act();
    await newSecret(older);
    const key = `credentials:{${registration.id}}`;
    await stores.redis.set(key, 'of another type');
    process.kill(pid, 'SIGCONT');
    await until(
      async () =>
        (
          await stores.temporal.workflow.getHandle(`registration:${registration.id}`).describe()
        ).raw.pendingActivities?.some(({ lastFailure }) => lastFailure) ?? false,
    );
    await stores.redis.del(key);
    await setting;
    await journey.walk('session');
    tokensOf(journey);
  }

  /** Every process is killed while it works for the user. */
  async function registerThroughCrashes(person: Person): Promise<void> {
    const journey = journeyOf(person);
    const registration = await begin(journey);
    process.kill(directory.process.pid, 'SIGSTOP');
    const older = await stores.keys('secret:*');
    const proving = journey.act();
    await newSecret(older);
    await crash('directory', async () => void process.kill(directory.process.pid, 'SIGCONT'));
    await proving;
    await journey.walk('captcha');
    await setFault(system.ready.outboxUrl, { channel: 'sms', mode: 'hold' });
    const sending = journey.act();
    await untilHeld(system.ready.outboxUrl, { channel: 'sms' });
    note(await codeFor(system.ready.outboxUrl, person.phone));
    await crash('delivery', () => setFault(system.ready.outboxUrl, { channel: 'sms', mode: 'none' }));
    await sending;
    await journey.walk('code');
    const setting = journey.act();
    await until(async () => (await stores.keys(`credentials:{${registration.id}}`)).length > 0);
    await Promise.all([crash('registration'), crash('api')]);
    await setting;
    await journey.walk('session');
    tokensOf(journey);
  }

  /** Waits for the next one-time secret. Those of steps that waited for a dependency remain for a while. */
  async function newSecret(older: string[]): Promise<string> {
    let secret: string | undefined;
    await until(async () => {
      secret = (await stores.keys('secret:*')).find((key) => !older.includes(key));
      return secret !== undefined;
    });
    return secret ?? '';
  }

  async function crash(role: Role, then: () => Promise<void> = async () => {}): Promise<void> {
    await system.kill(role);
    await then();
    await system.restart(role);
  }

  function journeyOf(person: Person): Journey {
    return createJourney(system.ready, person);
  }

  /** Starts the registration, and notes the secrets that it will contain. */
  async function begin(journey: Journey): Promise<RegistrationHandle> {
    await journey.walk('start');
    const { registration, person } = journey;
    if (registration === undefined) throw new Error('Not started');
    registrations.set(person, registration);
    for (const secret of [registration.token, person.password, person.newPassword, person.pin]) note(secret);
    return registration;
  }

  function tokensOf(journey: Journey): { accessToken: string; refreshToken: string } {
    const { accessToken, refreshToken } = journey.answerOf('session').body;
    note(accessToken);
    note(refreshToken);
    return { accessToken, refreshToken };
  }

  function note(secret: string): string {
    secrets.add(secret);
    return secret;
  }

  function secretsOfSystem(): string[] {
    return [...Object.values(system.secrets), directory.bindPassword, demoTwilio.authToken];
  }
});

function entryOf({ username, password, fullName, email, phone }: Person): string {
  return `dn: uid=${username},ou=people,dc=example,dc=org
objectClass: inetOrgPerson
uid: ${username}
cn: ${fullName}
sn: ${fullName.split(' ')[1]}
mail: ${email}
mobile: ${phone}
userPassword: ${password}
`;
}
