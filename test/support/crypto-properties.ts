/**
 * Properties of the encryption, for any order of events: messages are late, lost, repeated, reflected and changed, both
 * sides begin at the same time, and processes end between any two steps.
 */
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { fromBase64, toBase64, utf8 } from '../../client/bytes.ts';
import { applyChanges } from '../../client/state-changes.ts';
import { type ClientState, type ClientStore, createStore } from '../../client/store.ts';
import type { KeyBundles } from '../../contract/devices.ts';
import { createKeys, testStart } from './crypto-devices.ts';
import { createPlainMailbox, type PlainMailbox } from './plain-mailbox.ts';

/** What happens next: to which of the two sides, and to which message. */
type Event =
  | { kind: 'send'; side: 0 | 1 }
  | { kind: 'deliver' | 'lose' | 'repeat' | 'reflect'; side: 0 | 1; pick: number }
  | { kind: 'change'; side: 0 | 1; pick: number; bit: number }
  | { kind: 'crash'; side: 0 | 1; isKept: boolean };

/** A message that was sent. */
interface Sent {
  /** The side that sent it. */
  from: 0 | 1;
  text: string;
  content: string;
  isDelivered: boolean;
  isLost: boolean;
}

/** States with keys, made once: a run works on copies. */
interface Prepared {
  states: [ClientState, ClientState];
  bundles: [KeyBundles, KeyBundles];
}

const userIds = ['alice', 'bob'] as const;
const side = fc.constantFrom(0 as const, 1 as const);
const pick = fc.nat({ max: 50 });
const transport = [
  { weight: 5, arbitrary: fc.record({ kind: fc.constant('send' as const), side }) },
  { weight: 5, arbitrary: fc.record({ kind: fc.constant('deliver' as const), side, pick }) },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constantFrom('lose' as const, 'repeat' as const, 'reflect' as const), side, pick }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('change' as const), side, pick, bit: fc.nat() }) },
];
const crash = fc.record({ kind: fc.constant('crash' as const), side, isKept: fc.boolean() });
/** So few that no message becomes too old: each chain of a side takes four events. */
const maxLength = 14;

/** Makes two devices, and if asked the session between them: handshakes take most of the time of a run. */
export async function prepare({ isBegun }: { isBegun: boolean }): Promise<Prepared> {
  const keys = userIds.map((userId) => createKeys({ userId }));
  const [one, other] = keys.map(({ bundles }) => bundles[0]);
  const [first, second] = keys.map(({ state }) => state);
  if (!one || !other || !first || !second) throw new Error('there are two devices');
  const prepared: Prepared = { states: [first, second], bundles: [one, other] };
  if (!isBegun) return prepared;
  const conversation = new Conversation(prepared);
  await conversation.apply({ kind: 'send', side: 0 });
  await conversation.apply({ kind: 'deliver', side: 1, pick: 0 });
  await conversation.apply({ kind: 'send', side: 1 });
  await conversation.apply({ kind: 'deliver', side: 0, pick: 0 });
  return { ...prepared, states: await conversation.states() };
}

/** Every message that arrives opens once and as it was sent; what was repeated, reflected or changed does not open. */
export async function checkConversations(prepared: Prepared, runs: number): Promise<void> {
  const events = fc.array(fc.oneof(...transport), { maxLength });
  const property = fc.asyncProperty(events, async (planned) => {
    const conversation = new Conversation(prepared);
    for (const event of planned) await conversation.apply(event);
    await conversation.finish();
  });
  await fc.assert(property, { numRuns: runs });
}

/**
 * The same when processes end before or after any transaction was kept: a key encrypts one message, and none is lost or
 * kept twice.
 */
export async function checkCrashes(prepared: Prepared, runs: number): Promise<void> {
  const events = fc.array(fc.oneof(...transport.slice(0, 2), { weight: 4, arbitrary: crash }), { maxLength });
  const property = fc.asyncProperty(events, async (planned) => {
    const conversation = new Conversation(prepared);
    for (const event of planned) await conversation.apply(event);
    await conversation.finish();
  });
  await fc.assert(property, { numRuns: runs });
}

/** The end of a process. */
class Crash extends Error {}

/** One side: its store loses or keeps the next change when a crash is planned. */
class Device {
  readonly userId: string;
  #kept: ClientState;
  #plannedCrash: { isKept: boolean } | undefined;
  store: ClientStore;
  mailbox: PlainMailbox;

  constructor(state: ClientState) {
    this.userId = state.userId ?? '';
    this.#kept = state;
    [this.store, this.mailbox] = this.#start();
  }

  /** Ends the process at the next change, before or after it is kept. */
  planCrash(isKept: boolean): void {
    this.#plannedCrash = { isKept };
  }

  /** Runs a step, again in a new process if the one before has ended. */
  async survive<T>(step: (mailbox: PlainMailbox) => Promise<T>): Promise<T> {
    try {
      return await step(this.mailbox);
    } catch (err) {
      if (!(err instanceof Crash)) throw err;
      [this.store, this.mailbox] = this.#start();
      return await step(this.mailbox);
    }
  }

  #start(): [ClientStore, PlainMailbox] {
    const store = createStore(this.#kept, async (changes) => {
      const planned = this.#plannedCrash;
      this.#plannedCrash = undefined;
      if (planned === undefined || planned.isKept) this.#kept = applyChanges(this.#kept, changes);
      if (planned !== undefined) throw new Crash();
    });
    return [store, createPlainMailbox(store, { now: () => testStart })];
  }
}

