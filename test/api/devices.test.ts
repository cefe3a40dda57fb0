// @rerun never
/** Devices of accounts, on two api processes: cases J15 and K7 of the catalogue of abuse, and the contract. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Device } from '../../contract/devices.ts';
import { changeSession } from '../support/aging.ts';
import { notificationsTo } from '../support/client.ts';
import {
  makeDevice,
  makeIdentity,
  makePqPreKey,
  makePqPreKeys,
  makePreKeys,
  makeRotation,
  makeSignedPreKey,
  type TestIdentity,
} from '../support/device-keys.ts';
import type { SignedIn } from '../support/people.ts';
import { goodPassword, must, startAnotherApi } from '../support/registrations.ts';
import { until } from '../support/until.ts';
import { withSystem } from '../support/with-system.ts';

const { system, behind, api, outboxUrl, account, person, logIn, isAlive, codeBy } = await withSystem();
const other = (await startAnotherApi(system, {})).apiUrl;

/** A person with a device. */
interface Owner extends SignedIn {
  identity: TestIdentity;
  /** The keys of the device. */
  keys: Device;
}

async function owner(who: number): Promise<Owner> {
  const identity = makeIdentity();
  const signedIn = await person(who);
  const keys = makeDevice(identity, { oneTimeKeys: 3 });
  const { body } = await must(api.addDevice({ token: signedIn.token, body: keys }), 201);
  return { ...signedIn, ...body, token: body.accessToken, identity, keys };
}

/** Adds a device by another session, on another node. */
async function secondDevice({ name, identity }: Owner, given: Partial<Device> = {}) {
  const { accessToken } = (await must(logIn(name))).body;
  const keys = makeDevice(identity, given);
  const { body } = await must(api.addDevice({ token: accessToken, body: keys, at: other }), 201);
  return { ...body, token: body.accessToken, keys };
}

const devicesOf = async (token: string) => (await must(api.listDevices({ token }))).body.items;
const keySetsOf = (userId: string) => behind.database.collection('prekeySets').countDocuments({ userId });
const identityOf = async (userId: string) =>
  (await behind.database.collection('devices').findOne({ _id: userId as never }))?.identityKey;
const oneTimeKeys = (identity: TestIdentity, count: number) => ({
  preKeys: makePreKeys(count),
  pqPreKeys: makePqPreKeys(identity, count),
});
const claimsOf = (token: string) => JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString());

/** Waits until the owner of an address was told. */
const told = (mail: string, subject: string) =>
  until(async () =>
    (await notificationsTo(outboxUrl, mail)).some((message) => JSON.stringify(message).includes(subject)),
  );

describe('PUT /devices/me', () => {
  it('makes a session one of a new device, whose tokens name it', async () => {
    const { token, refreshToken, mail } = await person(1);
    const [identity, before] = [makeIdentity(), Date.now()];
    const body = makeDevice(identity, { oneTimeKeys: 3, name: 'My telephone', capabilities: { 'x.y': true } });
    const added = (await must(api.addDevice({ token, body }), 201)).body;
    assert.deepEqual(added.device, { deviceId: '1', name: 'My telephone' });
    assert.equal(claimsOf(added.accessToken).did, '1');
    assert.equal(claimsOf(added.accessToken).sid, claimsOf(token).sid, 'the session stays the same');
    assert.equal((await must(api.readSession({ token: added.accessToken }))).body.deviceId, '1');
    const [listed, ...more] = await devicesOf(added.accessToken);
    assert.equal(more.length, 0);
    const { createdAt, lastSeenAt, ...shown } = listed ?? {};
    assert(Date.parse(`${createdAt}`) >= before && Date.parse(`${lastSeenAt}`) >= before);
    const keys = { count: 3, pqCount: 3 };
    const expected = { deviceId: '1', name: 'My telephone', client: 'android', current: true, linkedBy: null, keys };
    assert.deepEqual(shown, expected);
    const next = (await must(api.refreshTokens({ body: { refreshToken: added.refreshToken } }))).body;
    assert.deepEqual(next.device, added.device);
    assert.equal(claimsOf(next.accessToken).did, '1');
    const old = await api.refreshTokens({ body: { refreshToken } });
    assert.equal(old.body.error_code, 'INVALID_TOKEN');
    await told(mail, 'Device added');
  });

  it('returns the same device with fresh tokens to a repeat, also on another node', async () => {
    const { token } = await person(2);
    const body = makeDevice(makeIdentity(), { oneTimeKeys: 3 });
    const first = (await must(api.addDevice({ token, body }), 201)).body;
    const second = (await must(api.addDevice({ token, body, at: other }), 201)).body;
    const third = (await must(api.addDevice({ token: second.accessToken, body }), 201)).body;
    for (const repeated of [second, third]) assert.deepEqual(repeated.device, first.device);
    assert.equal(claimsOf(third.accessToken).sid, claimsOf(token).sid);
    assert.equal((await devicesOf(token)).length, 1);
    assert.equal(await keySetsOf(third.user.userId), 2);
    await must(api.refreshTokens({ body: { refreshToken: third.refreshToken } }));
    const another = await api.addDevice({ token, body: makeDevice(makeIdentity()) });
    assert.deepEqual([another.status, another.body.error_code], [409, 'CONFLICT']);
  });
});

