import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, before, describe, it } from 'node:test';
import { type Accounts, createAccounts } from '../../../adapters/mongo/accounts.ts';
import { connectMongo, type Database } from '../../../adapters/mongo/connect.ts';
import { withDatabase } from '../../../engines/processes.ts';
import { newId } from '../../../platform/crypto.ts';
import { testEngines } from '../../support/engines.ts';
import { atOnce, testCipher, uniqueName } from '../../support/redis.ts';

/** Longer than any response takes. */
const patient = { serverMs: 600_000, answerMs: 600_000 };
let database: Database;
let accounts: Accounts;

before(async () => {
  database = connectMongo(withDatabase(testEngines().databaseUrl, uniqueName()), unexpected, patient);
  accounts = createAccounts(database.connection, [randomBytes(32)], testCipher('field'), {
    around: (_userId, write) => write(),
  });
  await database.ping();
});
after(async () => {
  await database.connection.dropDatabase();
  await database[Symbol.asyncDispose]();
});

function unexpected(err: unknown): void {
  throw err;
}

async function personWith(isFromDirectory = true) {
  const [userId, name] = [newId(), uniqueName('person')];
  const phone = `+1${String(randomBytes(4).readUInt32BE()).padStart(10, '0')}`;
  const identity = {
    username: name,
    email: `${name}@example.com`,
    phone,
    ...(isFromDirectory && { directoryId: newId() }),
  };
  await accounts.claim(userId, identity);
  await accounts.insert({ userId, identity, createdAt: new Date() });
  return { userId, identity };
}

describe('findHolders()', () => {
  it('F2: finds what another entry holds, except what its person has proven', async () => {
    const { userId, identity } = await personWith();
    await accounts.setIdentifier(userId, { kind: 'phone', value: identity.phone });
    const { directoryId, ...wanted } = identity;
    const [holder, ...others] = await accounts.findHolders(newId(), { ...wanted, directoryId: newId() });
    assert.deepEqual([others, holder?.userId, holder?.directoryId], [[], userId, directoryId]);
    assert.deepEqual(
      holder?.held.map(({ kind }) => kind),
      ['username', 'email'],
    );
  });

  it('F2: finds nothing of accounts without an entry, of the claiming account, or of the same entry', async () => {
    const [own, foreign] = [await personWith(), await personWith(false)];
    assert.deepEqual(await accounts.findHolders(newId(), { ...foreign.identity, directoryId: newId() }), []);
    assert.deepEqual(await accounts.findHolders(own.userId, own.identity), []);
    assert.deepEqual(await accounts.findHolders(newId(), own.identity), []);
  });
});

describe('transfer()', () => {
  it('F2: gives an identifier to one of parallel claimants, and takes it from its account', async () => {
    const { userId, identity } = await personWith();
    const { phone, username, email } = identity;
    const claimants = Array.from({ length: 10 }, () => newId());
    await atOnce(10, (index) => accounts.transfer(userId, claimants[index] ?? '', { kind: 'phone', value: phone }));
    const owners = await Promise.all(claimants.map((claimant) => accounts.claim(claimant, { phone })));
    assert.equal(owners.filter(Boolean).length, 1);
    const account = await accounts.read(userId);
    assert.deepEqual([account?.phone, account?.username, account?.email], [undefined, username, email]);
  });
});

describe('takeIdentifier()', () => {
  it('F2: frees an identifier in any spelling', async () => {
    const { userId, identity } = await personWith();
    await accounts.takeIdentifier(userId, { kind: 'username', value: identity.username.toUpperCase() });
    assert.equal('username' in ((await accounts.read(userId)) ?? {}), false);
    assert.equal(await accounts.claim(newId(), { username: identity.username }), true);
  });
});
