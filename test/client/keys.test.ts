import assert from 'node:assert/strict';
import { hkdfSync } from 'node:crypto';
import { describe, it } from 'node:test';
import { PrivateKey } from '@signalapp/libsignal-client';
import { fromBase64, toBase64 } from '../../client/bytes.ts';
import { agree, generateKeyPair, verify } from '../../client/crypto/curve.ts';
import { decapsulate, encapsulate, generateKyberSeed, kyberKeyPair } from '../../client/crypto/kyber.ts';
import {
  confirmUpload,
  type DeviceKeys,
  deviceKeys,
  dueUpload,
  type KeyStatus,
  keyDigest,
  pruneKeys,
  setIdentity,
  storedKyberKeyPair,
} from '../../client/keys.ts';
import { type ClientState, emptyState, type KeyKind, type StoredKey } from '../../client/store.ts';
import { isCurvePublicKey, isKemPublicKey } from '../../domain/keys.ts';
import { type BundleDevice, fieldsOf, LibsignalDevice } from '../support/libsignal.ts';

const now = Date.UTC(2026, 0, 1);

/** A device of the client with its keys. */
function newDevice(): { state: ClientState; keys: DeviceKeys } {
  const state = emptyState();
  return { state, keys: deviceKeys(state, now) };
}

/** A device whose first keys the server has. */
function uploadedDevice(): { state: ClientState } {
  const { state } = newDevice();
  confirmUpload(state, now);
  return { state };
}

/** What the server answers when nothing was handed out. */
function statusOf(state: ClientState): KeyStatus {
  return { count: 100, pqCount: 100, digest: keyDigest(state) ?? '' };
}

/** The bundle that the server makes of a device, with or without one-time keys. */
function bundleOf(keys: DeviceKeys, { isLastResort = false } = {}): BundleDevice {
  const [pqPreKey = keys.pqLastResortPreKey] = isLastResort ? [] : keys.pqPreKeys;
  return {
    registrationId: keys.registrationId,
    signedPreKey: keys.signedPreKey,
    preKey: isLastResort ? undefined : keys.preKeys[0],
    pqPreKey,
  };
}

function storedKey(state: ClientState, kind: KeyKind, keyId: number | undefined): StoredKey {
  const found = state.keys[kind].find((key) => key.keyId === keyId);
  assert.ok(found, `no ${kind} ${keyId}`);
  return found;
}

describe('the keys of a device', () => {
  it('are well formed, with ids that tell nothing', () => {
    const { keys } = newDevice();
    const curve = [keys.identityKey, keys.signedPreKey.publicKey, ...keys.preKeys.map(({ publicKey }) => publicKey)];
    assert.ok(curve.every((key) => isCurvePublicKey(fromBase64(key))));
    const kem = [keys.pqLastResortPreKey, ...keys.pqPreKeys];
    assert.ok(kem.every(({ publicKey }) => isKemPublicKey(fromBase64(publicKey))));
    const ids = [keys.signedPreKey, ...keys.preKeys, ...kem].map(({ keyId }) => keyId);
    assert.equal(new Set(ids).size, 202);
    assert.ok(ids.every((id) => Number.isInteger(id) && id >= 1 && id < 2 ** 31));
    const steps = new Set(keys.preKeys.map(({ keyId }, index) => keyId - (keys.preKeys[index - 1]?.keyId ?? 0)));
    assert.equal(steps.size, 100, 'ids are spaced at random');
    assert.ok(keys.registrationId >= 1 && keys.registrationId <= 16383);
  });

  it('stay the same until their upload is confirmed', () => {
    const { state, keys } = newDevice();
    assert.deepEqual(deviceKeys(structuredClone(state), now + 1000), keys);
  });

  it('are made again when the account has another identity key than the device had made', () => {
    const { state, keys } = newDevice();
    const identity = generateKeyPair();
    setIdentity(state, identity);
    const made = deviceKeys(state, now);
    assert.equal(made.identityKey, toBase64(identity.publicKey));
    const { publicKey, signature } = made.signedPreKey;
    assert.notEqual(publicKey, keys.signedPreKey.publicKey);
    assert.equal(verify(identity.publicKey, fromBase64(publicKey), fromBase64(signature)), true);
    assert.equal(state.keys.preKeys.length, 100, 'the others are forgotten');
  });

  it("B17 pass libsignal's processPreKeyBundle, and the first ten messages and the answers are decrypted", async () => {
    const { state, keys } = newDevice();
    for (const isLastResort of [false, true]) {
      const bundle = bundleOf(keys, { isLastResort });
      const alice = new LibsignalDevice('alice');
      await alice.begin('bob', keys.identityKey, bundle);
      const bob = await LibsignalDevice.ofClient('bob', state, bundle);
      for (let count = 1; count <= 10; count += 1) {
        assert.equal(await bob.decrypt('alice', await alice.encrypt('bob', `message ${count}`)), `message ${count}`);
      }
      assert.equal(await alice.decrypt('bob', await bob.encrypt('alice', 'an answer')), 'an answer');
    }
  });

  it("are refused by libsignal when a signature is another key's", async () => {
    const { keys } = newDevice();
    const bundle = bundleOf(keys);
    const [, other] = keys.pqPreKeys;
    const changed = { ...bundle, pqPreKey: { ...bundle.pqPreKey, signature: other?.signature ?? '' } };
    await assert.rejects(new LibsignalDevice('alice').begin('bob', keys.identityKey, changed), /signature/i);
  });
});

