/**
 * Two devices that send to each other, where processes end at any await. It uses nothing of Node: it runs in a browser on
 * its store as well.
 */
import { fromBase64, utf8 } from '../../client/bytes.ts';
import type { ClientStore, OutgoingMessage } from '../../client/store.ts';
import { createPlainMailbox, type PlainMailbox } from './plain-mailbox.ts';

/** When the devices have their keys from. */
const startedAt = Date.UTC(2026, 0, 1);
/** Messages that a run queues if an earlier one was killed before. */
const queuedMax = 3;

/** What the server has of messages, what it was told is stored, and what the application has kept. */
export type Shelf = 'wire' | 'acknowledged' | 'application';

/** What outlives the processes: the server, and the application's own storage. */
export interface Outside {
  /** Returns the names of texts in their order. */
  list(shelf: Shelf): Promise<string[]>;
  read(shelf: Shelf, name: string): Promise<string>;
  /** Writes all of a text or nothing. */
  write(shelf: Shelf, name: string, text: string): Promise<void>;
}

/** Lets both devices send what they have not sent of a number of messages, and receive. */
export async function converse(
  stores: { alice: ClientStore; bob: ClientStore },
  outside: Outside,
  messages: number,
): Promise<void> {
  const [alice, bob] = [stores.alice, stores.bob].map((store) => createPlainMailbox(store, { now: () => startedAt }));
  if (alice === undefined || bob === undefined) throw new Error('there are two devices');
  await send({ userId: 'alice', mailbox: alice, to: 'bob' }, outside, messages);
  await receive('alice', bob, outside);
  await send({ userId: 'bob', mailbox: bob, to: 'alice' }, outside, messages);
  await receive('bob', alice, outside);
}

/** Queues what the application has not sent, and sends the outbox. */
async function send(
  { userId, mailbox, to }: { userId: string; mailbox: PlainMailbox; to: string },
  outside: Outside,
  messages: number,
): Promise<void> {
  const sent = await outside.list('wire');
  for (let number = Math.max(0, messages - queuedMax); number < messages; number += 1) {
    const clientMessageId = `${userId}-${String(number).padStart(4, '0')}`;
    if (sent.includes(clientMessageId)) continue;
    await mailbox.queue({ clientMessageId, userId: to, deviceIds: ['1'], plain: utf8(clientMessageId) });
  }
  for (const outgoing of await mailbox.outbox()) {
    await transmit(outgoing, outside);
    await mailbox.confirm(outgoing.clientMessageId);
  }
}

/** The server keeps a message once, and refuses another one under the same id. */
async function transmit({ clientMessageId, messages: [message] }: OutgoingMessage, outside: Outside): Promise<void> {
  const content = message?.content ?? '';
  const sent = await outside.list('wire');
  if (!sent.includes(clientMessageId)) return await outside.write('wire', clientMessageId, content);
  if ((await outside.read('wire', clientMessageId)) !== content)
    throw new Error(`${clientMessageId} was encrypted twice`);
}

/** Receives, acknowledges, and gives the text to the application. */
async function receive(from: string, mailbox: PlainMailbox, outside: Outside): Promise<void> {
  const acknowledged = await outside.list('acknowledged');
  const sent = await outside.list('wire');
  for (const messageId of sent.filter((name) => name.startsWith(`${from}-`) && !acknowledged.includes(name))) {
    const content = await outside.read('wire', messageId);
    const at = new Date(startedAt).toISOString();
    const arriving = { messageId, from: { userId: from, deviceId: '1' }, type: 'message', content } as const;
    const result = await mailbox.receive({ ...arriving, timestamp: at, serverTimestamp: at });
    if (result.kind === 'undecryptable') throw new Error(`${messageId} does not open`);
    await outside.write('acknowledged', messageId, '');
  }
  const received = await mailbox.received();
  if (new Set(received.map(({ plain }) => plain)).size < received.length) throw new Error('a message was kept twice');
  for (const { messageId, plain } of received) {
    await outside.write('application', messageId, new TextDecoder().decode(fromBase64(plain)));
    await mailbox.take(messageId);
  }
}
