// @rerun never
/** C11: a new identity key of an account, made by the client. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { keyDigest } from '../../client/keys.ts';
import type { RotatedKeys } from '../../client/store.ts';
import type { VyryOptions } from '../../client/vyry.ts';
import { LibsignalDevice } from '../support/libsignal.ts';
import { goodPassword, must } from '../support/registrations.ts';
import * as sdk from '../support/sdk.ts';
import { withSystem } from '../support/with-system.ts';

const { url, api, account, person } = await withSystem();

const { stateOf } = sdk;
const newClient = () => sdk.newClient(url);
const firstDevice = (index: number, options: Partial<VyryOptions> = {}) =>
  sdk.firstDevice({ url, account }, index, options);
const linkedDevice = (existing: sdk.SdkDevice) => sdk.linkedDevice(url, existing);

/** Asserts that a device has the identity key at the server, and that the server has what its store says. */
async function assertInStep(device: sdk.SdkDevice, identityKey: string | undefined): Promise<void> {
  const state = await stateOf(device);
  assert.equal(state.identity?.publicKey, identityKey);
  const { digest, count, pqCount } = await device.vyry.calls.readKeyState();
  assert.deepEqual([digest, count, pqCount], [keyDigest(state), 100, 100]);
  assert.equal(state.rotations, undefined);
}

const identityOf = async (userId: string, token: string) => (await must(api.takeKeys({ userId, token }))).body;

describe('the rotation of the identity key by the client', () => {
  it('gives an account with one device a new identity key and new keys, and ends the old one', async () => {
    const desk = await firstDevice(0);
    const before = await stateOf(desk);
    await desk.vyry.rotateIdentity();
    const after = await stateOf(desk);
    assert.notEqual(after.identity?.publicKey, before.identity?.publicKey);
    await assertInStep(desk, after.identity?.publicKey);
    const { token } = await person(1);
    const bundles = await identityOf(desk.userId, token);
    assert.equal(bundles.identityKey, after.identity?.publicKey);
    const [bundle] = bundles.devices;
    assert.ok(bundle);
    const alice = new LibsignalDevice('alice');
    await alice.begin('bob', bundles.identityKey, bundle);
    const bob = await LibsignalDevice.ofClient('bob', after, bundle);
    assert.equal(await bob.decrypt('alice', await alice.encrypt('bob', 'hello')), 'hello');
    const oldKeys = before.keys.signedPreKey.map(({ keyId }) => keyId);
    const kept = after.keys.signedPreKey.filter(({ replacedAt }) => replacedAt !== undefined);
    assert.deepEqual(
      kept.map(({ keyId }) => keyId),
      oldKeys,
      'messages made with the old keys may still arrive',
    );
  });

  it('C11: rotates when a device is removed: the account has one change of key, and the old one signs nothing any more', async () => {
    const desk = await firstDevice(2);
    const phone = await linkedDevice(desk);
    const stolen = await stateOf(phone);
    const deviceId = stolen.deviceId ?? '';
    assert.deepEqual(await desk.vyry.calls.revokeDevice({ deviceId }), { rotationAdvised: true });
    await desk.vyry.rotateIdentity();
    await assert.rejects(phone.vyry.maintainKeys(), { code: 'SIGNED_OUT' });
    // the thief has the old identity key, and the password
    const thief = newClient();
    await thief.store.transaction((state) => Object.assign(state, { identity: stolen.identity }));
    const { name } = await accountOf(desk);
    await thief.vyry.signIn({ identifier: name, password: goodPassword });
    await assert.rejects(thief.vyry.devices.add('Thief'), { code: 'INVALID_REQUEST', status: 400 });
    const { items } = await desk.vyry.calls.listDevices();
    assert.deepEqual(
      items.map(({ name: deviceName }) => deviceName),
      ['Desk'],
    );
  });

  it('gives the other devices their keys before the server has them', async () => {
    const desk = await firstDevice(3);
    const phone = await linkedDevice(desk);
    const before = (await stateOf(desk)).identity?.publicKey;
    let forOthers: readonly RotatedKeys[] = [];
    const sendKeys = async (keys: readonly RotatedKeys[]) => {
      forOthers = keys;
      for (const one of keys) await phone.vyry.acceptRotation(one);
      await phone.vyry.maintainKeys();
      assert.equal((await stateOf(phone)).identity?.publicKey, before, 'the server does not have them yet');
    };
    await desk.vyry.rotateIdentity(sendKeys);
    await phone.vyry.maintainKeys();
    const { identity } = await stateOf(desk);
    assert.notEqual(identity?.publicKey, before);
    for (const device of [desk, phone]) await assertInStep(device, identity?.publicKey);
    const [keys] = forOthers;
    assert.ok(keys);
    await assert.rejects(desk.vyry.acceptRotation(keys), { code: 'ROTATION_KEYS' });
    const noPair = { ...keys, identity: { ...keys.identity, publicKey: before ?? '' } };
    await assert.rejects(phone.vyry.acceptRotation(noPair), { code: 'ROTATION_KEYS' });
  });

  it('is one rotation when its answers were lost, and when sending the keys failed', async () => {
    let isLost = true;
    const losing: typeof fetch = async (input, init) => {
      const response = await fetch(input, init);
      if (!isLost || !String(input).endsWith('/users/me/identity')) return response;
      await response.arrayBuffer();
      throw new TypeError('the answer was lost');
    };
    const desk = await firstDevice(4, { fetch: losing });
    const phone = await linkedDevice(desk);
    const failing = async () => {
      throw new Error('not delivered');
    };
    await assert.rejects(desk.vyry.rotateIdentity(failing), /not delivered/);
    const begun = (await stateOf(desk)).rotations?.[0]?.body?.identityKey;
    const sendKeys = async (keys: readonly RotatedKeys[]) => {
      for (const one of keys) await phone.vyry.acceptRotation(one);
    };
    await desk.vyry.rotateIdentity(sendKeys);
    await assertInStep(desk, begun);
    await phone.vyry.maintainKeys();
    await assertInStep(phone, begun);
    isLost = false;
  });

  it('begins again when devices were added or removed meanwhile', async () => {
    const desk = await firstDevice(5);
    const phone = await linkedDevice(desk);
    const deviceId = (await stateOf(phone)).deviceId ?? '';
    const revoke = async () => void (await desk.vyry.calls.revokeDevice({ deviceId }));
    await assert.rejects(desk.vyry.rotateIdentity(revoke), { code: 'CONFLICT' });
    assert.equal((await stateOf(desk)).rotations, undefined);
    await desk.vyry.rotateIdentity();
    await assertInStep(desk, (await stateOf(desk)).identity?.publicKey);
  });
});

async function accountOf({ vyry }: sdk.SdkDevice): Promise<{ name: string }> {
  return { name: (await vyry.calls.readMe()).username ?? '' };
}
