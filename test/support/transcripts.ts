/** Conversations of two devices with repeatable randomness, which fix the bytes of the protocol. */
import { sha256 } from '@noble/hashes/sha2.js';
import { fromBase64, toBase64, utf8 } from '../../client/bytes.ts';
import { createMemoryStore } from '../../client/memory-store.ts';
import type { ClientStore } from '../../client/store.ts';
import type { KeyBundles } from '../../contract/devices.ts';
import { createKeys, repeatable, testStart } from './crypto-devices.ts';
import { createPlainMailbox, type PlainMailbox } from './plain-mailbox.ts';

/** One message of a transcript, in the order of sending. */
interface TranscriptMessage {
  /** 0 or 1 */
  from: number;
  /** Milliseconds since the beginning. */
  at: number;
  text: string;
  /** The message in base64. */
  content: string;
  /** How many messages were sent when it was delivered; absent when it was lost. */
  deliveredAfter?: number;
}

/** A conversation, and what both devices have kept at its end. */
export interface Transcript {
  seed: string;
  oneTimeKeys: number;
  messages: TranscriptMessage[];
  /** SHA-256 of the sessions of both devices, in base64. */
  sessions: [string, string];
}

const hourMs = 3_600_000;

/** Plans a conversation: who sends when, what is late and what is lost follow from the number. */
function planTranscript(number: number): Omit<Transcript, 'messages' | 'sessions'> & { plan: TranscriptMessage[] } {
  const seed = `vyry transcript ${number}`;
  const choose = repeatable(`${seed} plan`);
  const count = 4 + (number % 4);
  // in every fifth conversation more than seven days pass between messages, so that it heals
  const stepMs = number % 5 === 0 ? 200 * hourMs : hourMs;
  const plan = Array.from({ length: count }, (_, index): TranscriptMessage => {
    const [from = 0, late = 0, length = 0] = choose(3);
    const sender = index === 0 ? 0 : from % 2;
    const text = `${index} `.padEnd(1 + (length % 200), 'é');
    const message = { from: sender, at: index * stepMs, text, content: '' };
    return late % 8 === 0 && index > 0 ? message : { ...message, deliveredAfter: index + 1 + (late % 3) };
  });
  return { seed, oneTimeKeys: number % 2, plan };
}

/** Has a conversation, and returns it with its bytes. It throws when a message does not open. */
export async function playTranscript(number: number): Promise<Transcript> {
  const { seed, oneTimeKeys, plan } = planTranscript(number);
  const clock = { now: testStart };
  const sides = [await createSide(seed, 0, { clock, oneTimeKeys }), await createSide(seed, 1, { clock, oneTimeKeys })];
  const messages: TranscriptMessage[] = [];
  for (const [index, planned] of plan.entries()) {
    clock.now = testStart + planned.at;
    const [sender, recipient] = [sides[planned.from], sides[1 - planned.from]];
    if (!sender || !recipient) throw new Error('there are two sides');
    messages.push({ ...planned, content: await sendFrom(sender, recipient, { id: `m-${index}`, text: planned.text }) });
    await deliverDue(sides, messages, index + 1);
  }
  for (const after of [1, 2]) await deliverDue(sides, messages, plan.length + after);
  const hashes = await Promise.all(sides.map(({ store }) => sessionsHash(store)));
  return { seed, oneTimeKeys, messages, sessions: [hashes[0] ?? '', hashes[1] ?? ''] };
}

interface Side {
  userId: string;
  store: ClientStore;
  mailbox: PlainMailbox;
  bundles: KeyBundles;
}

async function createSide(
  seed: string,
  index: number,
  { clock, oneTimeKeys }: { clock: { now: number }; oneTimeKeys: number },
): Promise<Side> {
  const userId = index === 0 ? 'alice' : 'bob';
  const random = repeatable(`${seed} ${userId}`);
  const { state, bundles } = createKeys({ userId, oneTimeKeys, random });
  const store = createMemoryStore();
  await store.transaction((empty) => {
    Object.assign(empty, state);
  });
  const [first] = bundles;
  if (first === undefined) throw new Error('there is a bundle');
  return { userId, store, mailbox: createPlainMailbox(store, { now: () => clock.now, random }), bundles: first };
}

async function sendFrom(sender: Side, recipient: Side, { id, text }: { id: string; text: string }): Promise<string> {
  const message = {
    clientMessageId: id,
    userId: recipient.userId,
    deviceIds: ['1'],
    plain: utf8(text),
    bundles: recipient.bundles,
  };
  await sender.mailbox.queue(message);
  const [outgoing] = await sender.mailbox.outbox();
  await sender.mailbox.confirm(id);
  return outgoing?.messages[0]?.content ?? '';
}

async function deliverDue(sides: Side[], messages: TranscriptMessage[], count: number): Promise<void> {
  for (const [index, { from, deliveredAfter, content, text, at }] of messages.entries()) {
    if (deliveredAfter !== count) continue;
    const timestamp = new Date(testStart + at).toISOString();
    const [sender, recipient] = [sides[from], sides[1 - from]];
    const result = await recipient?.mailbox.receive({
      messageId: `m-${index}`,
      from: { userId: sender?.userId ?? '', deviceId: '1' },
      type: 'message',
      content,
      timestamp,
      serverTimestamp: timestamp,
    });
    const received = (await recipient?.mailbox.received())?.find(({ messageId }) => messageId === `m-${index}`);
    if (result?.kind !== 'message' || received?.plain !== toBase64(utf8(text)))
      throw new Error(`message ${index} does not open`);
  }
}

async function sessionsHash(store: ClientStore): Promise<string> {
  const sessions = await store.transaction((state) => Object.values(state.sessions));
  return toBase64(sha256(fromBase64(sessions[0] ?? '')));
}
