import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type AccountActivityDeps, createAccountActivities } from '../../activities/accounts.ts';
import type { DeviceAnswer, RegistrationDeviceInput } from '../../activities/registration-devices.ts';
import type { NewAccount } from '../../adapters/mongo/accounts.ts';
import type { StoredDevice } from '../../domain/device.ts';
import { Failure } from '../../domain/failures.ts';

class Outage extends Error {}

const account = {
  registrationId: 'r1',
  userId: 'u1',
  identity: { username: 'ada', phone: '+12025550102' },
  createdAt: 1_700_000_000_000,
  hasDevice: false,
};

/** In-memory stores. `fault` is thrown by the database. */
interface Given {
  fault?: Error;
  failsOnSave?: boolean;
  hasPin?: boolean;
  devices?: StoredDevice[];
  lastSeenAt?: number;
  lockMs?: number;
  /** What becomes of the device. */
  device?: DeviceAnswer;
}

function scene(given: Given = {}) {
  const oneTimeSecrets = new Map<string, unknown>([['ref-1', { password: 'secret', pin: '4711' }]]);
  const kept = new Map<string, { password?: string; pin?: string; reference?: string }>();
  const devices: RegistrationDeviceInput[] = [];
  const hashed: string[] = [];
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
      async saveCredentials(id, hashes, reference) {
        if (state.failsOnSave) throw new Error('killed');
        kept.set(id, { ...hashes, reference });
      },
      readCredentials: async (id) => kept.get(id) ?? {},
    },
    oneTimeSecrets: {
      read: async (reference) => oneTimeSecrets.get(reference),
    },
    passwords: {
      async hash(secret) {
        hashed.push(secret);
        return `hash of ${secret}`;
      },
      verify: async (phc, secret) => phc === `hash of ${secret}`,
    },
    registrationDevices: {
      async add(input) {
        devices.push(input);
        return state.device ?? { outcome: 'added', ended: [{ deviceId: '2', createdAt: 5 }] };
      },
      remove: async (userId) =>
        void devices.splice(0, devices.length, ...devices.filter((one) => one.userId !== userId)),
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
    devices,
    hashed,
  };
}

const credentials = { registrationId: 'r1', credentialsRef: 'ref-1' };