describe('PUT /devices/me, refused', () => {
  it('needs a recent authentication', async () => {
    const { token } = await person(3);
    const { sid } = claimsOf(token);
    await changeSession(behind.redis, sid, { authenticatedAt: 0 });
    const answer = await api.addDevice({ token, body: makeDevice(makeIdentity()) });
    assert.deepEqual([answer.status, answer.body.maxAgeSeconds], [401, 900]);
  });

  it('names each key whose signature is wrong, and stores nothing', async () => {
    const { token, userId } = await person(4);
    const [identity, stranger] = [makeIdentity(), makeIdentity()];
    const body = makeDevice(identity, { oneTimeKeys: 2, pqLastResortPreKey: makePqPreKey(stranger) });
    body.pqPreKeys[1] = makePqPreKey(stranger, 2);
    const answer = await api.addDevice({ token, body });
    assert.deepEqual([answer.status, answer.body.error_code], [400, 'INVALID_REQUEST']);
    const paths = answer.body.details.map(({ path }) => path);
    assert.deepEqual(paths, ['pqLastResortPreKey.signature', 'pqPreKeys.1.signature']);
    assert.equal(await keySetsOf(userId), 0);
    assert.deepEqual(await devicesOf(token), []);
  });

  it('has room for DEVICES_MAX devices, and the session of one that is refused stays without a device', async () => {
    const one = await owner(5);
    await secondDevice(one);
    const { accessToken: token } = (await must(logIn(one.name))).body;
    const before = await keySetsOf(one.userId);
    const narrow = (await startAnotherApi(system, { DEVICES_MAX: '2' })).apiUrl;
    const body = makeDevice(one.identity, { oneTimeKeys: 2 });
    const answer = await api.addDevice({ token, body, at: narrow });
    const { error_code, current, max } = answer.body as unknown as Record<string, unknown>;
    assert.deepEqual([answer.status, error_code, current, max], [409, 'DEVICE_LIMIT', 2, 2]);
    assert.equal(await keySetsOf(one.userId), before);
    assert.equal((await must(api.readSession({ token }))).body.deviceId, null);
  });

  it('K7 a later device with another identity key, or with keys that another one signed, changes nothing', async () => {
    const one = await owner(6);
    const { accessToken: token } = (await must(logIn(one.name))).body;
    const stranger = makeIdentity();
    const foreign = await api.addDevice({ token, body: makeDevice(stranger) });
    assert.deepEqual([foreign.status, foreign.body.details[0].path], [400, 'identityKey']);
    const mixed = makeDevice(stranger, { identityKey: one.identity.publicKey });
    const unsigned = await api.addDevice({ token, body: mixed });
    assert.deepEqual([unsigned.status, unsigned.body.details[0].path], [400, 'signedPreKey.signature']);
    assert.equal(await identityOf(one.userId), one.identity.publicKey);
    assert.equal((await devicesOf(token)).length, 1);
  });
});

