import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { describe, it } from 'node:test';
import { KEMKeyPair, PrivateKey } from '@signalapp/libsignal-client';
import { isCurvePublicKey, isKemPublicKey, keyDigestInput } from '../../domain/keys.ts';

const fieldPrime = 2n ** 255n - 19n;

/** A serialised curve key with a u-coordinate. */
function curveKey(u: bigint): Uint8Array {
  return Buffer.from(`05${Buffer.from(u.toString(16).padStart(64, '0'), 'hex').reverse().toString('hex')}`, 'hex');
}

describe('isCurvePublicKey()', () => {
  it("accepts libsignal's keys, and any canonical u-coordinate", () => {
    assert.equal(isCurvePublicKey(PrivateKey.generate().getPublicKey().serialize()), true);
    for (const u of [2n, 9n, fieldPrime - 2n]) assert.equal(isCurvePublicKey(curveKey(u)), true, String(u));
  });

  it('B12 refuses each point of low order, whose shared secrets do not depend on the private key', () => {
    const orderEight = [
      325606250916557431795983626356110631294008115727848805560023387167927233504n,
      39382357235489614581723060781553021112529911719440698176882885853963445705823n,
    ];
    for (const u of [0n, 1n, fieldPrime - 1n, fieldPrime, fieldPrime + 1n, ...orderEight])
      assert.equal(isCurvePublicKey(curveKey(u)), false, String(u));
  });

  it('B12 refuses u >= p, also with the unused top bit', () => {
    for (const u of [fieldPrime + 2n, 2n ** 255n - 1n, 2n ** 255n + 9n, 2n ** 256n - 1n])
      assert.equal(isCurvePublicKey(curveKey(u)), false, String(u));
  });

  it('B12 refuses other lengths and types', () => {
    const key = curveKey(9n);
    const others = [key.subarray(1), key.subarray(0, 32), Buffer.concat([key, Buffer.of(0)]), new Uint8Array()];
    for (const bytes of others) assert.equal(isCurvePublicKey(bytes), false, `${bytes.length} bytes`);
    for (const type of [0, 4, 6, 8, 0x85]) assert.equal(isCurvePublicKey(Buffer.of(type, ...key.subarray(1))), false);
  });
});

describe('isKemPublicKey()', () => {
  const key = KEMKeyPair.generate().getPublicKey().serialize();

  it('accepts both types of 1,569 bytes, and no other type or length', () => {
    assert.equal(isKemPublicKey(key), true);
    assert.equal(isKemPublicKey(Buffer.of(0x0a, ...key.subarray(1))), true);
    for (const type of [0, 5, 7, 9, 0x0b]) assert.equal(isKemPublicKey(Buffer.of(type, ...key.subarray(1))), false);
    for (const bytes of [key.subarray(0, 1568), Buffer.concat([key, Buffer.of(0)]), new Uint8Array()])
      assert.equal(isKemPublicKey(bytes), false, `${bytes.length} bytes`);
  });
});

describe('keyDigestInput()', () => {
  it('has the identity key, then each number in 8 bytes', () => {
    const identityKey = curveKey(9n);
    const input = keyDigestInput({
      identityKey,
      signedPreKeyId: 1,
      pqLastResortPreKeyId: 2 ** 31 - 1,
      preKeyIds: [7, 5],
      pqPreKeyIds: [],
    });
    const numbers = ['1', '7fffffff', '2', '7', '5', '0'].map((hex) => hex.padStart(16, '0'));
    assert.equal(Buffer.from(input).toString('hex'), Buffer.from(identityKey).toString('hex') + numbers.join(''));
    const digest = createHash('sha256').update(input).digest('base64');
    assert.equal(digest, 'PacHSvNY3lQXoDcDWAUsLHTMnxgj9qAeVoMDi/f3l8U=');
  });
});
