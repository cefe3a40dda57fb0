// @rerun never
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { describe, it } from 'node:test';
import { AEAD_AES_256_GCM, CipherSuite, KDF_HKDF_SHA256, KEM_DHKEM_X25519_HKDF_SHA256 } from 'hpke';
import { type Role, roles } from '../../platform/config/roles.ts';
import { Secret } from '../../platform/config/secret.ts';
import { derivePrivateKey, open, publicBytesOf, readPublicKey, seal } from '../../platform/hpke.ts';
import {
  type BoxName,
  boxes,
  deriveKeys,
  keyPurposes,
  parseKeyRing,
  purposesOf,
  type Roots,
} from '../../platform/keyring.ts';

const newRoot = () => new Secret(randomBytes(32).toString('base64'));
const rootsOf = (current: Secret, beside: { older?: Secret[]; next?: Secret } = {}): Roots => ({
  PAYLOAD_KEY: { current, ...beside },
  DATA_KEY: { current, ...beside },
  AUDIT_KEY: { current, ...beside },
});

describe('HPKE', () => {
  const suite = new CipherSuite(KEM_DHKEM_X25519_HKDF_SHA256, KDF_HKDF_SHA256, AEAD_AES_256_GCM);
  const context = {
    psk: randomBytes(32),
    pskId: Buffer.from('id'),
    info: Buffer.from('info'),
    aad: Buffer.from('aad'),
  };

  it('opens what the package hpke seals, and the other way round', async () => {
    const seed = randomBytes(32);
    const [own, theirs] = [derivePrivateKey(seed), await suite.DeriveKeyPair(seed, true)];
    assert.deepEqual(publicBytesOf(own), Buffer.from(await suite.SerializePublicKey(theirs.publicKey)));
    const plain = Buffer.from('a secret');
    const made = seal(readPublicKey(publicBytesOf(own)), plain, context);
    const opened = await suite.Open(theirs.privateKey, made.subarray(0, 32), made.subarray(32), context);
    assert.deepEqual(Buffer.from(opened), plain);
    const { encapsulatedSecret, ciphertext } = await suite.Seal(theirs.publicKey, plain, context);
    assert.deepEqual(open(own, Buffer.concat([encapsulatedSecret, ciphertext]), context), plain);
  });

  it('opens nothing that was changed, or is of another sender or context', () => {
    const key = derivePrivateKey(randomBytes(32));
    const made = seal(readPublicKey(publicBytesOf(key)), Buffer.from('a secret'), context);
    for (const at of [0, 40, made.length - 1]) {
      const changed = Buffer.from(made);
      changed[at] = (changed[at] ?? 0) ^ 1;
      assert.throws(() => open(key, changed, context));
    }
    for (const other of [{ psk: randomBytes(32) }, { aad: Buffer.from('b') }, { info: Buffer.from('b') }])
      assert.throws(() => open(key, made, { ...context, ...other }));
    assert.throws(() => open(derivePrivateKey(randomBytes(32)), made, context));
  });
});

describe('the keys of a role', () => {
  it('are those of its purposes, and the same whoever derives them', () => {
    const roots = rootsOf(newRoot());
    for (const role of roles) {
      const text = deriveKeys(role, roots);
      assert.equal(text, deriveKeys(role, roots));
      assert.deepEqual(parseKeyRing(text).purposes, purposesOf(role));
      for (const root of Object.values(roots)) assert.equal(text.includes(root.current.reveal()), false);
    }
    assert.deepEqual(purposesOf('audit'), ['audit', 'configuration', 'pseudonym']);
    assert.deepEqual(purposesOf('operator').length, Object.keys(keyPurposes).length + Object.keys(boxes).length * 3);
  });

  it('open what is sealed to the role, and nothing that is sealed to others', () => {
    const roots = rootsOf(newRoot());
    const ringOf = (role: Role) => parseKeyRing(deriveKeys(role, roots));
    type Row = { sealers: readonly Role[]; openers: readonly Role[] };
    for (const [name, { sealers, openers }] of Object.entries<Row>(boxes) as [BoxName, Row][]) {
      const sealed = sealers.map((role) => ringOf(role).box(name).sealText('a secret', 'here'));
      for (const role of openers)
        assert.equal(
          ringOf(role)
            .box(name)
            .openText(sealed[0] ?? '', 'here'),
          'a secret',
        );
      for (const role of roles.filter((one) => !openers.includes(one)))
        assert.throws(
          () =>
            ringOf(role)
              .box(name)
              .openText(sealed[0] ?? '', 'here'),
          /has no key|No key/,
          role,
        );
      for (const role of roles.filter((one) => !sealers.includes(one)))
        assert.throws(() => ringOf(role).box(name).sealText('x', ''), /has no key|cannot seal/, role);
    }
  });

  it('rotate: old keys open, verify and are looked up while the new one seals', () => {
    const [old, current] = [newRoot(), newRoot()];
    const ringOf = (roots: Roots) => parseKeyRing(deriveKeys('operator', roots));
    const before = ringOf(rootsOf(old, { next: current }));
    const between = ringOf(rootsOf(current, { older: [old] }));
    const after = ringOf(rootsOf(current));
    const [cipherText, mac] = [before.cipher('secret').encryptText('x'), before.mac('session').sign(['x'])];
    const sealed = before.box('secret-directory').sealText('x', '');
    assert.equal(between.cipher('secret').decryptText(cipherText), 'x');
    assert.equal(between.mac('session').verify(mac, ['x']), true);
    assert.equal(between.box('secret-directory').openText(sealed, ''), 'x');
    // processes that are not restarted yet open what those with the new key seal
    assert.equal(before.box('secret-directory').openText(between.box('secret-directory').sealText('y', ''), ''), 'y');
    assert.equal(before.cipher('secret').decryptText(between.cipher('secret').encryptText('y')), 'y');
    assert.throws(() => after.cipher('secret').decryptText(cipherText), /No key/);
    assert.equal(after.mac('session').verify(mac, ['x']), false);
    assert.deepEqual([before.mac('session').isCurrent(mac), between.mac('session').isCurrent(mac)], [true, false]);
    // limits count anew once, when the old key is removed
    const first = ringOf(rootsOf(old)).lasting('limit');
    assert.deepEqual(
      [before, between].map((ring) => ring.lasting('limit')),
      [first, first],
    );
    assert.notDeepEqual(after.lasting('limit'), first);
  });

  it('are refused in another form, without a part of a key in the message', () => {
    for (const text of [
      'secret',
      'secret.12345678',
      'secret.12345678.AAAA',
      'secret.key.AAAA',
      'secret.12345678.AAAA.B',
    ])
      assert.throws(
        () => parseKeyRing(text),
        (err: Error) => err instanceof RangeError && !err.message.includes('AAAA'),
      );
  });
});