describe('PATCH and DELETE /devices/{id}', () => {
  it('rename a device of the caller, and know no device of others', async () => {
    const [one, stranger] = [await owner(7), await owner(8)];
    await secondDevice(one);
    await must(api.renameDevice({ deviceId: '2', token: one.token, body: { name: ' Tablet ' } }), 204);
    const names = (await devicesOf(one.token)).map(({ name, current }) => [name, current]);
    assert.deepEqual(names, [
      ['Telephone', true],
      ['Tablet', false],
    ]);
    for (const deviceId of ['2', '0', '1.name', 'x', '$set', '%00']) {
      const renamed = await api.renameDevice({ deviceId, token: stranger.token, body: { name: 'Mine' } });
      const revoked = await api.revokeDevice({ deviceId, token: stranger.token });
      const statuses = [renamed.status, revoked.status];
      assert(
        statuses.every((status) => status === 404 || (deviceId === '%00' && status === 400)),
        `${deviceId} ${statuses}`,
      );
    }
  });

  it('J15 removes a device with its sessions and keys on every node; the next one with its id begins empty', async () => {
    const one = await owner(9);
    const two = await secondDevice(one, { name: 'Old', ...oneTimeKeys(one.identity, 5) });
    const browser = (await must(logIn(one.name))).body.accessToken;
    assert.equal(await keySetsOf(one.userId), 4);
    const { body } = await must(api.revokeDevice({ deviceId: '2', token: one.token }));
    assert.deepEqual(body, { rotationAdvised: true });
    for (const at of [undefined, other]) {
      assert.equal((await api.readSession({ token: two.token, at })).body.error_code, 'INVALID_TOKEN');
      const refreshed = await api.refreshTokens({ body: { refreshToken: two.refreshToken }, at });
      assert.equal(refreshed.body.error_code, 'INVALID_TOKEN');
      for (const token of [one.token, browser]) await must(api.readSession({ token, at }));
    }
    assert.equal(await keySetsOf(one.userId), 2);
    assert.deepEqual(
      (await devicesOf(one.token)).map(({ deviceId }) => deviceId),
      ['1'],
    );
    assert.equal((await api.revokeDevice({ deviceId: '2', token: one.token })).status, 404);
    await told(one.mail, 'Device removed');

    const next = await secondDevice(one, { name: 'New' });
    assert.equal(next.device?.deviceId, '2');
    const listed = (await devicesOf(one.token))[1];
    assert.deepEqual([listed?.name, listed?.keys], ['New', { count: 0, pqCount: 0 }]);
    assert(Date.parse(listed?.lastSeenAt ?? '') >= Date.parse(listed?.createdAt ?? ''));
    assert.equal((await api.readSession({ token: two.token })).status, 401);
    await must(api.readSession({ token: next.token }));
  });

  it('J15 a removal completes although Redis did not answer meanwhile', async () => {
    const one = await owner(10);
    const two = await secondDevice(one, oneTimeKeys(one.identity, 2));
    const { redis, temporal, database } = behind;
    const setNow = () => database.collection('devices').findOne({ _id: one.userId as never });
    const { createdAt } = (await setNow())?.devices.d2 ?? {};
    const args = [{ userId: one.userId, deviceId: '2', createdAt, at: Date.now(), why: 'revoked' }];
    const workflowId = `device-removal:${one.userId}:2`;
    await redis.client('PAUSE', 60_000, 'WRITE');
    try {
      // as an api starts it that answers 503
      await temporal.workflow.start('deviceRemoval', { taskQueue: 'registration', workflowId, args });
      await until(async () => (await setNow())?.devices.d2.removedAt !== undefined);
    } finally {
      await redis.client('UNPAUSE');
    }
    const handle = temporal.workflow.getHandle(workflowId);
    assert.deepEqual(await handle.result(), { outcome: 'removed', hasOthers: true });
    assert.equal((await api.readSession({ token: two.token })).status, 401);
    assert.equal(await keySetsOf(one.userId), 2);
    assert.equal((await setNow())?.devices.d2, undefined);
  });

  it('J15 a session that begins while its device is removed does not survive, in every round', async () => {
    const one = await owner(11);
    for (let round = 0; round < 5; round++) {
      const { keys, device } = await secondDevice(one);
      const { accessToken: token } = (await must(logIn(one.name))).body;
      const deviceId = device?.deviceId ?? '';
      const [taken] = await Promise.all([
        api.addDevice({ token, body: keys, at: other }),
        must(api.revokeDevice({ deviceId, token: one.token })),
      ]);
      const listed = (await devicesOf(one.token)).map((each) => each.deviceId);
      const session = await api.readSession({ token });
      // it was refused, it ended with the device, or it added the device again after the removal
      if (session.status === 200 && session.body.deviceId !== null) {
        assert.equal(taken.status, 201, `round ${round}`);
        assert(listed.includes(session.body.deviceId), `round ${round}`);
        await must(api.revokeDevice({ deviceId: session.body.deviceId, token: one.token }));
      } else assert.deepEqual(listed, ['1'], `round ${round}`);
    }
  });

  it('let a device remove itself; the next one may bring another identity key', async () => {
    const one = await owner(12);
    assert.deepEqual((await must(api.revokeDevice({ deviceId: '1', token: one.token }))).body, {
      rotationAdvised: false,
    });
    assert.equal((await api.readSession({ token: one.token })).status, 401);
    const { accessToken: token } = (await must(logIn(one.name))).body;
    const { body } = await must(api.addDevice({ token, body: makeDevice(makeIdentity()) }), 201);
    assert.equal(body.device?.deviceId, '1');
  });
});

