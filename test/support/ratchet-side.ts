/** The two sides of a ratchet, without sessions around them. */
import { randomBytes } from '@noble/hashes/utils.js';
import { utf8 } from '../../client/bytes.ts';
import { generateKeyPair } from '../../client/crypto/curve.ts';
import type { Random } from '../../client/crypto/primitives.ts';
import { createInitiator, createResponder, decrypt, encrypt, type Ratchet } from '../../client/crypto/ratchet.ts';

/** When the sides begin. */
export const start = Date.UTC(2026, 0, 1);
/** What both sides authenticate. */
export const associatedData = utf8('associated data');

/** One side of a ratchet, whose state is replaced by each step that succeeds. */
export class Side {
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

/** Returns both sides after the handshake, the initiator first. */
export function pair(): [Side, Side] {
  const [secret, signedPreKey] = [randomBytes(32), generateKeyPair()];
  return [
    new Side(createInitiator(secret, signedPreKey.publicKey, start)),
    new Side(createResponder(secret, signedPreKey, start)),
  ];
}

/** A pair of which both sides have sent. */
export async function begunPair(): Promise<[Side, Side]> {
  const [alice, bob] = pair();
  await bob.receive(await alice.send('1'));
  await alice.receive(await bob.send('2'));
  return [alice, bob];
}

/** Sends so many messages: `text 0` and so on. */
export async function sendMany(side: Side, count: number): Promise<Uint8Array[]> {
  const messages: Uint8Array[] = [];
  for (let index = 0; index < count; index += 1) messages.push(await side.send(`text ${index}`));
  return messages;
}

/** The error of a refused message. */
export const refusedFor = (reason: string) => ({ code: 'UNDECRYPTABLE', fields: { reason } });