describe('the upload that is due', () => {
  const dayMs = 86_400_000;

  it('is none while the server has enough keys, and the one-time keys when fewer than ten are left', () => {
    const { state } = uploadedDevice();
    assert.equal(dueUpload(state, statusOf(state), now), undefined);
    assert.equal(dueUpload(state, { ...statusOf(state), count: 10, pqCount: 10 }, now), undefined);
    const curveOnly = dueUpload(state, { ...statusOf(state), count: 9 }, now);
    assert.deepEqual(Object.keys(curveOnly ?? {}), ['preKeys']);
    assert.equal(curveOnly?.preKeys?.length, 100);
    confirmUpload(state, now);
    assert.deepEqual(Object.keys(dueUpload(state, { ...statusOf(state), pqCount: 0 }, now) ?? {}), ['pqPreKeys']);
  });

  it('is the same one again when its answer was lost', () => {
    const { state } = uploadedDevice();
    const first = dueUpload(state, { ...statusOf(state), count: 0 }, now);
    assert.deepEqual(dueUpload(structuredClone(state), { ...statusOf(state), count: 0 }, now + dayMs), first);
  });

  it('has the signed and the last-resort prekey after two days', () => {
    const { state } = uploadedDevice();
    assert.equal(dueUpload(state, statusOf(state), now + 2 * dayMs - 1), undefined);
    const renewal = dueUpload(state, statusOf(state), now + 2 * dayMs);
    assert.deepEqual(Object.keys(renewal ?? {}).sort(), ['pqLastResortPreKey', 'signedPreKey']);
  });

  it('replaces everything when the server knows other keys, as after a restored backup', () => {
    const { state } = uploadedDevice();
    const backup = structuredClone(state);
    dueUpload(state, { ...statusOf(state), count: 0 }, now);
    confirmUpload(state, now);
    assert.equal(Object.keys(dueUpload(backup, statusOf(state), now) ?? {}).length, 4);
  });

  it('B13 keeps at most 300 private one-time keys of a kind, also when uploads fail for 12 days', () => {
    const { state } = uploadedDevice();
    const drained = { ...statusOf(state), count: 0, pqCount: 0 };
    for (let hour = 0; hour < 12 * 24; hour += 1) dueUpload(state, drained, now + (hour * dayMs) / 24);
    assert.deepEqual([state.keys.preKeys.length, state.keys.pqPreKeys.length], [200, 200]);
    confirmUpload(state, now);
    for (let round = 0; round < 3; round += 1) {
      dueUpload(state, { ...statusOf(state), count: 0 }, now);
      confirmUpload(state, now);
    }
    assert.equal(state.keys.preKeys.length, 300);
    const uploaded = state.confirmed?.preKeyIds ?? [];
    assert.deepEqual(
      state.keys.preKeys.slice(-100).map(({ keyId }) => keyId),
      uploaded,
      'the newest are kept',
    );
  });

  it('B14 keeps a replaced key for thirty days', () => {
    const { state } = uploadedDevice();
    const first = state.confirmed?.signedPreKeyId;
    const renew = (at: number) => {
      dueUpload(state, statusOf(state), at);
      confirmUpload(state, at);
    };
    renew(now + 2 * dayMs);
    renew(now + 4 * dayMs);
    const kept = (at: number) => {
      const later = structuredClone(state);
      pruneKeys(later, at);
      return later.keys.signedPreKey.some(({ keyId }) => keyId === first);
    };
    assert.equal(kept(now + 32 * dayMs - 1), true);
    assert.equal(kept(now + 32 * dayMs), false);
    assert.equal(state.keys.signedPreKey.length, 3);
  });
});

