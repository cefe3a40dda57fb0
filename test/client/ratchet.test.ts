// @rerun never
import assert from 'node:assert/strict';
import { createDecipheriv, createHmac } from 'node:crypto';
import { describe, it } from 'node:test';
import { x25519 } from '@noble/curves/ed25519.js';
import { hkdf } from '@noble/hashes/hkdf.js';
import { sha256 } from '@noble/hashes/sha2.js';
import { concatBytes, randomBytes } from '@noble/hashes/utils.js';
import { utf8 } from '../../client/bytes.ts';
import { generateKeyPair } from '../../client/crypto/curve.ts';
import { u32 } from '../../client/crypto/encoding.ts';
import { decryptGcm, deriveBytes, encryptGcm, isEqual, type Random } from '../../client/crypto/primitives.ts';
import {
  chainsMax,
  createInitiator,
  createResponder,
  decrypt,
  encrypt,
  forwardMax,
  type Ratchet,
  skippedMax,
  stepChain,
} from '../../client/crypto/ratchet.ts';

const start = Date.UTC(2026, 0, 1);
const dayMs = 86_400_000;
const associatedData = utf8('associated data');

/** One side of a ratchet, whose state is replaced by each step that succeeds. */
class Side {
  state: Ratchet;
  now = start;
  random: Random = randomBytes;
  constructor(state: Ratchet) {
    this.state = state;
  }
  async send(text: string): Promise<Uint8Array> {
    const input = { plain: utf8(text), associatedData };
    const { state, message } = await encrypt(this.state, input, { random: this.random, now: this.now });
    this.state = state;
    return message;
  }
  async receive(message: Uint8Array): Promise<string> {
    const { state, plain } = await decrypt(this.state, { message, associatedData }, this.now);
    this.state = state;
    return new TextDecoder().decode(plain);
  }
  /** What a thief gets: the state as it is. */
  stolen(): Side {
    const copy = new Side(structuredClone(this.state));
    copy.now = this.now;
    return copy;
  }
}

function pair(): [Side, Side] {
  const [secret, signedPreKey] = [randomBytes(32), generateKeyPair()];
  return [
    new Side(createInitiator(secret, signedPreKey.publicKey, start)),
    new Side(createResponder(secret, signedPreKey, start)),
  ];
}

/** A pair of which both sides have sent. */
async function begunPair(): Promise<[Side, Side]> {
  const [alice, bob] = pair();
  await bob.receive(await alice.send('1'));
  await alice.receive(await bob.send('2'));
  return [alice, bob];
}

async function sendMany(side: Side, count: number): Promise<Uint8Array[]> {
  const messages: Uint8Array[] = [];
  for (let index = 0; index < count; index += 1) messages.push(await side.send(`text ${index}`));
  return messages;
}

const refusedFor = (reason: string) => ({ code: 'UNDECRYPTABLE', fields: { reason } });
const flagsOf = (message: Uint8Array) => message[1];
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

