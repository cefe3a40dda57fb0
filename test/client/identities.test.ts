// @rerun never
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Fingerprint, PublicKey } from '@signalapp/libsignal-client';
import { toBase64, utf8 } from '../../client/bytes.ts';
import { generateKeyPair } from '../../client/crypto/curve.ts';
import { acceptIdentityChange, recordOf, verifyIdentity } from '../../client/crypto/identities.ts';
import { safetyNumber } from '../../client/crypto/safety-number.ts';
import { type CryptoDevice, createDevice, delivered, exchange, send, textsOf } from '../support/crypto-devices.ts';

const message = { kind: 'message', isIdentityChanged: false };

async function pair(options: { oneTimeKeys?: number } = {}): Promise<[CryptoDevice, CryptoDevice]> {
  return [await createDevice({ userId: 'alice', ...options }), await createDevice({ userId: 'bob', ...options })];
}

describe('the identity of a person', () => {
  it('is trusted at the first contact, and a change is reported', async () => {
    const [alice, bob] = await pair();
    await exchange(bob, alice, 'hello');
    const again = await createDevice({ userId: 'bob' });
    const changed = { kind: 'message', isIdentityChanged: true };
    assert.deepEqual(await exchange(again, alice, 'a new telephone'), changed);
    assert.deepEqual(await exchange(again, alice, 'hello again'), message);
    const refused = { kind: 'undecryptable', reason: 'key-replaced', willRetry: true };
    assert.deepEqual(await exchange(bob, alice, 'from the stolen one'), refused);
    const stolen = await createDevice({ userId: 'bob' });
    await stolen.store.transaction(async (state) => {
      state.identity = await bob.store.transaction(({ identity }) => identity ?? { publicKey: '', privateKey: '' });
    });
    const again2 = await exchange(stolen, alice, 'with a new handshake');
    assert.deepEqual(again2, refused, 'the request to send again, which was not sent yet, names both');
    assert.deepEqual(await textsOf(alice), ['hello', 'a new telephone', 'hello again']);
  });

  it('that has changed ends the sending in every session with the old one', async () => {
    const [alice, bob] = await pair();
    await exchange(alice, bob, 'hello');
    await exchange(bob, alice, 'hello');
    const rotated = await createDevice({ userId: 'bob', deviceId: '2' });
    assert.deepEqual(await exchange(rotated, alice, 'a new device'), { kind: 'message', isIdentityChanged: true });
    const input = { clientMessageId: 'c', userId: 'bob', deviceIds: ['1', '2'], plain: utf8('text') };
    await assert.rejects(alice.mailbox.queue(input), { code: 'SESSION_NEEDED', fields: { deviceIds: ['1'] } });
  });

  it('that was verified stops sending when it changes, until the user accepts the new one', async () => {
    const [alice, bob] = await pair();
    await exchange(alice, bob, 'hello');
    const key = await alice.store.transaction((state) => recordOf(state, 'bob')?.publicKey ?? '');
    await alice.store.transaction((state) => verifyIdentity(state, 'bob', key));
    const again = await createDevice({ userId: 'bob' });
    const amended = { stale: ['1'], bundles: again.takeBundles() };
    const input = { clientMessageId: 'c', userId: 'bob', deviceIds: ['1'], plain: utf8('secret') };
    await alice.mailbox.queue(input);
    await assert.rejects(alice.mailbox.amend('c', amended), { code: 'IDENTITY_CHANGED', fields: { userId: 'bob' } });
    assert.deepEqual(await alice.store.transaction((state) => recordOf(state, 'bob')?.publicKey), key);
    await alice.store.transaction((state) => acceptIdentityChange(state, 'bob'));
    assert.deepEqual(await alice.mailbox.amend('c', amended), { isIdentityChanged: true });
    const verifying = alice.store.transaction((state) => verifyIdentity(state, 'bob', key));
    await assert.rejects(verifying, { code: 'IDENTITY_CHANGED' }, 'the comparison was made with another key');
  });

  it('of the own account is known: another one is never accepted', async () => {
    const [phone, other] = [
      await createDevice({ userId: 'alice' }),
      await createDevice({ userId: 'alice', deviceId: '2' }),
    ];
    await assert.rejects(send(phone, other, 'sync'), { code: 'IDENTITY_CHANGED' });
    const refused = { kind: 'undecryptable', reason: 'key-replaced', willRetry: true };
    const mallory = await createDevice({ userId: 'mallory' });
    await mallory.store.transaction((state) => {
      state.userId = 'alice';
      state.deviceId = '2';
    });
    const outgoing = await send({ ...mallory, userId: 'mallory' }, { ...phone, userId: 'bob' }, 'x', {
      userId: 'bob',
      bundles: phone.takeBundles(),
    });
    assert.deepEqual(await phone.mailbox.receive(delivered({ ...mallory, userId: 'alice' }, outgoing)), refused);
  });

  it('of the own account is that of its other devices, and is kept in one place only', async () => {
    const phone = await createDevice({ userId: 'alice' });
    const desk = await createDevice({ userId: 'alice', deviceId: '2' });
    const identity = await phone.store.transaction((state) => state.identity);
    assert.ok(identity);
    await desk.store.transaction((state) => {
      state.identity = identity;
    });
    const outgoing = await send(desk, phone, 'sync', { type: 'sync', bundles: phone.takeBundles() });
    assert.equal(outgoing.messages[0]?.type, 'sync');
    assert.deepEqual(await phone.mailbox.receive(delivered(desk, outgoing)), message);
    assert.deepEqual(await exchange(phone, desk, 'sync'), message);
    for (const device of [phone, desk])
      assert.deepEqual(await device.store.transaction(({ identities }) => identities), []);
  });

  it('no longer sends in sessions of the own identity key that was replaced', async () => {
    const [alice, bob] = await pair({ oneTimeKeys: 2 });
    await exchange(alice, bob, 'hello');
    await exchange(bob, alice, 'hello');
    const identity = generateKeyPair();
    await alice.store.transaction((state) => {
      state.identity = { publicKey: toBase64(identity.publicKey), privateKey: toBase64(identity.privateKey) };
    });
    const outgoing = await send(alice, bob, 'rotated');
    assert.equal(outgoing.messages[0]?.type, 'prekey');
    assert.deepEqual(await bob.mailbox.receive(delivered(alice, outgoing)), { ...message, isIdentityChanged: true });
  });

  it("has libsignal's safety number, the same on both sides", () => {
    const [one, other] = [generateKeyPair(), generateKeyPair()].map(({ publicKey }, index) => ({
      userId: ['alice', 'bob'][index] ?? '',
      identityKey: publicKey,
    }));
    assert.ok(one && other);
    const number = safetyNumber(one, other);
    assert.match(number, /^\d{60}$/);
    assert.equal(safetyNumber(other, one), number);
    assert.notEqual(safetyNumber(one, { ...other, userId: 'carol' }), number);
    const keyOf = (bytes: Uint8Array) => PublicKey.deserialize(Uint8Array.from(bytes));
    const fingerprint = Fingerprint.new(
      5200,
      2,
      utf8(one.userId),
      keyOf(one.identityKey),
      utf8(other.userId),
      keyOf(other.identityKey),
    );
    assert.equal(fingerprint.displayableFingerprint().toString(), number);
  });
});