describe('Kyber-1024 on ML-KEM', () => {
  it('gives both sides one secret, and another for a changed ciphertext', () => {
    const pair = kyberKeyPair(generateKyberSeed());
    const { secret, ciphertext } = encapsulate(pair.publicKey);
    assert.deepEqual(decapsulate(pair.secretKey, ciphertext), secret);
    const changed = Buffer.from(ciphertext);
    changed.writeUInt8(changed.readUInt8(7) ^ 1, 7);
    assert.notDeepEqual(decapsulate(pair.secretKey, changed), secret);
  });

  it('refuses keys of ML-KEM-1024, whose secrets differ', () => {
    const { publicKey } = kyberKeyPair(generateKyberSeed());
    assert.throws(() => encapsulate(Buffer.of(0x0a, ...publicKey.subarray(1))));
  });

  it("derives libsignal's secret: the chain key of a session made by libsignal follows from our private keys", async () => {
    const { state, keys } = newDevice();
    const bundle = bundleOf(keys);
    const aliceIdentity = PrivateKey.generate();
    const alice = new LibsignalDevice('alice', aliceIdentity);
    await alice.begin('bob', keys.identityKey, bundle);
    const { bytes } = await alice.encrypt('bob', 'hello');
    // a byte of the version, then PreKeySignalMessage: base key 2, ciphertext of the KEM 8
    const message = fieldsOf(bytes.subarray(1));
    const baseKey = bytesOf(message, 2);
    const kyber = storedKyberKeyPair(storedKey(state, 'pqPreKeys', bundle.pqPreKey.keyId));
    const privateKey = (kind: KeyKind, keyId = 0) => fromBase64(storedKey(state, kind, keyId).secret);
    // PQXDH, section 3.3: the secrets of bob's side
    const secrets = [
      new Uint8Array(32).fill(0xff),
      agree(privateKey('signedPreKey', bundle.signedPreKey.keyId), aliceIdentity.getPublicKey().serialize()),
      agree(fromBase64(state.identity?.privateKey ?? ''), baseKey),
      agree(privateKey('signedPreKey', bundle.signedPreKey.keyId), baseKey),
      agree(privateKey('preKeys', bundle.preKey?.keyId), baseKey),
      decapsulate(kyber.secretKey, bytesOf(message, 8)),
    ];
    const label = 'WhisperText_X25519_SHA-256_CRYSTALS-KYBER-1024';
    const derived = Buffer.from(hkdfSync('sha256', Buffer.concat(secrets), new Uint8Array(32), label, 96));
    // the record: current session 1, its receiver chain 7, chain key 3, key 2
    const session = fieldsOf(bytesOf(fieldsOf(alice.session('bob')), 1));
    const chainKey = bytesOf(fieldsOf(bytesOf(fieldsOf(bytesOf(session, 7)), 3)), 2);
    assert.equal(Buffer.from(chainKey).toString('hex'), derived.subarray(32, 64).toString('hex'));
  });
});

function bytesOf(fields: Map<number, (number | Uint8Array)[]>, number: number): Uint8Array {
  const [value] = fields.get(number) ?? [];
  assert.ok(value instanceof Uint8Array, `field ${number} has no bytes`);
  return value;
}
