// @rerun never
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { concatBytes, randomBytes } from '@noble/hashes/utils.js';
import { utf8 } from '../../client/bytes.ts';
import { u32 } from '../../client/crypto/encoding.ts';
import { isReduced } from '../../client/crypto/ml-kem.ts';
import { deriveBytes, encryptGcm } from '../../client/crypto/primitives.ts';
import { type Ratchet, stepChain } from '../../client/crypto/ratchet.ts';
import { associatedData, begunPair, refusedFor, type Side, sendMany, start } from '../support/ratchet-side.ts';

const dayMs = 86_400_000;
const flagsOf = (message: Uint8Array) => message[1];

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

describe('a key of ML-KEM', () => {
  it('is reduced when each of its coefficients is below 3,329', () => {
    const keyWith = (...pair: [number, number, number]) =>
      new Uint8Array(1184).fill(0).map((_, i) => pair[i - 300] ?? 0);
    assert.equal(isReduced(keyWith(0x00, 0x0d, 0xd0)), true);
    assert.equal(isReduced(keyWith(0x01, 0x0d, 0x00)), false, 'the first of a pair is 3,329');
    assert.equal(isReduced(keyWith(0x00, 0x10, 0xd0)), false, 'the second of a pair is 3,329');
    assert.equal(isReduced(new Uint8Array(1184).fill(0xff, 1152)), true, 'the seed at the end is of any bytes');
  });
});
