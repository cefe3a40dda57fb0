// @rerun never
import assert from 'node:assert/strict';
import { createDecipheriv, createHmac } from 'node:crypto';
import { describe, it } from 'node:test';
import { x25519 } from '@noble/curves/ed25519.js';
import { hkdf } from '@noble/hashes/hkdf.js';
import { sha256 } from '@noble/hashes/sha2.js';
import { randomBytes } from '@noble/hashes/utils.js';
import { utf8 } from '../../client/bytes.ts';
import { generateKeyPair } from '../../client/crypto/curve.ts';
import { decryptGcm, encryptGcm, isEqual } from '../../client/crypto/primitives.ts';
import { chainsMax, createInitiator, decrypt, forwardMax, skippedMax, stepChain } from '../../client/crypto/ratchet.ts';
import { associatedData, begunPair, pair, refusedFor, Side, sendMany, start } from '../support/ratchet-side.ts';

const ratchetKeyOf = (message: Uint8Array) => Buffer.from(message.subarray(2, 34)).toString('hex');

describe('a message of the ratchet', () => {
  it('has version, flags, ratchet key, both counts, commitment and ciphertext in their places', async () => {
    const [alice, bob] = await begunPair();
    const [, second] = await sendMany(alice, 2);
    assert.ok(second);
    const view = new DataView(second.buffer, second.byteOffset);
    assert.deepEqual([second[0], second[1], view.getUint32(34), view.getUint32(38)], [1, 0, 1, 1]);
    assert.equal(second.length, 42 + 32 + 'text 1'.length + 16);
    assert.equal(ratchetKeyOf(second), Buffer.from(alice.state.sending?.ratchetKey.subarray(1) ?? []).toString('hex'));
    assert.equal(await bob.receive(second), 'text 1');
  });

  it('follows from root, chain and message keys as the protocol says', async () => {
    const secret = randomBytes(32);
    const signedPreKey = generateKeyPair();
    const alice = new Side(createInitiator(secret, signedPreKey.publicKey, start));
    const message = await alice.send('text');
    const agreement = x25519.getSharedSecret(signedPreKey.privateKey, message.subarray(2, 34));
    const root = hkdf(sha256, agreement, secret, utf8('Vyry_Ratchet_X25519_ML-KEM-768_v1'), 64);
    const messageKey = createHmac('sha256', root.subarray(32)).update(Uint8Array.of(1)).digest();
    const keys = hkdf(sha256, messageKey, new Uint8Array(32), utf8('Vyry_Message_v1'), 76);
    assert.deepEqual(message.subarray(42, 74), keys.subarray(44));
    const decipher = createDecipheriv('aes-256-gcm', keys.subarray(0, 32), keys.subarray(32, 44));
    decipher.setAAD(Buffer.concat([associatedData, message.subarray(0, 42)]));
    decipher.setAuthTag(message.subarray(-16));
    const plain = Buffer.concat([decipher.update(message.subarray(74, -16)), decipher.final()]);
    assert.equal(plain.toString(), 'text');
  });

  it('opens once, in any order, and not on the side that sent it', async () => {
    const [alice, bob] = await begunPair();
    const [first, second, third] = await sendMany(alice, 3);
    assert.ok(first && second && third);
    assert.deepEqual(
      [await bob.receive(third), await bob.receive(first), await bob.receive(second)],
      ['text 2', 'text 0', 'text 1'],
    );
    for (const message of [first, second, third]) await assert.rejects(bob.receive(message), refusedFor('repeated'));
    await assert.rejects(alice.receive(third), refusedFor('changed'));
  });

  it('leaves the state as it was when it is refused', async () => {
    const [alice, bob] = await begunPair();
    const message = await alice.send('text');
    const before = structuredClone(bob.state);
    for (let index = 0; index < message.length; index += 3) {
      const changed = Uint8Array.from(message);
      changed[index] = (changed[index] ?? 0) ^ 0x10;
      await assert.rejects(bob.receive(changed), { code: 'UNDECRYPTABLE' });
    }
    for (const length of [0, 1, 41, 73, 89]) await assert.rejects(bob.receive(message.subarray(0, length)));
    assert.deepEqual(bob.state, before);
    assert.equal(await bob.receive(message), 'text');
  });

  it('is refused for its form, its ratchet key, or other associated data', async () => {
    const [alice, bob] = await begunPair();
    const message = await alice.send('text');
    const lowOrder = Uint8Array.from(message).fill(0, 2, 34);
    await assert.rejects(bob.receive(lowOrder), refusedFor('malformed'));
    await assert.rejects(bob.receive(Uint8Array.of(2, ...message.subarray(1))), refusedFor('malformed'));
    await assert.rejects(bob.receive(Uint8Array.of(1, 4, ...message.subarray(2))), refusedFor('malformed'));
    await assert.rejects(bob.receive(message.subarray(0, 42 + 32 + 15)), refusedFor('malformed'));
    const elsewhere = decrypt(bob.state, { message, associatedData: utf8('another session') }, start);
    await assert.rejects(elsewhere, refusedFor('changed'));
  });

  it('whose commitment is not that of its key is refused before it is decrypted', async () => {
    const [alice, bob] = await begunPair();
    const message = await alice.send('text');
    message[42] = (message[42] ?? 0) ^ 1;
    await assert.rejects(bob.receive(message), refusedFor('changed'));
  });

  it('cannot be sent by the side that has to receive first', async () => {
    const [, bob] = pair();
    await assert.rejects(bob.send('too early'), /other side has to send first/);
  });
});

