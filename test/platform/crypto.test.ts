import assert from 'node:assert/strict';
import { createHmac, randomBytes } from 'node:crypto';
import { describe, it } from 'node:test';
import { Secret } from '../../platform/config/secret.ts';
import { createCipher, deriveKey, keyedHash, newCode, newId, newToken, tokenHash } from '../../platform/crypto.ts';
import { type KeyPurpose, keyPurposes } from '../../platform/keyring.ts';

const newRoot = () => new Secret(randomBytes(32).toString('base64'));
const allPurposes = Object.keys(keyPurposes) as KeyPurpose[];

/** HKDF as defined in RFC 5869 section 2, based on HMAC only. */
function hkdf(secret: Buffer, salt: Buffer, info: string | Buffer, length: number): Buffer {
  const key = createHmac('sha256', salt.length === 0 ? Buffer.alloc(32) : salt)
    .update(secret)
    .digest();
  let block = Buffer.alloc(0);
  let output = Buffer.alloc(0);
  for (let index = 1; output.length < length; index++) {
    block = createHmac('sha256', key)
      .update(block)
      .update(info)
      .update(Buffer.from([index]))
      .digest();
    output = Buffer.concat([output, block]);
  }
  return output.subarray(0, length);
}

describe('deriveKey()', () => {
  it('follows RFC 5869: HKDF-SHA-256 without salt, with the purpose as info', () => {
    // test case 1 of RFC 5869, appendix A.1, checks the reference implementation
    const okm = hkdf(
      Buffer.alloc(22, 0x0b),
      Buffer.from('000102030405060708090a0b0c', 'hex'),
      Buffer.from('f0f1f2f3f4f5f6f7f8f9', 'hex'),
      42,
    );
    assert.equal(
      okm.toString('hex'),
      '3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865',
    );
    const root = newRoot();
    const secret = Buffer.from(root.reveal(), 'base64');
    assert.deepEqual(deriveKey(root, 'pepper'), hkdf(secret, Buffer.alloc(0), 'vyry pepper', 32));
  });

  it('derives a different key for each purpose and each root key', () => {
    const roots = [newRoot(), newRoot()];
    const keys = roots.flatMap((root) => allPurposes.map((purpose) => deriveKey(root, purpose).toString('hex')));
    assert.equal(new Set(keys).size, 2 * allPurposes.length);
    for (const root of roots) {
      assert.equal(keys.includes(Buffer.from(root.reveal(), 'base64').toString('hex')), false);
    }
  });

  it('derives the same key again', () => {
    const root = newRoot();
    assert.deepEqual(deriveKey(root, 'code'), deriveKey(new Secret(root.reveal()), 'code'));
  });
});