describe('hashCredentials()', () => {
  it('stores the hashes of password and PIN', async () => {
    const { hashCredentials, kept } = scene();
    assert.equal(await hashCredentials(credentials), 'kept');
    assert.deepEqual(kept.get('r1'), { password: 'hash of secret', pin: 'hash of 4711', reference: 'ref-1' });
  });

  it('hashes a secret once, also when it was killed before its result was received, and the secret has expired', async () => {
    const { hashCredentials, kept, hashed, oneTimeSecrets } = scene();
    assert.equal(await hashCredentials(credentials), 'kept');
    oneTimeSecrets.delete('ref-1');
    assert.equal(await hashCredentials(credentials), 'kept');
    assert.deepEqual(kept.get('r1'), { password: 'hash of secret', pin: 'hash of 4711', reference: 'ref-1' });
    assert.deepEqual(hashed, ['secret', '4711']);
  });

  it('replaces the hashes of another secret', async () => {
    const { hashCredentials, kept, oneTimeSecrets } = scene();
    await hashCredentials(credentials);
    oneTimeSecrets.set('ref-2', { pin: '2580' });
    assert.equal(await hashCredentials({ ...credentials, credentialsRef: 'ref-2' }), 'kept');
    assert.deepEqual(kept.get('r1'), { pin: 'hash of 2580', reference: 'ref-2' });
  });

  it('stores one hash when only one secret was given', async () => {
    const { hashCredentials, kept, oneTimeSecrets } = scene();
    oneTimeSecrets.set('ref-1', { pin: '4711' });
    await hashCredentials(credentials);
    assert.deepEqual(kept.get('r1'), { pin: 'hash of 4711', reference: 'ref-1' });
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

describe('createAccount() and removeAccount()', () => {
  it('hash, claim and store, can be repeated, and remove all of it', async () => {
    const { createAccount, removeAccount, owners, users, hashed } = scene();
    const input = { ...account, credentialsRef: 'ref-1' };
    for (let time = 0; time < 2; time++) assert.deepEqual(await createAccount(input), { outcome: 'created' });
    assert.deepEqual(hashed, ['secret', '4711']);
    assert.deepEqual(await createAccount({ ...account, userId: 'u2' }), { outcome: 'taken' });
    assert.deepEqual(users.get('u1'), {
      userId: 'u1',
      registrationId: 'r1',
      identity: account.identity,
      password: 'hash of secret',
      pin: 'hash of 4711',
      createdAt: new Date(account.createdAt),
    });
    for (let time = 0; time < 2; time++) await removeAccount(input);
    assert.deepEqual([owners.size, users.size], [0, 0]);
  });

  it('claim and store nothing without the secret of the credentials, or when the password is a word of the user', async () => {
    const { createAccount, oneTimeSecrets, owners, users } = scene();
    oneTimeSecrets.set('own', { password: '+12025550102' });
    assert.deepEqual(await createAccount({ ...account, credentialsRef: 'own' }), { outcome: 'own-word' });
    assert.deepEqual(await createAccount({ ...account, credentialsRef: 'gone' }), { outcome: 'lost' });
    assert.deepEqual([owners.size, users.size], [0, 0]);
  });

  it('return the account that may be recovered, and claim nothing', async () => {
    const { createAccount, owners, users, locked } = scene();
    await createAccount(account);
    locked.set(account.identity.phone, 'u1');
    const lock = { hasPin: true, hasDevices: false };
    assert.deepEqual(await createAccount({ ...account, userId: 'u2' }), { outcome: 'locked', lockedBy: 'u1', lock });
    assert.deepEqual([...owners.values(), ...users.keys()], ['u1', 'u1']);
  });

  it('store an account without credentials when the policy asks for none', async () => {
    const { createAccount, users } = scene();
    await createAccount(account);
    assert.equal(users.get('u1')?.password, undefined);
  });

  it('give the account its device, or tell why it does not fit, and remove it', async () => {
    const { createAccount, removeAccount, devices, state } = scene();
    const input = { ...account, hasDevice: true };
    assert.deepEqual(await createAccount(input), { outcome: 'created' });
    assert.deepEqual(devices, [
      { registrationId: 'r1', userId: 'u1', createdAt: account.createdAt, isReplacing: false },
    ]);
    state.device = { outcome: 'lost' };
    assert.deepEqual(await createAccount(input), { outcome: 'device-refused', why: 'lost' });
    await removeAccount(input);
    assert.equal(devices.length, 0);
  });

  it('do not affect other users when they undo what never happened', async () => {
    const { createAccount, removeAccount, owners, users } = scene();
    await createAccount(account);
    await removeAccount({ ...account, userId: 'u2' });
    assert.deepEqual([owners.get('+12025550102'), users.size], ['u1', 1]);
  });

  it('throw unavailable when the database is unavailable, so that the workflow waits', async () => {
    const { createAccount, removeAccount } = scene({ fault: new Outage('no server') });
    for (const act of [createAccount, removeAccount]) {
      await assert.rejects(act(account) as Promise<unknown>, new Failure('unavailable', { reason: 'unreachable' }));
    }
  });

  it('do not report a bug as an outage', async () => {
    const { createAccount } = scene({ fault: new TypeError('a bug') });
    await assert.rejects(createAccount(account), /a bug/);
  });
});

describe('recoverAccount()', () => {
  it('replaces the credentials, ends every session and records an event for each, and can be repeated', async () => {
    const { hashCredentials, recoverAccount, oneTimeSecrets, users, locked, opened, ended, changes } = scene();
    locked.set(account.identity.phone, 'u1');
    oneTimeSecrets.set('ref-1', { pin: '4711' });
    await hashCredentials(credentials);
    const recovered = { outcome: 'recovered', replaced: ['pin'], ended: [] };
    for (let time = 0; time < 2; time++) assert.deepEqual(await recoverAccount(account), recovered);
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
    assert.deepEqual(await recoverAccount(account), { outcome: 'taken' });
    assert.deepEqual([users.size, ended.length], [0, 0]);
  });

  it('gives it the device in place of the others, or beside them when one of them has approved', async () => {
    const { recoverAccount, locked, devices, state } = scene();
    locked.set(account.identity.phone, 'u1');
    const input = { ...account, hasDevice: true };
    const ended = [{ deviceId: '2', createdAt: 5 }];
    assert.deepEqual(await recoverAccount(input), { outcome: 'recovered', replaced: [], ended });
    await recoverAccount({ ...input, keepsDevices: true });
    assert.deepEqual(
      devices.map(({ isReplacing }) => isReplacing),
      [true, false],
    );
    state.device = { outcome: 'identity-differs' };
    assert.deepEqual(await recoverAccount(input), { outcome: 'device-refused', why: 'identity-differs' });
  });
});
