/**
 * The directory matters after the registration too: users log in with its password, and a user who is disabled or
 * removed there loses all access here.
 */

import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, describe, it } from 'node:test';
import { createAccounts } from '../../adapters/mongo/accounts.ts';
import { connectMongo } from '../../adapters/mongo/connect.ts';
import { type DataFolder, openTemporaryFolder } from '../../engines/data-folder.ts';
import { type RunningDirectory, startDirectory } from '../../engines/ldap.ts';
import { freePort } from '../../engines/ports.ts';
import type { System } from '../../engines/system.ts';
import { readConfig } from '../../platform/config/config.ts';
import { keysIn } from '../../platform/keyring.ts';
import { type Answer, call, codeFor, messagesTo, notificationsTo } from '../support/client.ts';
import { readLogs } from '../support/footprint.ts';
import { createJourney, type Person } from '../support/journey.ts';
import { must } from '../support/registrations.ts';
import { connectStores } from '../support/stores.ts';
import { startOwnTestSystem } from '../support/system.ts';
import { until } from '../support/until.ts';

interface DirectoryPerson extends Person {
  entryId: string;
}

function personOf(name: string, index: number): DirectoryPerson {
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
  DirectoryPerson,
  DirectoryPerson,
  DirectoryPerson,
  DirectoryPerson,
];
/** A user of the directory who never registered here. */
const visitor = personOf('visitor', 5);
/** A user whose name, number and address are given to another one later. */
const maiden = personOf('maiden', 6);
const married = { ...personOf('married', 7), password: maiden.password, entryId: maiden.entryId };

let folder: DataFolder;
let directory: RunningDirectory;
let port: number;
let system: System;
let url: string;

async function serve(entries: string[]): Promise<void> {
  await directory?.process.stop();
  directory = await startDirectory(folder, { port, ldif: entries.join('\n') });
}

/** Serves other entries, and resolves when the directory answers again. One of the people is `stayer`. */
async function serveAgain(people: DirectoryPerson[]): Promise<void> {
  await serve(people.map((person) => entryOf(person)));
  await until(async () => (await logIn(stayer.username, stayer.password)).status === 200);
}

before(async () => {
  folder = await openTemporaryFolder();
  port = await freePort();
  await serve([stayer, leaver, locked, renamed, visitor, maiden].map((person) => entryOf(person)));
  system = await startOwnTestSystem({
    env: { LDAP_URL: directory.url, CAPTCHA_COST: '2', DIRECTORY_SYNC_INTERVAL: '2', DIRECTORY_TRIES: '20' },
  });
  url = system.ready.apiUrl;
  await Promise.all([stayer, leaver].map((person) => createJourney(system.ready, person).walk('session')));
  await Promise.all([locked, renamed, maiden].map((person) => createJourney(system.ready, person).walk('session')));
});
after(async () => {
  await system?.stop();
  await folder?.close();
});

const logIn = (identifier: string, password: string) =>
  call(url, 'POST', '/api/v1/auth/login', { body: { identifier, password } });
const session = (token: string): Promise<Answer> => call(url, 'GET', '/api/v1/auth/session', { token });
const refresh = (refreshToken: string) => call(url, 'POST', '/api/v1/auth/refresh-token', { body: { refreshToken } });

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

/** Registers somebody at a number to which codes were sent before. Returns the answer of the session. */
async function registerAt(person: Person): Promise<Answer> {
  const { outboxUrl } = system.ready;
  const isCode = ({ code }: { code?: string }) => code !== undefined && code !== '';
  const before = (await messagesTo(outboxUrl, person.phone)).filter(isCode).length;
  const journey = createJourney(system.ready, person);
  await journey.walk('send');
  const { registration } = journey;
  if (registration === undefined) throw new Error('The registration was not started');
  await must(registration.call('PUT', '/code', { code: await codeFor(outboxUrl, person.phone, before + 1) }));
  await must(registration.call('PUT', '/credentials', { password: person.newPassword }));
  return must(registration.call('POST', '/session'), 201);
}

const logOf = (role: string) => readLogs(system)[`log ${role}.log`] ?? '';

describe('the immutable id of an entry', () => {
  it('F2: keeps the account of a renamed user, who logs in by the new name', async () => {
    const { accessToken } = (await must(logIn(maiden.username, maiden.newPassword))).body;
    await serveAgain([stayer, leaver, locked, renamed, visitor, married]);
    const { body } = await must(logIn(married.username, married.password));
    assert.equal(body.user.username, married.username);
    await must(logIn(married.username, maiden.newPassword));
    assert.equal((await logIn(maiden.username, maiden.newPassword)).status, 401);
    assert.equal((await session(accessToken)).status, 200);
  });

  it('F2: transfers what the directory gives to a successor: old sessions end, both are told, one event', async () => {
    const { accessToken } = (await must(logIn(married.username, maiden.newPassword))).body;
    const passwords = { password: 'directory-of-the-successor-4Wd', newPassword: 'own-successor-harbour-lantern' };
    const successor = { ...maiden, ...passwords, entryId: randomUUID() };
    await serveAgain([stayer, leaver, locked, renamed, married, successor]);
    const { body } = await registerAt(successor);
    assert.equal(body.user.username, maiden.username);
    assert.equal((await session(accessToken)).status, 401);
    await must(logIn(married.username, maiden.newPassword));
    await must(logIn(maiden.phone, successor.newPassword));
    const told = async () =>
      (await notificationsTo(system.ready.outboxUrl, maiden.phone)).filter(({ body: text }) =>
        text.startsWith('Contact data of a'),
      );
    await until(async () => (await told()).length === 2);
    const events = logOf('registration').split('"event":"identity.transferred"').length - 1;
    assert.equal(events, 1);
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
    await serve([
      entryOf(stayer),
      entryOf(locked, mark),
      entryOf({ ...renamed, entryId: randomUUID() }),
      entryOf(maiden),
    ]);
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
    const { DATABASE_URL: databaseUrl, KEYS: keys } = readConfig('registration', system.processes.env('registration'));
    await using database = connectMongo(databaseUrl, () => undefined);
    const accounts = createAccounts(database.connection, keysIn(keys, 'identity'), keys.cipher('field'), {
      around: (_userId, write) => write(),
    });
    const strangers = Array.from({ length: 12 }, (_, index) => ({ userId: `u-${index}`, username: `moved-${index}` }));
    // no sync reads an entry while only some of them are there
    await directory.process.stop();
    for (const { userId, username } of strangers) {
      await accounts.insert({ userId, identity: { username, directoryId: randomUUID() }, createdAt: new Date() });
    }
    await serveAgain([stayer]);
    await until(async () => (readLogs(system)['log registration.log'] ?? '').includes('"event":"directory.doubted"'));
    for (const { userId } of strangers) assert.equal((await accounts.read(userId))?.disabledAt, undefined);
  });
});

describe('a successor', () => {
  it('F2: gets the user name, number and address of somebody whose entry is gone', async () => {
    const passwords = { password: 'directory-of-the-heir-4Wd', newPassword: 'own-heir-harbour-lantern' };
    const heir = { ...leaver, ...passwords, entryId: randomUUID() };
    await serveAgain([stayer, heir]);
    const { body } = await registerAt(heir);
    assert.equal(body.user.username, leaver.username);
    await must(logIn(leaver.email, heir.newPassword));
    assert.equal((await logIn(leaver.username, leaver.newPassword)).status, 401);
  });
});

function entryOf({ username, password, fullName, email, phone, entryId }: DirectoryPerson, ...more: string[]): string {
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
