// @rerun never
/** Devices of accounts, on two api processes: cases J15 and K7 of the catalogue of abuse, and the contract. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Device } from '../../contract/devices.ts';
import { makeDevice, makeIdentity, type TestIdentity } from '../support/device-keys.ts';
import type { SignedIn } from '../support/people.ts';
import { must, startAnotherApi } from '../support/registrations.ts';
import { withSystem } from '../support/with-system.ts';

const { system, behind, api, person, logIn } = await withSystem();
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
const claimsOf = (token: string) => JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString());

describe('PUT /devices/me', () => {
  it('makes a session one of a new device, whose tokens name it', async () => {
    const { token, refreshToken } = await person(1);
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

describe('PATCH /devices/{id}', () => {
  it('renames a device of the caller', async () => {
    const { token } = await owner(3);
    await must(api.renameDevice({ deviceId: '1', token, body: { name: ' Tablet ' } }), 204);
    assert.equal((await devicesOf(token))[0]?.name, 'Tablet');
  });
});

describe('DELETE /devices/{id}', () => {
  it('ends the sessions of the device, and leaves the others', async () => {
    const one = await owner(4);
    const two = await secondDevice(one);
    const { body } = await must(api.revokeDevice({ deviceId: '2', token: one.token }));
    assert.deepEqual(body, { rotationAdvised: true });
    assert.equal((await api.readSession({ token: two.token })).status, 401);
    assert.equal((await devicesOf(one.token)).length, 1);
  });
});
