import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, before, describe, it } from 'node:test';
import { type Accounts, createAccounts } from '../../../adapters/mongo/accounts.ts';
import { connectMongo, type Database } from '../../../adapters/mongo/connect.ts';
import type { ContactIdentity } from '../../../domain/identity.ts';
import { withDatabase } from '../../../engines/processes.ts';
import { Secret } from '../../../platform/config/secret.ts';
import { createCipher, keyedHash, newId } from '../../../platform/crypto.ts';
import { testEngines } from '../../support/engines.ts';
import { atOnce, testCipher, uniqueName } from '../../support/redis.ts';

/** Longer than any response takes. */
const patient = { serverMs: 600_000, answerMs: 600_000 };
let database: Database;
let accounts: Accounts;
const hashKey = randomBytes(32);

before(async () => {
  database = connectMongo(withDatabase(testEngines().databaseUrl, uniqueName()), unexpected, patient);
  accounts = createAccounts(database.connection, [hashKey], testCipher('field'), {
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

/** Returns an identity that no other test uses. */
function newIdentity(): Required<Pick<ContactIdentity, 'username' | 'email' | 'phone' | 'directoryId'>> &
  ContactIdentity {
  const name = uniqueName('person');
  const digits = String(randomBytes(4).readUInt32BE()).padStart(10, '0');
  return {
    username: name,
    fullName: 'Ada Lovelace',
    email: `${name}@example.com`,
    phone: `+1${digits}`,
    directoryId: newId(),
  };
}

const claims = () => database.connection.collection('claims');
const users = () => database.connection.collection('users');

describe('claim()', () => {
  it('gives one number to one of 50 parallel claims', async () => {
    const { phone } = newIdentity();
    const owners = await atOnce(50, (index) => accounts.claim(`user ${index}`, { phone }));
    assert.equal(owners.filter(Boolean).length, 1);
    const winner = `user ${owners.indexOf(true)}`;
    assert.equal(await accounts.claim(winner, { phone }), true);
    assert.equal(await accounts.claim('user other', { phone }), false);
  });

  it('gives an identity to exactly one of 20 parallel claims, in every round', async () => {
    for (let round = 0; round < 10; round++) {
      const identity = newIdentity();
      const owners = await atOnce(20, (index) => accounts.claim(`user ${index}`, identity));
      assert.equal(owners.filter(Boolean).length, 1, `round ${round}`);
    }
  });

  it('completes an earlier, partial claim of the same user', async () => {
    const identity = newIdentity();
    await accounts.claim('user', { username: identity.username, email: identity.email });
    assert.equal(await accounts.claim('user', identity), true);
    for (const part of ['phone', 'directoryId'] as const) {
      assert.equal(await accounts.claim('other', { [part]: identity[part] }), false, part);
    }
  });

  it('succeeds when the same user repeats it, also in parallel', async () => {
    const identity = newIdentity();
    assert.deepEqual(await atOnce(20, () => accounts.claim('user', identity)), Array(20).fill(true));
  });

  it('is false when another user has the name, the number, the address or the directory entry', async () => {
    const identity = newIdentity();
    await accounts.claim('owner', identity);
    for (const part of ['username', 'phone', 'email', 'directoryId'] as const) {
      assert.equal(await accounts.claim('other', { ...newIdentity(), [part]: identity[part] }), false, part);
    }
  });

  it('compares names and addresses without regard to case and Unicode composition', async () => {
    const name = uniqueName('jos\u00e9');
    await accounts.claim('owner', { username: name, email: `${name}@example.com` });
    const decomposed = name.normalize('NFD').toUpperCase();
    assert.equal(await accounts.claim('other', { username: decomposed }), false);
    assert.equal(await accounts.claim('other', { email: `${decomposed}@example.com` }), false);
  });

  it('keeps values of different kinds apart', async () => {
    const value = uniqueName();
    await accounts.claim('owner', { username: value });
    assert.equal(await accounts.claim('other', { email: value }), true);
  });

  it('claims nothing for an empty identity', async () => {
    assert.equal(await accounts.claim('user', {}), true);
  });

  it('stores no personal data in a claim', async () => {
    const identity = newIdentity();
    const userId = newId();
    await accounts.claim(userId, identity);
    const stored = await claims().find({ userId }).toArray();
    assert.equal(stored.length, 5);
    const text = JSON.stringify(stored);
    for (const personal of [identity.username, identity.email, identity.phone, identity.directoryId]) {
      assert.equal(text.includes(personal), false, personal);
    }
  });
});

describe('release()', () => {
  it('releases every claim of the identity', async () => {
    const identity = newIdentity();
    await accounts.claim('owner', identity);
    await accounts.release('owner', identity);
    assert.equal(await accounts.claim('other', identity), true);
  });

  it('does not release the claims of another user', async () => {
    const identity = newIdentity();
    await accounts.claim('owner', identity);
    await accounts.release('other', identity);
    assert.equal(await accounts.claim('other', identity), false);
  });

  it('undoes a partial claim', async () => {
    const identity = newIdentity();
    await accounts.claim('owner', { email: identity.email });
    assert.equal(await accounts.claim('other', identity), false);
    await accounts.release('other', identity);
    assert.equal(await accounts.claim('third', { phone: identity.phone, username: identity.username }), true);
    assert.equal(await accounts.claim('owner', { email: identity.email }), true);
  });

  it('can be repeated, and can come before any claim', async () => {
    const identity = newIdentity();
    const userId = newId();
    await accounts.release(userId, identity);
    await accounts.claim(userId, identity);
    await Promise.all([accounts.release(userId, identity), accounts.release(userId, identity)]);
    assert.equal(await claims().countDocuments({ userId }), 0);
  });
});

describe('insert()', () => {
  const createdAt = new Date('2026-01-02T03:04:05.678Z');

  it('stores an account that reads back as given', async () => {
    const userId = newId();
    const identity = { ...newIdentity(), groups: ['staff', 'engineers'] };
    await accounts.insert({ userId, identity, registrationId: 'r1', password: '$argon2id$x', createdAt, locale: 'de' });
    const { username, fullName, email, phone, groups } = identity;
    assert.deepEqual(await accounts.read(userId), {
      ...{ userId, username, fullName, email, phone, groups },
      roles: ['user'],
      registrationIds: ['r1'],
      createdAt,
      locale: 'de',
    });
  });

  it('stores one account when it is repeated, and keeps the first one', async () => {
    const userId = newId();
    const identity = newIdentity();
    await atOnce(10, () => accounts.insert({ userId, identity, createdAt }));
    await accounts.insert({ userId, identity: { ...identity, fullName: 'Somebody Else' }, createdAt });
    assert.equal(await users().countDocuments({ _id: userId as never }), 1);
    assert.equal((await accounts.read(userId))?.fullName, 'Ada Lovelace');
  });

  it('stores numbers, addresses and directory ids encrypted or hashed, never in plain text', async () => {
    const userId = newId();
    const identity = newIdentity();
    await accounts.insert({ userId, identity, password: '$argon2id$p', pin: '$argon2id$n', createdAt });
    const stored = await users().findOne({ _id: userId as never });
    const text = JSON.stringify(stored);
    for (const personal of [identity.email, identity.phone, identity.phone.slice(2), identity.directoryId]) {
      assert.equal(text.includes(personal), false, personal);
    }
    assert.match(String(stored?.phoneNumberEncrypted), /^[0-9a-f]{8}\.[\w-]+$/);
    assert.match(String(stored?.phoneNumberHash), /^[\w-]{43}$/);
    assert.equal(stored?.password, '$argon2id$p');
    assert.equal(stored?.pin, '$argon2id$n');
  });

  it('does not expose the password or PIN hash to readers of accounts', async () => {
    const userId = newId();
    await accounts.insert({ userId, identity: {}, password: '$argon2id$p', pin: '$argon2id$n', createdAt });
    assert.equal(JSON.stringify(await accounts.read(userId)).includes('argon2id'), false);
  });

  it('reads accounts encrypted with older keys after a rotation', async () => {
    const [old, current] = [randomBytes(32), randomBytes(32)].map((key) => new Secret(key.toString('base64')));
    assert.ok(old && current);
    const userId = newId();
    const identity = newIdentity();
    const before = createAccounts(database.connection, [hashKey], createCipher('field', old), {
      around: (_userId, write) => write(),
    });
    await before.insert({ userId, identity, createdAt });
    const afterwards = createAccounts(database.connection, [hashKey], createCipher('field', current, [old]), {
      around: (_userId, write) => write(),
    });
    assert.equal((await afterwards.read(userId))?.phone, identity.phone);
  });

  it('refuses unknown fields instead of dropping them', async () => {
    const model = database.connection.model('User');
    await assert.rejects(model.create({ _id: newId(), createdAt, phone: '+12025550100' }), /not in schema/);
  });
});

describe('read() and remove()', () => {
  it('accept an account that does not exist', async () => {
    assert.equal(await accounts.read(newId()), undefined);
    await accounts.remove(newId());
  });

  it('remove one account, also when repeated, and no other', async () => {
    const [one, other] = [newId(), newId()];
    for (const userId of [one, other]) await accounts.insert({ userId, identity: {}, createdAt: new Date() });
    await accounts.remove(one);
    await accounts.remove(one);
    assert.equal(await accounts.read(one), undefined);
    assert.notEqual(await accounts.read(other), undefined);
  });

  it('refuse a query operator in place of an id', async () => {
    await accounts.insert({ userId: newId(), identity: {}, createdAt: new Date() });
    await assert.rejects(accounts.read({ $gt: '' } as never));
  });
});

describe('account queries', () => {
  it('all use an index: each names the _id it wants', async () => {
    const queries: { collection: string; method: string; filter: { _id?: unknown } }[] = [];
    await using own = connectMongo(withDatabase(testEngines().databaseUrl, uniqueName()), unexpected, patient);
    own.connection.set('debug', (collection: string, method: string, filter: { _id?: unknown }) => {
      queries.push({ collection, method, filter });
    });
    await own.ping();
    const watched = createAccounts(own.connection, [hashKey], testCipher('field'), {
      around: (_userId, write) => write(),
    });
    const identity = newIdentity();
    await watched.claim('one', identity);
    await watched.claim('two', identity);
    await watched.insert({ userId: 'one', identity, createdAt: new Date() });
    await watched.insert({ userId: 'one', identity, createdAt: new Date() });
    await watched.read('one');
    await watched.remove('one');
    await watched.release('one', identity);
    await own.connection.dropDatabase();
    const methods = new Set(queries.map(({ collection, method }) => `${collection}.${method}`));
    const expected = ['claims.deleteOne', 'claims.find', 'claims.insertMany'];
    assert.deepEqual([...methods].sort(), [...expected, 'users.deleteOne', 'users.findOne', 'users.insertOne']);
    for (const query of queries) {
      const ids = idsOf(query.method === 'insertMany' ? query.filter : [query.filter]);
      assert.ok(ids.length > 0 && ids.every((id) => typeof id === 'string'), JSON.stringify(query));
    }
  });
});

function idsOf(filters: unknown): unknown[] {
  return (filters as { _id?: unknown }[]).flatMap(({ _id }) => (_id as { $in?: unknown[] } | undefined)?.$in ?? [_id]);
}

describe('setIdentifier()', () => {
  it('notes when the number became another one, but not a repeat or another address', async () => {
    const [userId, identity, other] = [newId(), newIdentity(), newIdentity()];
    await accounts.insert({ userId, identity, createdAt: new Date() });
    const changedAt = async () => (await accounts.read(userId))?.phoneChangedAt;
    await accounts.setIdentifier(userId, { kind: 'phone', value: identity.phone });
    await accounts.setIdentifier(userId, { kind: 'email', value: other.email });
    assert.equal(await changedAt(), undefined);
    await accounts.setIdentifier(userId, { kind: 'phone', value: other.phone });
    const noted = await changedAt();
    assert.ok(noted);
    await accounts.setIdentifier(userId, { kind: 'phone', value: other.phone });
    assert.deepEqual(await changedAt(), noted);
  });
});

describe('disable() and enable()', () => {
  it('store the instant of the first call, and clear it', async () => {
    const userId = newId();
    await accounts.insert({ userId, identity: newIdentity(), createdAt: new Date(0) });
    await accounts.disable(userId, new Date(1000));
    await accounts.disable(userId, new Date(2000));
    assert.deepEqual((await accounts.read(userId))?.disabledAt, new Date(1000));
    await atOnce(3, () => accounts.enable(userId));
    assert.equal('disabledAt' in ((await accounts.read(userId)) ?? {}), false);
  });

  it('do not create an account that does not exist', async () => {
    const userId = newId();
    await accounts.disable(userId, new Date(1000));
    await accounts.enable(userId);
    assert.equal(await accounts.read(userId), undefined);
  });
});

describe('findBy() a user name', () => {
  it('finds an account by name, whatever its case, and ignores names that are only claimed', async () => {
    const userId = newId();
    const identity = newIdentity();
    await accounts.claim(userId, identity);
    assert.equal(await named(identity.username), undefined);
    await accounts.insert({ userId, identity, createdAt: new Date(0) });
    assert.equal((await named(identity.username.toUpperCase()))?.userId, userId);
    assert.equal(await named(identity.email), undefined);
    assert.equal(await named(uniqueName()), undefined);
  });
});

const named = (value: string) => accounts.findBy({ kind: 'username', value });

describe('names that look alike, and numbers that changed', () => {
  it('F6: gives a name that looks like another only to a user of the directory', async () => {
    const name = `victor${newId().slice(0, 8)}x`;
    const alike = name.replace('o', '0');
    assert.equal(await accounts.claim('owner', { username: name }), true);
    assert.equal(await accounts.claim('other', { username: alike }), false);
    await accounts.release('other', { username: alike });
    assert.equal(await accounts.claim('owner', { username: alike }), true);
    await accounts.release('owner', { username: name }, { username: alike });
    assert.equal(await accounts.claim('third', { username: name }), false);
    await accounts.release('third', { username: name });
    assert.equal(await accounts.claim('staff', { username: name, directoryId: newId() }), true);
  });

  it('F28: finds the user name of a directory that has the form of an address, but no chosen one', async () => {
    const [linked, chosen] = [newId(), newId()];
    const [upn, fake] = [`${uniqueName()}@corp.example`, `${uniqueName()}@corp.example`];
    const link = { username: upn, directoryId: newId() };
    await accounts.claim(linked, link);
    await accounts.insert({ userId: linked, identity: link, createdAt: new Date() });
    await accounts.claim(chosen, { username: fake });
    await accounts.insert({ userId: chosen, identity: { username: fake }, createdAt: new Date() });
    assert.equal((await accounts.findBy({ kind: 'email', value: upn }))?.userId, linked);
    assert.equal(await accounts.findBy({ kind: 'email', value: fake }), undefined);
  });

  it('F8: finds an account by the number of before and after a change of the numbering plan', async () => {
    const [userId, last] = [newId(), String(Math.floor(Math.random() * 1e6)).padStart(6, '0')];
    const [before, now] = [`+22997${last}`, `+2290197${last}`];
    // as an earlier version stored it
    const hash = keyedHash(hashKey, 'phone', before);
    await claims().insertOne({ _id: `phone:${hash}` as never, userId, createdAt: new Date() });
    await accounts.insert({ userId, identity: { phone: before }, createdAt: new Date() });
    assert.equal((await accounts.findBy({ kind: 'phone', value: now }))?.userId, userId);
    assert.equal((await accounts.findBy({ kind: 'phone', value: before }))?.phone, now);
    assert.equal(await accounts.claim('other', { phone: now }), false);
    assert.equal(await accounts.erase(userId), 1);
  });
});

describe('removeOrphanClaims()', () => {
  it('removes only old claims without an account', async () => {
    const [orphan, young, owner] = [newId(), newId(), newId()];
    const named = (userId: string) => ({ username: `user-${userId}` });
    for (const userId of [orphan, young, owner]) assert.equal(await accounts.claim(userId, named(userId)), true);
    await accounts.insert({ userId: owner, identity: named(owner), createdAt: new Date() });
    const long = new Date('2026-01-01T00:00:00Z');
    await claims().updateMany({ userId: { $in: [orphan, owner] } }, { $set: { createdAt: long } });
    assert.equal(await accounts.removeOrphanClaims(new Date('2026-01-02T00:00:00Z')), 2);
    const left = await claims().distinct('userId', { userId: { $in: [orphan, young, owner] } });
    assert.deepEqual(left.sort(), [young, owner].sort());
    assert.equal(await accounts.claim(newId(), named(orphan)), true);
  });
});
