import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type AccountActivityDeps, createAccountActivities } from '../../activities/accounts.ts';
import type { NewAccount } from '../../adapters/mongo/accounts.ts';
import type { StoredDevice } from '../../domain/device.ts';
import { Failure } from '../../domain/failures.ts';

class Outage extends Error {}

const account = {
  registrationId: 'r1',
  userId: 'u1',
  identity: { username: 'ada', phone: '+12025550102' },
  createdAt: 1_700_000_000_000,
};

/** In-memory stores. `fault` is thrown by the database. */
interface Given {
  fault?: Error;
  failsOnSave?: boolean;
  hasPin?: boolean;
  devices?: StoredDevice[];
  lastSeenAt?: number;
  lockMs?: number;
}

function scene(given: Given = {}) {
  const oneTimeSecrets = new Map<string, unknown>([['ref-1', { password: 'secret', pin: '4711' }]]);
  const kept = new Map<string, { password?: string; pin?: string }>();
  const owners = new Map<string, string>();
  const users = new Map<string, NewAccount>();
  const state = { ...given };
  const opened = new Set<string>();
  const ended: string[] = [];
  const changes: unknown[] = [];
  const locked = new Map<string, string>();
  const database = async <T>(act: () => T): Promise<T> => {
    if (state.fault) throw state.fault;
    return act();
  };
  const deps: AccountActivityDeps = {
    accounts: {
      claim: (userId, { phone = '' }) =>
        database(() => {
          if (!owners.has(phone)) owners.set(phone, userId);
          return owners.get(phone) === userId;
        }),
      release: (userId, { phone = '' }) => database(() => void (owners.get(phone) === userId && owners.delete(phone))),
      insert: (created) => database(() => void (users.has(created.userId) || users.set(created.userId, created))),
      remove: (userId) => database(() => void users.delete(userId)),
      findHolders: async () => [],
      findOwner: ({ phone = '' }) =>
        database(() => {
          const userId = locked.get(phone);
          return userId === undefined ? undefined : { userId, hasPin: state.hasPin ?? true, createdAt: new Date(0) };
        }),
      addRegistration: (_userId, registrationId) => database(() => void opened.add(registrationId)),
      setSecret: (userId, kind, hash) =>
        database(() => void users.set(userId, { ...(users.get(userId) as NewAccount), [kind]: hash })),
    },
    sessions: {
      async endAll(userId) {
        ended.push(userId);
        return 1;
      },
      endDeviceless: async () => [],
      lastSeenAt: async () => state.lastSeenAt,
    },
    devices: {
      read: async (userId) => ({ userId, identityKey: '', version: 1, devices: state.devices ?? [] }),
    },
    lockMs: given.lockMs,
    events: { credentialChanged: (change) => void changes.push(change) },
    registrations: {
      async saveCredentials(id, hashes) {
        if (state.failsOnSave) throw new Error('killed');
        kept.set(id, hashes);
      },
      readCredentials: async (id) => kept.get(id) ?? {},
    },
    oneTimeSecrets: {
      read: async (reference) => oneTimeSecrets.get(reference),
    },
    passwords: {
      hash: async (secret) => `hash of ${secret}`,
      verify: async (phc, secret) => phc === `hash of ${secret}`,
    },
    isOutage: (err) => err instanceof Outage,
  };
  return {
    ...createAccountActivities(deps),
    state,
    oneTimeSecrets,
    kept,
    owners,
    users,
    opened,
    ended,
    changes,
    locked,
  };
}

const credentials = { registrationId: 'r1', credentialsRef: 'ref-1' };

describe('hashCredentials()', () => {
  it('stores the hashes of password and PIN', async () => {
    const { hashCredentials, kept } = scene();
    assert.equal(await hashCredentials(credentials), 'kept');
    assert.deepEqual(kept.get('r1'), { password: 'hash of secret', pin: 'hash of 4711' });
  });

  it('stores them again when it was killed before its result was received', async () => {
    const { hashCredentials, kept } = scene();
    for (let time = 0; time < 2; time++) assert.equal(await hashCredentials(credentials), 'kept');
    assert.deepEqual(kept.get('r1'), { password: 'hash of secret', pin: 'hash of 4711' });
  });

  it('stores one hash when only one secret was given', async () => {
    const { hashCredentials, kept, oneTimeSecrets } = scene();
    oneTimeSecrets.set('ref-1', { pin: '4711' });
    await hashCredentials(credentials);
    assert.deepEqual(kept.get('r1'), { pin: 'hash of 4711' });
  });

  it('returns lost when the one-time secret has expired after two minutes', async () => {
    const { hashCredentials, kept, oneTimeSecrets } = scene();
    oneTimeSecrets.clear();
    assert.equal(await hashCredentials(credentials), 'lost');
    assert.equal(kept.size, 0);
  });

  it('can be retried when it was killed before the hashes were stored', async () => {
    const { hashCredentials, state, kept } = scene({ failsOnSave: true });
    await assert.rejects(hashCredentials(credentials), /killed/);
    state.failsOnSave = false;
    assert.equal(await hashCredentials(credentials), 'kept');
    assert.equal(kept.size, 1);
  });
});

