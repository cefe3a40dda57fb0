import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { hexToBytes } from '@noble/hashes/utils.js';
import { ml_kem768, ml_kem1024 } from '@noble/post-quantum/ml-kem.js';
import { AEAD_ChaCha20Poly1305, KDF_HKDF_SHA256, KEM_MLKEM768_X25519 } from '@panva/hpke-noble';
import { CipherSuite } from 'hpke';
import { fromBase64 } from '../../client/bytes.ts';
import { agree } from '../../client/crypto/curve.ts';
import { encapsulateSecret } from '../../client/crypto/ml-kem.ts';
import { looksLikeFirstMessage } from '../../client/crypto/pqxdh.ts';
import { authenticate, decryptGcm, deriveBytes, encryptGcm } from '../../client/crypto/primitives.ts';
import { playTranscript, type Transcript } from '../support/transcripts.ts';

/** A test of Wycheproof: bytes in hexadecimal by their names there. */
interface Vector {
  tcId: number;
  result: 'valid' | 'invalid' | 'acceptable';
  flags: string[];
  [field: string]: unknown;
}

/** Reads a part of a file of Wycheproof. Each of ours names the file and the revision that it is from. */
function vectorsOf(name: string): Vector[] {
  return JSON.parse(readFileSync(join(import.meta.dirname, 'vectors', `${name}.json`), 'utf8')).tests;
}

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex');
const bytesOf = (vector: Vector, name: string) => hexToBytes(String(vector[name]));

/** Checks every vector, and that there are as many as expected: a file that is empty proves nothing. */
async function check(name: string, count: number, passes: (vector: Vector) => boolean | Promise<boolean>) {
  const vectors = vectorsOf(name);
  assert.equal(vectors.length, count);
  for (const vector of vectors) assert.ok(await passes(vector), `${name} ${vector.tcId}`);
}

describe('the frozen transcripts', () => {
  it('are those that the code makes and opens, byte by byte', async () => {
    const text = readFileSync(join(import.meta.dirname, 'vectors', 'transcripts.json'), 'utf8');
    const transcripts: Transcript[] = JSON.parse(text);
    assert.equal(transcripts.length, 20);
    for (const [number, transcript] of transcripts.entries()) {
      assert.deepEqual(await playTranscript(number), transcript, transcript.seed);
    }
    const messages = transcripts.flatMap((transcript) => transcript.messages);
    const bytes = messages.map(({ content }) => fromBase64(content));
    const flags = new Set(bytes.filter((one) => !looksLikeFirstMessage(one)).map((one) => one[1]));
    assert.deepEqual([...flags].sort(), [0, 1, 2], 'offers and answers are among them');
  });
});

