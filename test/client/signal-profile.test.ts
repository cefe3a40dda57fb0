import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { PrivateKey } from '@signalapp/libsignal-client';
import { fromBase64, toBase64 } from '../../client/bytes.ts';
import { generateKeyPair, publicKeyOf, sign } from '../../client/crypto/curve.ts';
import { readBundle } from '../../client/crypto/devices.ts';
import { generateKyberSeed, kyberKeyPair } from '../../client/crypto/kyber.ts';
import { initiate, respond } from '../../client/crypto/pqxdh.ts';
import { storedKyberKeyPair } from '../../client/keys.ts';
import type { ClientState, KeyKind } from '../../client/store.ts';
import { createKeys } from '../support/crypto-devices.ts';
import { type BundleDevice, LibsignalDevice } from '../support/libsignal.ts';
import {
  beginSignalChain,
  makeSignalFirstMessage,
  makeSignalMessage,
  openSignalMessage,
  readSignalFirstMessage,
  receiveSignalChain,
  signalKeys,
} from '../support/signal-profile.ts';

/** The private keys that a prefix names. */
function responderKeysOf(
  state: ClientState,
  ids: { signedPreKeyId: number; preKeyId: number | undefined; kemKeyId: number },
) {
  const secretOf = (kind: KeyKind, keyId?: number) => state.keys[kind].find((key) => key.keyId === keyId);
  const curvePair = (secret = '') => ({ privateKey: fromBase64(secret), publicKey: publicKeyOf(fromBase64(secret)) });
  const kem = secretOf('pqPreKeys', ids.kemKeyId) ?? secretOf('pqLastResortPreKey', ids.kemKeyId);
  assert.ok(kem);
  return {
    identity: curvePair(state.identity?.privateKey),
    signedPreKey: curvePair(secretOf('signedPreKey', ids.signedPreKeyId)?.secret),
    preKey: ids.preKeyId === undefined ? undefined : curvePair(secretOf('preKeys', ids.preKeyId)?.secret),
    kem: storedKyberKeyPair(kem),
  };
}

describe('with the labels, ciphers and messages of Signal', () => {
  it('B17 the first ten messages that libsignal makes for our bundle open on our key agreement, KEM and ratchet steps', async () => {
    const { state, bundles } = createKeys({ userId: 'bob' });
    for (const { identityKey, devices } of bundles) {
      const [bundle] = devices;
      assert.ok(bundle);
      const aliceIdentity = PrivateKey.generate();
      const alice = new LibsignalDevice('alice', aliceIdentity);
      await alice.begin('bob', identityKey, bundle);
      const first = readSignalFirstMessage((await alice.encrypt('bob', 'message 0')).bytes);
      const own = responderKeysOf(state, first.prefix);
      const chain = receiveSignalChain(signalKeys(respond(own, first.prefix)), own.signedPreKey, first.ratchetKey);
      const parties = { sender: aliceIdentity.getPublicKey().serialize(), recipient: own.identity.publicKey };
      assert.equal(openSignalMessage(first.message, chain, parties), 'message 0');
      for (let count = 1; count < 10; count += 1) {
        const { message } = readSignalFirstMessage((await alice.encrypt('bob', `message ${count}`)).bytes);
        assert.equal(openSignalMessage(message, chain, parties), `message ${count}`);
      }
    }
  });

  it('libsignal opens ten first messages of our initiator, and answers', async () => {
    const { state, bundles } = createKeys({ userId: 'bob' });
    for (const { identityKey, devices } of bundles) {
      const [device] = devices;
      assert.ok(device);
      const bob = await LibsignalDevice.ofClient('bob', state, device satisfies BundleDevice);
      const identity = generateKeyPair();
      const { secrets, prefix } = initiate(
        { identity, registrationId: 7 },
        readBundle({ identityKey, device }),
        randomOf,
      );
      const { chain, ratchet } = beginSignalChain(signalKeys(secrets), fromBase64(device.signedPreKey.publicKey));
      const parties = { sender: identity.publicKey, recipient: fromBase64(identityKey) };
      for (let count = 0; count < 10; count += 1) {
        const message = makeSignalMessage(`message ${count}`, { chain, ratchetKey: ratchet.publicKey, parties });
        const bytes = makeSignalFirstMessage(prefix, message);
        assert.equal(await bob.decrypt('alice', { isFirst: true, bytes }), `message ${count}`);
      }
      const answer = await bob.encrypt('alice', 'an answer');
      assert.equal(answer.isFirst, false, 'the handshake is answered');
    }
  });

  it('libsignal refuses a bundle of ours with the signature of another key', async () => {
    const identity = generateKeyPair();
    const kem = kyberKeyPair(generateKyberSeed()).publicKey;
    const prekey = generateKeyPair().publicKey;
    const signed = (keyId: number, publicKey: Uint8Array, by = identity) => ({
      keyId,
      publicKey: toBase64(publicKey),
      signature: toBase64(sign(by.privateKey, publicKey)),
    });
    const good = { registrationId: 1, signedPreKey: signed(1, prekey), pqPreKey: signed(2, kem) };
    const begin = (bundle: BundleDevice) =>
      new LibsignalDevice('alice').begin('bob', toBase64(identity.publicKey), bundle);
    await begin(good);
    await assert.rejects(begin({ ...good, pqPreKey: signed(2, kem, generateKeyPair()) }), /signature/i);
  });
});

const randomOf = (length: number) => crypto.getRandomValues(new Uint8Array(length));