/** Two sides, the messages between them, and what must be true of them. */
class Conversation {
  readonly #devices: [Device, Device];
  readonly #bundles: [KeyBundles, KeyBundles];
  readonly #sent: Sent[] = [];
  /** The bytes that each message key has encrypted, by ratchet key and number. */
  readonly #encrypted = new Map<string, string>();
  #deliveries = 0;

  constructor({ states, bundles }: Prepared) {
    this.#devices = [new Device(states[0]), new Device(states[1])];
    this.#bundles = bundles;
  }

  async apply(event: Event): Promise<void> {
    if (event.kind === 'send') return await this.#send(event.side);
    if (event.kind === 'crash') return this.#devices[event.side].planCrash(event.isKept);
    const isWanted = (one: Sent) =>
      event.kind === 'repeat'
        ? one.isDelivered
        : event.kind === 'reflect'
          ? !one.isLost
          : !one.isDelivered && !one.isLost;
    const candidates = this.#sent.filter((one) => one.from !== event.side && isWanted(one));
    const message = candidates[event.pick % candidates.length];
    if (message === undefined) return;
    if (event.kind === 'deliver') return await this.#deliver(message);
    if (event.kind === 'lose') {
      message.isLost = true;
      return;
    }
    const content = event.kind === 'change' ? changed(message.content, event.bit) : message.content;
    // a repeat comes under another id, as from a server that means harm; a reflected message goes to its own sender
    await this.#refuse(event.kind === 'reflect' ? message.from : event.side, content);
  }

  /** Delivers what is on its way, the newest first, and compares what both sides have with what was sent. */
  async finish(): Promise<void> {
    for (const message of this.#sent.filter((one) => !one.isDelivered && !one.isLost).reverse())
      await this.#deliver(message);
    for (const recipient of [0, 1] as const) {
      const received = await this.#devices[recipient].mailbox.received();
      const texts = received.map(({ plain }) => new TextDecoder().decode(fromBase64(plain)));
      const expected = this.#sent.filter((one) => one.from !== recipient && !one.isLost).map(({ text }) => text);
      assert.deepEqual(texts.sort(), expected.sort());
    }
  }

  async states(): Promise<[ClientState, ClientState]> {
    const read = ({ store }: Device) =>
      store.transaction((state) => ({ ...structuredClone(state), received: [], seen: [] }));
    return [await read(this.#devices[0]), await read(this.#devices[1])];
  }

  async #send(from: 0 | 1): Promise<void> {
    const to = from === 0 ? 1 : 0;
    const device = this.#devices[from];
    const text = `${from} ${this.#sent.length}`;
    const clientMessageId = `c-${this.#sent.length}`;
    const bundles = this.#bundles[to];
    const message = { clientMessageId, userId: userIds[to], deviceIds: ['1'], plain: utf8(text), bundles };
    await device.survive((mailbox) => mailbox.queue(message));
    const outbox = await device.survive((mailbox) => mailbox.outbox());
    assert.equal(outbox.length, 1);
    const content = outbox[0]?.messages[0]?.content ?? '';
    this.#transmit(content);
    await device.survive((mailbox) => mailbox.confirm(clientMessageId));
    this.#sent.push({ from, text, content, isDelivered: false, isLost: false });
  }

  /** Two messages under one key would open each other's keystream (NIST SP 800-38D, section 8). */
  #transmit(content: string): void {
    const bytes = fromBase64(content);
    const message = bytes.length > 1650 && bytes[15] === 5 && bytes[48] === 5 ? bytes.subarray(1650) : bytes;
    const key = toBase64(message.subarray(2, 38));
    assert.equal(this.#encrypted.get(key) ?? content, content, 'a key encrypts one message');
    this.#encrypted.set(key, content);
  }

  async #deliver(message: Sent): Promise<void> {
    const device = this.#devices[message.from === 0 ? 1 : 0];
    const arriving = this.#arriving(userIds[message.from], message.content);
    const result = await device.survive((mailbox) => mailbox.receive(arriving));
    // after a crash that came after the change was kept, the server delivers it again
    assert.ok(result.kind === 'message' || result.kind === 'seen', JSON.stringify(result));
    message.isDelivered = true;
  }

  async #refuse(recipient: 0 | 1, content: string): Promise<void> {
    const device = this.#devices[recipient];
    const sessions = () => device.store.transaction((state) => JSON.stringify([state.sessions, state.keys]));
    const before = await sessions();
    const result = await device.mailbox.receive(this.#arriving(userIds[recipient === 0 ? 1 : 0], content));
    assert.equal(result.kind, 'undecryptable');
    assert.equal(await sessions(), before, 'what is refused changes no key');
  }

  #arriving(userId: string, content: string) {
    this.#deliveries += 1;
    const at = new Date(testStart).toISOString();
    const from = { userId, deviceId: '1' };
    return {
      messageId: `m-${this.#deliveries}`,
      from,
      type: 'message',
      content,
      timestamp: at,
      serverTimestamp: at,
    } as const;
  }
}

/** Changes one bit, but none of the registration id of a first message, the only field that nothing authenticates. */
function changed(content: string, bit: number): string {
  const bytes = fromBase64(content);
  const isFirst = bytes.length > 1650 && bytes[15] === 5 && bytes[48] === 5;
  const index = isFirst ? 3 + (bit % ((bytes.length - 3) * 8)) / 8 : (bit % (bytes.length * 8)) / 8;
  const position = Math.floor(index);
  bytes[position] = (bytes[position] ?? 0) ^ (1 << (bit % 8));
  return toBase64(bytes);
}