describe('createCipher()', () => {
  it('decrypts what it encrypted, of any length', () => {
    const cipher = createCipher('secret', newRoot());
    for (const text of ['', 'a', 'Grüße 👋', 'x'.repeat(100_000)])
      assert.equal(cipher.decryptText(cipher.encryptText(text)), text);
    const bytes = randomBytes(1000);
    assert.deepEqual(Buffer.from(cipher.decrypt(cipher.keyId, cipher.encrypt(bytes))), bytes);
  });

  it('never returns the same ciphertext twice', () => {
    const cipher = createCipher('secret', newRoot());
    const encrypted = Array.from({ length: 200 }, () => cipher.encryptText('123456'));
    assert.equal(new Set(encrypted).size, encrypted.length);
    const nonces = encrypted.map((text) => Buffer.from(text.split('.')[1] ?? '', 'base64url').toString('hex', 0, 12));
    assert.equal(new Set(nonces).size, encrypted.length);
  });

  it('does not decrypt a ciphertext of another purpose', () => {
    const root = newRoot();
    const encrypted = createCipher('secret', root).encryptText('secret');
    for (const purpose of allPurposes.filter((name) => name !== 'secret')) {
      assert.throws(() => createCipher(purpose, root).decryptText(encrypted), purpose);
    }
  });

  it('does not decrypt a ciphertext of another key', () => {
    const encrypted = createCipher('secret', newRoot()).encryptText('secret');
    assert.throws(() => createCipher('secret', newRoot()).decryptText(encrypted), /No key [0-9a-f]{8} for secret/);
  });

  it('detects every changed byte', () => {
    const cipher = createCipher('field', newRoot());
    const encrypted = Buffer.from(cipher.encrypt(Buffer.from('+12025550100')));
    for (const [index, byte] of encrypted.entries()) {
      const changed = Buffer.from(encrypted);
      changed[index] = byte ^ 1;
      assert.throws(() => cipher.decrypt(cipher.keyId, changed), `byte ${index}`);
    }
  });

  it('detects every truncation', () => {
    const cipher = createCipher('field', newRoot());
    const encrypted = cipher.encrypt(Buffer.from('+12025550100'));
    for (let length = 0; length < encrypted.length; length++) {
      assert.throws(() => cipher.decrypt(cipher.keyId, encrypted.subarray(0, length)), `${length} bytes`);
    }
    assert.throws(() => cipher.decrypt(cipher.keyId, Buffer.concat([encrypted, Buffer.from([0])])));
    for (const text of ['', '.', cipher.keyId, `${cipher.keyId}.`, 'no box at all'])
      assert.throws(() => cipher.decryptText(text));
  });

  it('F27 accepts one spelling of a ciphertext', () => {
    const cipher = createCipher('field', newRoot());
    const encrypted = cipher.encryptText('+12025550100+');
    for (const text of [`${encrypted}=`, `${encrypted}.`, `${encrypted}!`, encrypted.replace('.', '.\n')])
      assert.throws(() => cipher.decryptText(text), text);
    assert.equal(cipher.decryptText(encrypted), '+12025550100+');
  });

  it('decrypts with older keys and encrypts with the current one', () => {
    const [old, older, current] = [newRoot(), newRoot(), newRoot()];
    const encryptedByOld = createCipher('temporal', old).encryptText('one');
    const encryptedByOlder = createCipher('temporal', older).encryptText('two');
    const cipher = createCipher('temporal', current, [old, older]);
    assert.equal(cipher.decryptText(encryptedByOld), 'one');
    assert.equal(cipher.decryptText(encryptedByOlder), 'two');
    assert.equal(cipher.keyId, createCipher('temporal', current).keyId);
    assert.equal(createCipher('temporal', current).decryptText(cipher.encryptText('three')), 'three');
  });

  it('does not decrypt with a dropped key', () => {
    const [old, current] = [newRoot(), newRoot()];
    const encrypted = createCipher('temporal', old).encryptText('one');
    assert.throws(() => createCipher('temporal', current).decryptText(encrypted), /No key/);
  });

  it('binds a ciphertext to its key id', () => {
    const [one, other] = [newRoot(), newRoot()];
    const cipher = createCipher('temporal', one, [other]);
    const [, body] = cipher.encryptText('secret').split('.');
    assert.throws(() => cipher.decryptText(`${createCipher('temporal', other).keyId}.${body}`));
  });

  it('has a key id that is not the start of the key', () => {
    const root = newRoot();
    const { keyId } = createCipher('secret', root);
    assert.match(keyId, /^[0-9a-f]{8}$/);
    assert.equal(Buffer.from(root.reveal(), 'base64').toString('hex').includes(keyId), false);
  });

  it('reveals neither key nor plaintext when decryption fails', () => {
    const root = newRoot();
    const cipher = createCipher('secret', root);
    const encrypted = cipher.encryptText('canary');
    try {
      cipher.decryptText(`${encrypted.slice(0, -2)}AA`);
      assert.fail('It opened');
    } catch (err) {
      const text = `${(err as Error).message} ${(err as Error).stack}`;
      assert.equal(text.includes('canary') || text.includes(root.reveal()), false);
    }
  });
});

describe('keyedHash()', () => {
  const key = Buffer.alloc(32, 7);

  it('is HMAC-SHA-256 of the parts', async () => {
    const imported = await crypto.subtle.importKey('raw', key, { name: 'HMAC', hash: 'SHA-256' }, false, ['sign']);
    const mac = await crypto.subtle.sign('HMAC', imported, Buffer.from('["phone","+12025550100"]'));
    assert.equal(keyedHash(key, 'phone', '+12025550100'), Buffer.from(mac).toString('base64url'));
  });

  it('keeps the boundaries between the parts', () => {
    const hashes = [
      keyedHash(key, 'ab', 'c'),
      keyedHash(key, 'a', 'bc'),
      keyedHash(key, 'abc'),
      keyedHash(key, 'ab,c'),
      keyedHash(key, 'ab","c'),
      keyedHash(key, 'ab', 'c', ''),
    ];
    assert.equal(new Set(hashes).size, hashes.length);
  });

  it('depends on the key', () => {
    assert.notEqual(keyedHash(key, 'phone', '+12025550100'), keyedHash(Buffer.alloc(32, 8), 'phone', '+12025550100'));
  });
});

describe('tokenHash()', () => {
  it('is SHA-256 (FIPS 180-4, the message "abc")', () => {
    const expected = 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad';
    assert.equal(Buffer.from(tokenHash('abc'), 'base64url').toString('hex'), expected);
  });
});

describe('newToken(), newId() and newCode()', () => {
  it('return 256 random bits, 128 random bits and six digits', () => {
    const many = Array.from({ length: 1000 });
    const tokens = new Set(many.map(newToken));
    const ids = new Set(many.map(newId));
    assert.equal(tokens.size, 1000);
    assert.equal(ids.size, 1000);
    for (const token of tokens) assert.match(token, /^[\w-]{43}$/);
    for (const id of ids) assert.match(id, /^[0-9a-f]{32}$/);
  });

  it('return codes with every first digit, including zero, about equally often', () => {
    const codes = Array.from({ length: 10_000 }, newCode);
    for (const code of codes) assert.match(code, /^\d{6}$/);
    for (const digit of '0123456789') {
      const count = codes.filter((code) => code.startsWith(digit)).length;
      // 1000 expected, standard deviation 30: the limits are seven of them
      assert.ok(count > 790 && count < 1210, `${count} codes begin with ${digit}`);
    }
  });
});