describe('POST /auth/login/verify with a device', () => {
  const begin = async (identifier: string, to: string) =>
    codeBy(to, () => api.beginLogIn({ body: { identifier, ...(to.includes('@') && { channel: 'email' as const }) } }));

  it('begins the session of a new device, and gives a device back to who has its keys', async () => {
    const ada = await account({ username: 'ada.devices', phone: '+447700901313' }, { password: null });
    const device = makeDevice(makeIdentity(), { oneTimeKeys: 2 });
    const first = await begin(ada.name, ada.phone);
    const { loginId, code } = first;
    const tokens = (await must(api.verify({ body: { loginId, code, device } }))).body;
    assert.deepEqual(tokens.device, { deviceId: '1', name: 'Telephone' });
    assert.equal(claimsOf(tokens.accessToken).did, '1');

    const again = await begin(ada.name, ada.phone);
    const back = await must(api.verify({ body: { loginId: again.loginId, code: again.code, device }, at: other }));
    assert.deepEqual(back.body.device, tokens.device);
    assert.equal(await isAlive(tokens.accessToken), false, 'its earlier session has ended');
    assert.equal((await devicesOf(back.body.accessToken)).length, 1);
    assert.equal(await keySetsOf(ada.userId), 2);
  });

  it('does not use up the code when the device is refused', async () => {
    const ada = await account(13);
    const { loginId, code } = await begin(ada.name, ada.mail);
    const device = makeDevice(makeIdentity());
    const alone = await api.verify({ body: { loginId, code, device } });
    assert.deepEqual([alone.status, alone.body.maxAgeSeconds], [401, 900], 'a code alone is no step-up');
    const bad = { ...device, signedPreKey: makeSignedPreKey(makeIdentity()) };
    const password = goodPassword;
    const unsigned = await api.verify({ body: { loginId, code, password, device: bad } });
    assert.deepEqual([unsigned.status, unsigned.body.details[0].path], [400, 'signedPreKey.signature']);
    const { body } = await must(api.verify({ body: { loginId, code, password, device } }));
    assert.equal(body.device?.deviceId, '1');
  });
});