describe("Wycheproof's vectors", () => {
  it('of X25519 pass: low-order and non-canonical keys are refused', async () => {
    await check('x25519', 89, (vector) => {
      const publicKey = Uint8Array.of(5, ...bytesOf(vector, 'public'));
      const isRefused = vector.flags.some((flag) => flag === 'LowOrderPublic' || flag === 'NonCanonicalPublic');
      if (!isRefused) return hex(agree(bytesOf(vector, 'private'), publicKey)) === vector.shared;
      assert.throws(() => agree(bytesOf(vector, 'private'), publicKey), `${vector.tcId}`);
      return true;
    });
  });

  it('of AES-256-GCM pass', async () => {
    await check('aes-gcm', 66, async (vector) => {
      const input = {
        key: bytesOf(vector, 'key'),
        nonce: bytesOf(vector, 'iv'),
        associatedData: bytesOf(vector, 'aad'),
      };
      const encrypted = hexToBytes(`${vector.ct}${vector.tag}`);
      const opened = await decryptGcm(input, encrypted).catch(() => undefined);
      if (vector.result === 'invalid') return opened === undefined;
      const again = await encryptGcm(input, bytesOf(vector, 'msg'));
      return opened !== undefined && hex(opened) === vector.msg && hex(again) === hex(encrypted);
    });
  });

  it('of HKDF-SHA-256 pass', async () => {
    await check('hkdf', 47, (vector) => {
      const derive = () =>
        deriveBytes(bytesOf(vector, 'ikm'), bytesOf(vector, 'info'), {
          length: Number(vector.size),
          salt: bytesOf(vector, 'salt'),
        });
      if (vector.result === 'valid') return hex(derive()) === vector.okm;
      assert.throws(derive);
      return true;
    });
  });

  it('of HMAC-SHA-256 pass', async () => {
    await check('hmac', 30, (vector) => {
      const isEqual = hex(authenticate(bytesOf(vector, 'key'), bytesOf(vector, 'msg'))) === vector.tag;
      return isEqual === (vector.result === 'valid');
    });
  });

  it('of ML-KEM-768 and ML-KEM-1024 pass: keys and decapsulation', async () => {
    for (const [name, kem] of [
      ['mlkem-768', ml_kem768],
      ['mlkem-1024', ml_kem1024],
    ] as const)
      await check(name, 7, (vector) => {
        const run = () => {
          const { publicKey, secretKey } = kem.keygen(bytesOf(vector, 'seed'));
          return [hex(publicKey), hex(kem.decapsulate(bytesOf(vector, 'c'), secretKey))];
        };
        if (vector.result === 'invalid') assert.throws(run);
        else assert.deepEqual(run(), [vector.ek, vector.K]);
        return true;
      });
  });

  it('of ML-KEM-768 pass: encapsulation, which refuses keys that are not reduced', async () => {
    await check('mlkem-768-encaps', 6, (vector) => {
      const run = () => encapsulateSecret(bytesOf(vector, 'ek'), bytesOf(vector, 'm'));
      if (vector.result === 'invalid') assert.throws(run);
      else assert.deepEqual([hex(run().ciphertext), hex(run().secret)], [vector.c, vector.K]);
      return true;
    });
  });
});

describe('the published vectors of HPKE', () => {
  it('for MLKEM768-X25519 with HKDF-SHA-256 pass: key pair, decryption and exports', async () => {
    // none is published with AES-256-GCM, the AEAD of links, whose vectors are above
    const text = readFileSync(join(import.meta.dirname, 'vectors', 'hpke.json'), 'utf8');
    const vector: HpkeVector = JSON.parse(text);
    const suite = new CipherSuite(KEM_MLKEM768_X25519, KDF_HKDF_SHA256, AEAD_ChaCha20Poly1305);
    assert.deepEqual([suite.KEM.id, suite.KDF.id, suite.AEAD.id], [vector.kem_id, vector.kdf_id, vector.aead_id]);
    const { publicKey } = await suite.DeriveKeyPair(hexToBytes(vector.ikmR));
    assert.equal(hex(await suite.SerializePublicKey(publicKey)), vector.pkRm);
    const privateKey = await suite.DeserializePrivateKey(hexToBytes(vector.skRm));
    const context = await suite.SetupRecipient(privateKey, hexToBytes(vector.enc), { info: hexToBytes(vector.info) });
    for (const { aad, ct, pt } of vector.encryptions)
      assert.equal(hex(await context.Open(hexToBytes(ct), hexToBytes(aad))), pt);
    for (const { exporter_context, L, exported_value } of vector.exports)
      assert.equal(hex(await context.Export(hexToBytes(exporter_context), L)), exported_value);
  });
});

/** The fields of a vector of draft-ietf-hpke-pq that are used, bytes in hexadecimal. */
interface HpkeVector {
  kem_id: number;
  kdf_id: number;
  aead_id: number;
  info: string;
  ikmR: string;
  skRm: string;
  pkRm: string;
  enc: string;
  encryptions: { aad: string; ct: string; pt: string }[];
  exports: { exporter_context: string; L: number; exported_value: string }[];
}
