// @rerun never
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { KEMKeyPair, PrivateKey, PublicKey } from '@signalapp/libsignal-client';
import { verifySignatures } from '../../api/signatures.ts';
import { generateKeyPair, sign, verify } from '../../client/crypto/curve.ts';

const identity = PrivateKey.generate();
const identityKey = identity.getPublicKey().serialize();

/** Returns whether the server accepts one signature. */
async function isAccepted(key: Uint8Array, publicKey: Uint8Array, signature: Uint8Array): Promise<boolean> {
  return (await verifySignatures(key, [{ path: 'signedPreKey', publicKey, signature }])).length === 0;
}

/** Returns copies of bytes with each one of their bits changed. */
function oneBitChanges(bytes: Uint8Array): Buffer[] {
  return Array.from({ length: bytes.length * 8 }, (_, bit) => {
    const changed = Buffer.from(bytes);
    changed.writeUInt8(changed.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3);
    return changed;
  });
}

describe('verifySignatures()', () => {
  it("accepts libsignal's signed prekeys and Kyber keys, and the client's", async () => {
    const own = generateKeyPair();
    const keys = [PrivateKey.generate().getPublicKey(), KEMKeyPair.generate().getPublicKey()].map((key) =>
      key.serialize(),
    );
    for (const [index, publicKey] of keys.entries()) {
      assert.equal(
        await isAccepted(identityKey, publicKey, identity.sign(publicKey)),
        true,
        `libsignal's key ${index}`,
      );
      assert.equal(
        await isAccepted(own.publicKey, publicKey, sign(own.privateKey, publicKey)),
        true,
        `own key ${index}`,
      );
    }
  });

  it('refuses each one-bit change of a signature, and of the signed and the signing key', async () => {
    const publicKey = PrivateKey.generate().getPublicKey().serialize();
    const signature = identity.sign(publicKey);
    const ofSignature = oneBitChanges(signature).map((changed, bit) => ({
      path: `${bit}`,
      publicKey,
      signature: changed,
    }));
    assert.equal(ofSignature.length, 512);
    assert.equal((await verifySignatures(identityKey, ofSignature)).length, 512);
    const ofKey = oneBitChanges(publicKey).map((changed, bit) => ({ path: `${bit}`, publicKey: changed, signature }));
    assert.equal((await verifySignatures(identityKey, ofKey)).length, 264);
    for (const changed of oneBitChanges(identityKey))
      assert.equal(await isAccepted(changed, publicKey, signature), false);
  });

  it('names the paths that fail, in their order, and lets other work run between slices', async () => {
    const keys = Array.from({ length: 102 }, (_, index) => {
      const publicKey = PrivateKey.generate().getPublicKey().serialize();
      const signed = index % 40 === 39 ? publicKey.subarray(1) : publicKey;
      return { path: `preKeys.${index}`, publicKey, signature: identity.sign(signed) };
    });
    let turns = 0;
    let isDone = false;
    const counting = (async () => {
      for (; !isDone; turns += 1) await setImmediate();
    })();
    assert.deepEqual(await verifySignatures(identityKey, keys), ['preKeys.39', 'preKeys.79']);
    isDone = true;
    await counting;
    assert.ok(turns >= 10, `${turns} turns of the event loop`);
  });

  it('answers false for every malformed input', async () => {
    const publicKey = PrivateKey.generate().getPublicKey().serialize();
    const signature = identity.sign(publicKey);
    const noPoint = Buffer.from(`05${'02'.padEnd(64, '0')}`, 'hex');
    const identityKeys = [
      new Uint8Array(),
      identityKey.subarray(1),
      Buffer.concat([identityKey, Buffer.of(0)]),
      noPoint,
    ];
    for (const key of identityKeys) assert.equal(await isAccepted(key, publicKey, signature), false);
    const lengths = [0, 1, 63, 65, 128].map((length) => Buffer.concat([signature, signature]).subarray(0, length));
    for (const bytes of lengths)
      assert.equal(await isAccepted(identityKey, publicKey, bytes), false, `${bytes.length}`);
    for (const byte of [0x00, 0xff])
      assert.equal(await isAccepted(identityKey, publicKey, Buffer.alloc(64, byte)), false);
  });

  it('and the client change nothing of what they are given, also of Buffers', async () => {
    const privateKey = Buffer.alloc(32, 0xff);
    const publicKey = Buffer.from(PrivateKey.deserialize(Uint8Array.from(privateKey)).getPublicKey().serialize());
    const signature = Buffer.from(sign(privateKey, publicKey));
    signature.writeUInt8(signature.readUInt8(63) | 0x80, 63);
    const before = Buffer.concat([privateKey, publicKey, signature]);
    await isAccepted(publicKey, publicKey, signature);
    verify(publicKey, publicKey, signature);
    assert.deepEqual(Buffer.concat([privateKey, publicKey, signature]), before);
  });

  it("judges 520 signatures as the client's code and libsignal do", async () => {
    const verdicts: string[] = [];
    for (let round = 0; round < 130; round += 1) {
      const own = generateKeyPair();
      const message = round % 10 === 0 ? KEMKeyPair.generate().getPublicKey().serialize() : own.publicKey;
      const theirs = PrivateKey.deserialize(Buffer.from(own.privateKey));
      const signatures = [sign(own.privateKey, message), theirs.sign(Buffer.from(message))];
      const changed = signatures.map((signature) => oneBitChanges(signature)[(round * 37) % 512] ?? signature);
      for (const signature of [...signatures, ...changed]) {
        const judged = [
          await isAccepted(own.publicKey, message, signature),
          verify(own.publicKey, message, signature),
          PublicKey.deserialize(Buffer.from(own.publicKey)).verify(Buffer.from(message), Buffer.from(signature)),
        ];
        verdicts.push(judged.join(' '));
      }
    }
    assert.equal(verdicts.length, 520);
    assert.deepEqual([...new Set(verdicts)].sort(), ['false false false', 'true true true']);
    assert.equal(verdicts.filter((verdict) => verdict.startsWith('true')).length, 260);
  });
});