describe('the post-quantum healing', () => {
  it('offers a key with the 50th own message, repeats it until it is answered, and answers in the next chain', async () => {
    const [alice, bob] = await begunPair();
    const messages = await sendMany(alice, 50);
    const firstOffer = messages.findIndex((message) => flagsOf(message) === 1);
    assert.equal(firstOffer, 48, 'one message came before these');
    assert.deepEqual(messages[49]?.subarray(42, 1226), messages[48]?.subarray(42, 1226));
    for (const message of messages) await bob.receive(message);
    const answers = await sendMany(bob, 2);
    assert.deepEqual(answers.map(flagsOf), [2, 2]);
    assert.equal(answers[0]?.length, 42 + 1088 + 32 + 6 + 16);
    const late = await alice.send('crossing');
    assert.equal(flagsOf(late), 1);
    for (const answer of answers) await alice.receive(answer);
    assert.equal(alice.state.healing.offered, undefined);
    assert.equal(await bob.receive(late), 'crossing');
    assert.equal(bob.state.healing.asked, undefined, 'it was answered already');
    const next = await alice.send('next');
    assert.equal(flagsOf(next), 0);
    assert.equal(await bob.receive(next), 'next');
    assert.equal(flagsOf(await bob.send('next')), 0);
  });

  it('offers a key after seven days, and both sides heal with one answer', async () => {
    const [alice, bob] = await begunPair();
    alice.now = start + 7 * dayMs - 1;
    assert.equal(flagsOf(await alice.send('text')), 0);
    alice.now = start + 7 * dayMs;
    const offer = await alice.send('text');
    assert.equal(flagsOf(offer), 1);
    bob.now = alice.now;
    await bob.receive(offer);
    const answer = await bob.send('answer');
    assert.equal(flagsOf(answer), 2, 'it makes no offer of its own: the answer heals both');
    await alice.receive(answer);
    assert.equal(flagsOf(await alice.send('text')), 0);
    assert.deepEqual([alice.state.healing.at, bob.state.healing.at], [alice.now, bob.now]);
  });

  it('works in both directions at once, over lost messages', async () => {
    const [alice, bob] = await begunPair();
    alice.now = bob.now = start + 8 * dayMs;
    const [fromAlice, fromBob] = [await alice.send('offer'), await bob.send('offer')];
    await alice.receive(fromBob);
    await bob.receive(fromAlice);
    assert.equal(flagsOf(await alice.send('lost: in the chain that has begun')), 1);
    const both = await bob.send('offer and answer');
    assert.equal(flagsOf(both), 3);
    await alice.receive(await bob.send('the one before is late'));
    const answer = await alice.send('answer');
    assert.equal(flagsOf(answer), 2);
    await bob.receive(answer);
    assert.equal(await alice.receive(both), 'offer and answer');
    assert.deepEqual([alice.state.healing.offered, bob.state.healing.offered], [undefined, undefined]);
    assert.deepEqual([alice.state.healing.asked, bob.state.healing.asked], [undefined, undefined]);
    assert.equal(await alice.receive(await bob.send('healed')), 'healed');
  });

  it('does not listen to a late offer of an older chain, which was answered and replaced', async () => {
    const [alice, bob] = await begunPair();
    alice.now = start + 7 * dayMs;
    const late = await alice.send('late');
    await bob.receive(await alice.send('offer'));
    await alice.receive(await bob.send('answer'));
    bob.now = alice.now += 7 * dayMs;
    await bob.receive(await alice.send('the next offer'));
    await alice.receive(await bob.send('the next answer'));
    await bob.receive(await alice.send('next chain'));
    assert.equal(await bob.receive(late), 'late');
    assert.equal(bob.state.healing.asked, undefined);
    assert.equal(await alice.receive(await bob.send('opens')), 'opens');
  });

  it('refuses an answer that was not asked for, and ignores an offer that is no key', async () => {
    const [alice, bob] = await begunPair();
    alice.now = start + 7 * dayMs;
    await bob.receive(await alice.send('offer'));
    const answer = await bob.send('answer');
    const forgetful = alice.stolen();
    forgetful.state = { ...forgetful.state, healing: { ...forgetful.state.healing, offered: undefined } };
    await assert.rejects(forgetful.receive(answer), refusedFor('changed'));
    const malicious = await begunPair();
    await malicious[0].send('lost');
    const offer = await forgeOffer(malicious[0].state, new Uint8Array(1184).fill(0xff));
    await malicious[1].receive(offer);
    assert.equal(malicious[1].state.healing.asked, undefined);
    await malicious[1].send('still sends');
  });

  it('shuts a thief out who offered: one round trip, although every later secret of Diffie-Hellman is given away', async () => {
    const [victim, peer] = await begunPair();
    const thief = await thiefWhoReadsAlong(victim, peer);
    victim.now = peer.now = thief.now = start + 7 * dayMs;
    await peer.receive(await sendWatched(victim, thief));
    const answer = await peer.send('answer');
    await victim.receive(answer);
    await assert.rejects(thief.receive(answer), refusedFor('changed'));
    await assertShutOut(victim, peer, thief);
  });

  it('shuts a thief out of the side that answers as well', async () => {
    const [peer, victim] = await begunPair();
    const thief = await thiefWhoReadsAlong(victim, peer);
    victim.now = peer.now = thief.now = start + 7 * dayMs;
    const offer = await peer.send('offer');
    assert.deepEqual([await victim.receive(offer), await thief.receive(offer)], ['offer', 'offer']);
    await peer.receive(await sendWatched(victim, thief));
    await assertShutOut(victim, peer, thief);
  });
});

/** Sends as the victim does; the thief does the same with the victim's key of Diffie-Hellman and KEM secrets of its own. */
async function sendWatched(victim: Side, thief: Side): Promise<Uint8Array> {
  const given: Uint8Array[] = [];
  const beginsChain = victim.state.sending === undefined;
  victim.random = (length) => {
    const bytes = randomBytes(length);
    given.push(bytes);
    return bytes;
  };
  const message = await victim.send('watched');
  let calls = 0;
  thief.random = (length) => {
    calls += 1;
    return (calls === 1 && beginsChain ? given[0] : undefined) ?? randomBytes(length);
  };
  await thief.send('watched');
  return message;
}

/** Steals a state. Without the healing the thief reads along over two round trips: these tests can see a theft. */
async function thiefWhoReadsAlong(victim: Side, peer: Side): Promise<Side> {
  const thief = victim.stolen();
  for (let round = 0; round < 2; round += 1) {
    await peer.receive(await sendWatched(victim, thief));
    const message = await peer.send('read along');
    assert.deepEqual([await victim.receive(message), await thief.receive(message)], ['read along', 'read along']);
  }
  assert.deepEqual(thief.state.rootKey, victim.state.rootKey);
  return thief;
}

async function assertShutOut(victim: Side, peer: Side, thief: Side): Promise<void> {
  const toPeer = await sendWatched(victim, thief);
  assert.notDeepEqual(thief.state.sending?.chainKey, victim.state.sending?.chainKey);
  await peer.receive(toPeer);
  const toVictim = await peer.send('private');
  await assert.rejects(thief.receive(toVictim), { code: 'UNDECRYPTABLE' });
  assert.equal(await victim.receive(toVictim), 'private');
  assert.notDeepEqual(thief.state.rootKey, victim.state.rootKey);
}

/** Makes the next message of a side with an offer of these bytes. */
async function forgeOffer({ sending, previousCount }: Ratchet, offer: Uint8Array): Promise<Uint8Array> {
  assert.ok(sending);
  const header = concatBytes(
    Uint8Array.of(1, 1),
    sending.ratchetKey.subarray(1),
    u32(sending.next),
    u32(previousCount),
    offer,
  );
  const keys = deriveBytes(stepChain(sending.chainKey).messageKey, utf8('Vyry_Message_v1'), { length: 76 });
  const input = {
    key: keys.subarray(0, 32),
    nonce: keys.subarray(32, 44),
    associatedData: concatBytes(associatedData, header),
  };
  return concatBytes(header, keys.subarray(44), await encryptGcm(input, utf8('text')));
}

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