describe('judgeCredentials()', () => {
  const identity = {
    ...account.identity,
    username: 'wintergreen-harbour',
    fullName: 'Quentin Brightwater',
    email: 'quentin.brightwater@example.org',
    phone: '+491761000014',
  };
  const judged = async (password: string) => {
    const { hashCredentials, judgeCredentials, oneTimeSecrets } = scene();
    oneTimeSecrets.set('ref-1', { password });
    await hashCredentials(credentials);
    return judgeCredentials({ registrationId: 'r1', identity });
  };

  it('F14: finds the name, the address and the number by their hash, in the spellings that people choose', async () => {
    const own = ['wintergreen-harbour', 'wintergreenharbour', 'Quentin Brightwater', 'quentinbrightwater'];
    const reversed = ['BrightwaterQuentin', 'brightwater'];
    const addresses = ['quentin.brightwater@example.org', 'quentin.brightwater'];
    const numbers = ['+491761000014', '491761000014', '01761000014', '1761000014'];
    for (const password of [...own, ...reversed, ...addresses, ...numbers]) {
      assert.equal(await judged(password), 'own-word', password);
    }
    assert.equal(await judged('orchard-lantern-Quiver'), 'kept');
  });

  it('accepts a registration that has only a PIN', async () => {
    const { hashCredentials, judgeCredentials, oneTimeSecrets } = scene();
    oneTimeSecrets.set('ref-1', { pin: '4711' });
    await hashCredentials(credentials);
    assert.equal(await judgeCredentials({ registrationId: 'r1', identity }), 'kept');
  });
});

describe('claimIdentity(), createAccount() and their compensations', () => {
  it('claim, write, remove and release, and can be repeated', async () => {
    const { claimIdentity, createAccount, removeAccount, releaseIdentity, hashCredentials, owners, users } = scene();
    await hashCredentials(credentials);
    for (let time = 0; time < 2; time++) assert.equal(await claimIdentity(account), true);
    assert.equal(await claimIdentity({ ...account, userId: 'u2' }), false);
    for (let time = 0; time < 2; time++) await createAccount(account);
    assert.deepEqual(users.get('u1'), {
      userId: 'u1',
      registrationId: 'r1',
      identity: account.identity,
      password: 'hash of secret',
      pin: 'hash of 4711',
      createdAt: new Date(account.createdAt),
    });
    for (let time = 0; time < 2; time++) await removeAccount(account);
    for (let time = 0; time < 2; time++) await releaseIdentity(account);
    assert.deepEqual([owners.size, users.size], [0, 0]);
  });

  it('return the account whose PIN is required, and claim nothing', async () => {
    const { claimIdentity, owners, locked } = scene();
    await claimIdentity(account);
    locked.set(account.identity.phone, 'u1');
    const lock = { hasPin: true, hasDevices: false };
    assert.deepEqual(await claimIdentity({ ...account, userId: 'u2' }), { lockedBy: 'u1', lock });
    assert.deepEqual([...owners.values()], ['u1']);
  });

  it('write an account without credentials when the policy asks for none', async () => {
    const { createAccount, users } = scene();
    await createAccount(account);
    assert.equal(users.get('u1')?.password, undefined);
  });

  it('do not affect other users when they undo what never happened', async () => {
    const { claimIdentity, releaseIdentity, removeAccount, owners } = scene();
    await claimIdentity(account);
    await releaseIdentity({ ...account, userId: 'u2' });
    await removeAccount({ ...account, userId: 'u2' });
    assert.equal(owners.get('+12025550102'), 'u1');
  });

  it('throw unavailable when the database is unavailable, so that the workflow waits', async () => {
    const { claimIdentity, releaseIdentity, createAccount, removeAccount } = scene({ fault: new Outage('no server') });
    for (const act of [claimIdentity, releaseIdentity, createAccount, removeAccount]) {
      await assert.rejects(act(account) as Promise<unknown>, new Failure('unavailable', { reason: 'unreachable' }));
    }
  });

  it('do not report a bug as an outage', async () => {
    const { claimIdentity, createAccount } = scene({ fault: new TypeError('a bug') });
    await assert.rejects(claimIdentity(account), /a bug/);
    await assert.rejects(createAccount(account), /a bug/);
  });
});

describe('recoverAccount()', () => {
  it('replaces the credentials, ends every session and records an event for each, and can be repeated', async () => {
    const { hashCredentials, recoverAccount, oneTimeSecrets, users, locked, opened, ended, changes } = scene();
    locked.set(account.identity.phone, 'u1');
    oneTimeSecrets.set('ref-1', { pin: '4711' });
    await hashCredentials(credentials);
    for (let time = 0; time < 2; time++) assert.deepEqual(await recoverAccount(account), ['pin']);
    assert.equal(users.get('u1')?.pin, 'hash of 4711');
    assert.equal(users.get('u1')?.password, undefined);
    assert.deepEqual([...opened], ['r1'], 'known to a later erasure');
    assert.deepEqual(ended, ['u1', 'u1']);
    assert.deepEqual(changes[0], { changeId: 'r1', userId: 'u1', kind: 'pin', why: 'reset' });
  });

  it('changes nothing when the identity does not belong to that account', async () => {
    const { hashCredentials, recoverAccount, users, locked, ended } = scene();
    locked.set(account.identity.phone, 'u9');
    await hashCredentials(credentials);
    assert.equal(await recoverAccount(account), false);
    assert.deepEqual([users.size, ended.length], [0, 0]);
  });
});