describe('the bounds of a ratchet', () => {
  it('are 25,000 missing messages before one that arrives', async () => {
    const [alice, bob] = await begunPair();
    const messages = await sendMany(alice, 2);
    assert.ok(messages[1]);
    // the sender's chain goes on to message 25,001; message 0 has arrived
    await bob.receive(messages[0] ?? new Uint8Array());
    skipAhead(alice, forwardMax - 1);
    const inReach = await alice.send('far');
    const tooFar = await alice.send('too far');
    await assert.rejects(bob.receive(tooFar), refusedFor('too-far'));
    assert.equal(await bob.receive(inReach), 'far');
    assert.equal(bob.state.receiving.at(-1)?.skipped.length, skippedMax);
    await assert.rejects(bob.receive(messages[1]), refusedFor('repeated'), 'its key was among the oldest');
    assert.equal(await bob.receive(tooFar), 'too far');
  });

  it('are 25,000 missing messages of the chain before', async () => {
    const [alice, bob] = await begunPair();
    await bob.receive(await alice.send('text'));
    const chain = alice.state.sending;
    assert.ok(chain);
    alice.state = { ...alice.state, sending: { ...chain, next: forwardMax + 2 } };
    await alice.receive(await bob.send('text'));
    await assert.rejects(bob.receive(await alice.send('text')), refusedFor('too-far'));
  });

  it('are 2,000 keys of missing messages in all chains, the oldest erased first', async () => {
    const [alice, bob] = await begunPair();
    const early = await sendMany(alice, 3);
    for (let rounds = 0; rounds < 2; rounds += 1) {
      await bob.receive(await alice.send('text'));
      skipAhead(alice, rounds === 0 ? 1000 : 999);
      await bob.receive(await alice.send('text'));
      await alice.receive(await bob.send('answer'));
    }
    assert.equal(
      bob.state.receiving.reduce((sum, { skipped }) => sum + skipped.length, 0),
      skippedMax,
    );
    assert.ok(early[0] && early[2]);
    await assert.rejects(bob.receive(early[0]), refusedFor('repeated'));
    assert.equal(await bob.receive(early[2]), 'text 2');
  });

  it('are five chains: a message of the sixth before is too old', async () => {
    const [alice, bob] = await begunPair();
    const late: Uint8Array[] = [];
    for (let round = 0; round <= chainsMax; round += 1) {
      late.push(await alice.send('late'));
      await bob.receive(await alice.send('text'));
      await alice.receive(await bob.send('answer'));
    }
    assert.equal(bob.state.receiving.length, chainsMax);
    assert.ok(late[0] && late[1]);
    await assert.rejects(bob.receive(late[0]), { code: 'UNDECRYPTABLE' });
    assert.equal(await bob.receive(late[1]), 'late');
  });
});

/** Loses so many messages of a side: their keys are skipped. */
function skipAhead(side: Side, count: number): void {
  const { sending } = side.state;
  assert.ok(sending);
  let { chainKey } = sending;
  for (let step = 0; step < count; step += 1) chainKey = stepChain(chainKey).chainKey;
  side.state = { ...side.state, sending: { ...sending, chainKey, next: sending.next + count } };
}

describe('erasure', () => {
  it('leaves no key that opens what was received', async () => {
    const [alice, bob] = await begunPair();
    const messages = await sendMany(alice, 3);
    for (const message of messages) await bob.receive(message);
    for (const message of messages) await assert.rejects(bob.stolen().receive(message), refusedFor('repeated'));
    assert.equal(bob.state.privateKey, undefined, 'the key of the agreement');
    await alice.receive(await bob.send('answer'));
    await bob.receive(await alice.send('next chain'));
    assert.deepEqual(
      bob.state.receiving.slice(0, -1).map(({ chainKey }) => chainKey),
      bob.state.receiving.slice(0, -1).map(() => undefined),
      'the keys of earlier chains',
    );
  });
});

describe('the encryption of the runtime', () => {
  it('is the same as that of the library', async () => {
    const input = { key: randomBytes(32), nonce: randomBytes(12), associatedData };
    const short = randomBytes(4095);
    const long = Uint8Array.of(...short, 7);
    const encrypted = [await encryptGcm(input, short), await encryptGcm(input, long)] as const;
    assert.deepEqual(encrypted[0].subarray(0, 4095), encrypted[1].subarray(0, 4095));
    assert.deepEqual(await decryptGcm(input, encrypted[0]), short);
    assert.deepEqual(await decryptGcm(input, encrypted[1]), long);
    for (const one of encrypted) await assert.rejects(decryptGcm(input, one.fill(0, 0, 1).fill(1, 1, 2)));
  });

  it('compares bytes of any lengths', () => {
    const bytes = Uint8Array.of(1, 2);
    assert.equal(isEqual(bytes, Uint8Array.of(1, 2)), true);
    for (const other of [Uint8Array.of(1), Uint8Array.of(1, 2, 0), Uint8Array.of(1, 3), new Uint8Array()])
      assert.equal(isEqual(bytes, other), false);
  });
});
