/**
 * The directory matters after the registration too: users log in with its password, and a user who is disabled or
 * removed there loses all access here.
 */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, describe, it } from 'node:test';
import { createAccounts } from '../../adapters/mongo/accounts.ts';
import { connectMongo } from '../../adapters/mongo/connect.ts';
import { openTemporaryFolder } from '../../engines/data-folder.ts';
import { startDirectory } from '../../engines/ldap.ts';
import { freePort } from '../../engines/ports.ts';
import { Secret } from '../../platform/config/secret.ts';
import { createCipher, deriveKey } from '../../platform/crypto.ts';
import { readLogs } from '../support/footprint.ts';
import { createJourney, type Person } from '../support/journey.ts';
import { must } from '../support/registrations.ts';
import { connectStores } from '../support/stores.ts';
import { startOwnTestSystem } from '../support/system.ts';
import { until } from '../support/until.ts';
import { withSystem } from '../support/with-system.ts';

interface LinkedPerson extends Person {
  entryId: string;
}

function personOf(name: string, index: number): LinkedPerson {
  return {
    username: name,
    password: `directory-of-${name}-4Wd`,
    fullName: `Somebody ${name}`,
    email: `${name}@example.org`,
    phone: `+44770090096${index}`,
    newPassword: `own-${name}-harbour-lantern`,
    pin: `73910582${index}`,
    entryId: randomUUID(),
  };
}

const [stayer, leaver, locked, renamed] = ['stayer', 'leaver', 'locked', 'renamed'].map(personOf) as [
  LinkedPerson,
  LinkedPerson,
  LinkedPerson,
  LinkedPerson,
];
/** A user of the directory who never registered here. */
const visitor = personOf('visitor', 5);

const folder = await openTemporaryFolder();
const port = await freePort();
const serving = (entries: string[]) => startDirectory(folder, { port, ldif: entries.join('\n') });
let directory = await serving([stayer, leaver, locked, renamed, visitor].map((person) => entryOf(person)));

/** Replaces the directory by one with these entries. */
async function serve(entries: string[]): Promise<void> {
  await directory.process.stop();
  directory = await serving(entries);
}

const { system, api, logIn } = await withSystem(
  { LDAP_URL: directory.url, DIRECTORY_SYNC_INTERVAL: '2', DIRECTORY_TRIES: '20' },
  { start: startOwnTestSystem },
);
await Promise.all([stayer, leaver].map((person) => createJourney(system.ready, person).walk('session')));
await Promise.all([locked, renamed].map((person) => createJourney(system.ready, person).walk('session')));
after(() => folder.close());

const session = (token: string) => api.readSession({ token });
const refresh = (refreshToken: string) => api.refreshTokens({ body: { refreshToken } });

describe('a user of the directory', () => {
  it('logs in with its password or with their own, by user name, number or e-mail', async () => {
    for (const password of [stayer.password, stayer.newPassword]) {
      for (const name of [stayer.username, stayer.phone, stayer.email]) {
        const { accessToken } = (await must(logIn(name, password))).body;
        assert.equal((await session(accessToken)).status, 200);
      }
    }
  });

  it('gets the same refusal with a wrong password, with that of another user, or without an account here', async () => {
    for (const [name, password] of [
      [stayer.username, 'wrong-password'],
      [stayer.username, leaver.password],
      [visitor.username, visitor.password],
      ['nobody', 'wrong-password'],
    ] as const) {
      const { status, body } = await logIn(name, password);
      assert.deepEqual([status, body.error], [401, 'Name or password is wrong'], name);
    }
  });

  it('gets 503 while it is unavailable, and can still log in with their own password', async () => {
    process.kill(directory.process.pid, 'SIGSTOP');
    try {
      // on a stalled machine, the time for a response may end before the directory is queried
      await until(async () => {
        const away = await logIn(stayer.username, stayer.password);
        assert.equal(away.status, 503);
        return away.body.error === 'The directory is unavailable';
      });
      assert.equal((await logIn(stayer.username, stayer.newPassword)).status, 200);
    } finally {
      process.kill(directory.process.pid, 'SIGCONT');
    }
  });
});

describe('the directory sync', () => {
  it('ends every session of users who are disabled, removed or replaced there, and no other session', async () => {
    const people = [stayer, leaver, locked, renamed];
    const tokens = new Map<string, { accessToken: string; refreshToken: string }>();
    for (const { username, newPassword } of people) {
      tokens.set(username, (await must(logIn(username, newPassword))).body);
    }
    const mark = 'pwdAccountLockedTime: 000001010000Z';
    await serve([entryOf(stayer), entryOf(locked, mark), entryOf({ ...renamed, entryId: randomUUID() })]);
    for (const { username, newPassword, password } of [leaver, locked, renamed]) {
      const { accessToken = '', refreshToken = '' } = tokens.get(username) ?? {};
      await until(async () => (await session(accessToken)).status === 401);
      assert.equal((await refresh(refreshToken)).status, 401, username);
      for (const secret of [newPassword, password]) assert.equal((await logIn(username, secret)).status, 401, username);
    }
    const { accessToken = '', refreshToken = '' } = tokens.get(stayer.username) ?? {};
    assert.equal((await session(accessToken)).status, 200);
    assert.equal((await refresh(refreshToken)).status, 200);
  });

  it('disables no account while the directory is unavailable', async () => {
    const { accessToken } = (await must(logIn(stayer.username, stayer.newPassword))).body;
    await directory.process.stop();
    await until(async () => (readLogs(system)['log directory.log'] ?? '').includes('"event":"dependency.away"'));
    await using stores = await connectStores(system);
    const query = 'WorkflowType = "directorySync" AND ExecutionStatus = "Completed"';
    const runs = async () => (await stores.temporal.workflow.count(query)).count;
    const before = await runs();
    await until(async () => (await runs()) >= before + 2);
    assert.equal((await session(accessToken)).status, 200);
    await serve([entryOf(stayer)]);
  });

  it('disables no account when most users are missing at once, which indicates a wrong search base', async () => {
    const { DATABASE_URL: databaseUrl = '', DATA_KEY: dataKey = '' } = system.processes.env('registration');
    await using database = connectMongo(databaseUrl, () => undefined);
    const key = new Secret(dataKey);
    const accounts = createAccounts(database.connection, deriveKey(key, 'identity'), createCipher('field', key));
    const strangers = Array.from({ length: 12 }, (_, index) => ({ userId: `u-${index}`, username: `moved-${index}` }));
    for (const { userId, username } of strangers) {
      await accounts.insert({ userId, identity: { username, directoryId: randomUUID() }, createdAt: new Date() });
    }
    await until(async () => (readLogs(system)['log registration.log'] ?? '').includes('"event":"directory.doubted"'));
    for (const { userId } of strangers) assert.equal((await accounts.read(userId))?.disabledAt, undefined);
  });
});

function entryOf({ username, password, fullName, email, phone, entryId }: LinkedPerson, ...more: string[]): string {
  const lines = [
    `dn: uid=${username},ou=people,dc=example,dc=org`,
    'objectClass: inetOrgPerson',
    `uid: ${username}`,
    `cn: ${fullName}`,
    `sn: ${username}`,
    `mail: ${email}`,
    `mobile: ${phone}`,
    `userPassword: ${password}`,
    `entryUUID: ${entryId}`,
    ...more,
  ];
  return `${lines.join('\n')}\n`;
}