describe('PUT /users/me/identity', () => {
  it('replaces the identity key and the keys of every device, or of none', async () => {
    const one = await owner(14);
    const two = await secondDevice(one, oneTimeKeys(one.identity, 2));
    const identity = makeIdentity();
    const { token } = one;
    const partial = await api.rotateIdentity({ token, body: makeRotation(identity, ['1', '3']) });
    const { missingDevices, extraDevices } = partial.body as unknown as Record<string, unknown>;
    assert.deepEqual([partial.status, missingDevices, extraDevices], [409, ['2'], ['3']]);
    const wrong = makeRotation(identity, ['1', '2']);
    Object.assign(wrong.devices[1] ?? {}, { signedPreKey: makeSignedPreKey(one.identity) });
    const unsigned = await api.rotateIdentity({ token, body: wrong });
    assert.deepEqual([unsigned.status, unsigned.body.details[0].path], [400, 'devices.1.signedPreKey.signature']);
    const taken = makeRotation(identity, ['1', '2']);
    const { keyId } = one.keys.signedPreKey;
    Object.assign(taken.devices[0] ?? {}, { signedPreKey: makeSignedPreKey(identity, keyId) });
    const conflict = await api.rotateIdentity({ token, body: taken });
    assert.deepEqual([conflict.status, (conflict.body as unknown as Record<string, unknown>).keyIds], [409, [keyId]]);
    assert.equal(await identityOf(one.userId), one.identity.publicKey);

    const body = makeRotation(identity, ['1', '2']);
    Object.assign(body.devices[1] ?? {}, { pqPreKeys: makePqPreKeys(identity, 4) });
    await must(api.rotateIdentity({ token, body }), 204);
    await must(api.rotateIdentity({ token: two.token, body, at: other }), 204);
    assert.equal(await identityOf(one.userId), identity.publicKey);
    const keys = (await devicesOf(token)).map((device) => device.keys);
    assert.deepEqual(keys, [
      { count: 3, pqCount: 0 },
      { count: 2, pqCount: 4 },
    ]);
    assert.equal(await keySetsOf(one.userId), 4, 'one of them is empty: it knows what was handed out');
    const same = await api.rotateIdentity({ token, body: makeRotation(identity, ['1', '2']) });
    assert.deepEqual([same.status, same.body.details[0].path], [400, 'identityKey']);
    await told(one.mail, 'identity key');
  });

  it('K7 the keys of the old identity are no keys of the account any more', async () => {
    const one = await owner(15);
    const identity = makeIdentity();
    await must(api.rotateIdentity({ token: one.token, body: makeRotation(identity, ['1']) }), 204);
    const { accessToken: token } = (await must(logIn(one.name))).body;
    const old = await api.addDevice({ token, body: makeDevice(one.identity) });
    assert.deepEqual([old.status, old.body.details[0].path], [400, 'identityKey']);
    const stale = makeRotation(one.identity, ['1']);
    const mixed = await api.rotateIdentity({ token: one.token, body: { ...stale, identityKey: identity.publicKey } });
    assert.equal(mixed.status, 400);
    await must(api.addDevice({ token, body: makeDevice(identity) }), 201);
  });

  it('needs a session of a device', async () => {
    const { token } = await person(16);
    const answer = await api.rotateIdentity({ token, body: makeRotation(makeIdentity(), ['1']) });
    assert.deepEqual([answer.status, answer.body.error_code], [403, 'FORBIDDEN']);
  });
});

describe('a device on probation', () => {
  it('cannot change PIN or identity, nor export; afterwards it can', async () => {
    const one = await owner(17);
    const two = await secondDevice(one);
    const setProbation = async (until: number) => {
      const set = { $set: { 'devices.d2.probationUntil': until } };
      await behind.database.collection('devices').updateOne({ _id: one.userId as never }, set);
    };
    await setProbation(Date.now() + 3_600_000);
    const acts = (token: string) => [
      api.changePin({ token, body: { pin: '830561', currentPassword: goodPassword } }),
      api.beginPinReset({ token }),
      api.exportAccount({ token }),
      api.rotateIdentity({ token, body: makeRotation(makeIdentity(), ['1', '2']) }),
    ];
    for (const { status, body, headers } of await Promise.all(acts(two.token))) {
      assert.deepEqual([status, body.error_code], [403, 'FORBIDDEN']);
      assert(body.retry_after_seconds > 3500 && body.retry_after_seconds <= 3600);
      assert.equal(headers.get('retry-after'), String(body.retry_after_seconds));
    }
    assert.equal((await devicesOf(one.token))[1]?.probationUntil === undefined, false);
    await must(api.exportAccount({ token: one.token }));
    await setProbation(Date.now() - 1);
    const { devices } = (await must(api.exportAccount({ token: two.token }))).body;
    assert.equal(devices.identityKey, one.identity.publicKey);
    assert.deepEqual(
      devices.items.map(({ deviceId, registrationId, current }) => [deviceId, registrationId, current]),
      [
        ['1', one.keys.registrationId, false],
        ['2', two.keys.registrationId, true],
      ],
    );
    assert.equal((await devicesOf(two.token))[1]?.probationUntil, undefined);
  });
});
