// @rerun never
import assert from 'node:assert/strict';
import { randomBytes, randomUUID } from 'node:crypto';
import { after, before, describe, it } from 'node:test';
import { createAccounts } from '../../../adapters/mongo/accounts.ts';
import { connectMongo } from '../../../adapters/mongo/connect.ts';
import { createReencryption } from '../../../adapters/mongo/reencryption.ts';
import { withDatabase } from '../../../engines/processes.ts';
import { Secret } from '../../../platform/config/secret.ts';
import { createCipher, deriveKey } from '../../../platform/crypto.ts';
import { testEngines } from '../../support/engines.ts';
import { uniqueName } from '../../support/redis.ts';

const database = connectMongo(withDatabase(testEngines().databaseUrl, uniqueName('reencryption')), () => undefined);
before(() => database.connection.asPromise());
after(async () => {
  await database.connection.dropDatabase();
  await database[Symbol.asyncDispose]();
});

const [old, current] = [0, 1].map(() => new Secret(randomBytes(32).toString('base64'))) as [Secret, Secret];
const around = <T>(_userId: string, write: () => Promise<T>) => write();

/** The stores of a process with some keys, the current one first. */
function storesWith(first: Secret, ...older: Secret[]) {
  const keys = [deriveKey(first, 'identity'), ...older.map((key) => deriveKey(key, 'identity'))] as const;
  const cipher = createCipher('field', first, older);
  // the models of a connection exist once
  for (const name of Object.keys(database.connection.models)) database.connection.deleteModel(name);
  const accounts = createAccounts(database.connection, [...keys], cipher, { around });
  return { accounts, reencryption: createReencryption(database.connection, [...keys], cipher) };
}

const identityOf = (index: number) => ({
  username: `ada${index}`,
  email: `ada${index}@example.com`,
  phone: `+4477009001${String(index).padStart(2, '0')}`,
  directoryId: `entry-${index}`,
});
const finds = async (accounts: ReturnType<typeof storesWith>['accounts'], index: number) =>
  Promise.all([
    accounts.findBy({ kind: 'username', value: `ada${index}` }),
    accounts.findBy({ kind: 'email', value: identityOf(index).email }),
    accounts.findBy({ kind: 'phone', value: identityOf(index).phone }),
    accounts.findByDirectoryId(`entry-${index}`),
  ]).then((found) => found.map((account) => account?.userId));

describe('the re-encryption of accounts', () => {
  it('keeps every account found and unique at each step, continues where it was, and then needs no old key', async () => {
    const make = async ({ accounts }: ReturnType<typeof storesWith>, index: number) => {
      const userId = `u-${index}`;
      const isClaimed = await accounts.claim(userId, identityOf(index));
      if (isClaimed) await accounts.insert({ userId, identity: identityOf(index), createdAt: new Date() });
      return isClaimed;
    };
    const before = storesWith(old);
    for (const index of [1, 2, 3]) await make(before, index);

    // 1. every process opens with the new key
    const both = storesWith(old, current);
    await make(both, 4);
    // 2. the new key is the current one; 3. re-encryption, page by page, interrupted after the first
    const moving = storesWith(current, old);
    assert.equal((await moving.reencryption.movePage('', { size: 2, retire: false })).changed, 2);
    await make(moving, 5);
    for (const index of [1, 2, 3, 4, 5])
      assert.deepEqual(await finds(moving.accounts, index), Array(4).fill(`u-${index}`));
    // strangers who claim the same meanwhile, and are terminated before they release what they have got
    for (const index of [1, 3, 5]) assert.equal(await moving.accounts.claim(randomUUID(), identityOf(index)), false);
    const rest = await moving.reencryption.movePage('u-2', { size: 10, retire: false });
    assert.deepEqual([rest.userIds, rest.changed], [['u-3', 'u-4', 'u-5'], 2]);
    assert.equal((await moving.reencryption.movePage('', { size: 10, retire: false })).changed, 0);

    // 4. the old claims go, and then the old key
    await moving.reencryption.movePage('', { size: 10, retire: true });
    const afterwards = storesWith(current);
    for (const index of [1, 2, 3, 4, 5]) {
      assert.deepEqual(await finds(afterwards.accounts, index), Array(4).fill(`u-${index}`));
      assert.deepEqual((await afterwards.accounts.read(`u-${index}`))?.email, identityOf(index).email);
      assert.equal(await afterwards.accounts.claim(randomUUID(), identityOf(index)), false);
      assert.ok((await afterwards.accounts.erase(`u-${index}`)) >= 5);
    }
    assert.equal(await database.connection.collection('claims').countDocuments(), 0);
  });
});
