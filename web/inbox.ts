/**
 * What the page does with messages and events, whichever screen is open: it keeps them in the history and reports them as
 * delivered.
 */
import { VyryError } from '../client/errors.ts';
import type { Message } from '../client/message.ts';
import type { Vyry } from '../client/vyry.ts';
import { nameIn, textContentFrom } from './content.ts';
import { deleteHistory, type History, openHistory } from './history.ts';
import { isIdentityAnnounced } from './timeline.ts';
import { openVyry, readAccount } from './vyry.ts';

/** Entries in which the announcement of a new identity key is looked for. */
const recentEntries = 50;

/** The messages of this device. */
export interface Inbox {
  vyry: Vyry;
  userId: string;
  history: History;
  /** Keeps a text in the history, then gives it to the client. A refusal is shown beside the message. */
  send(userId: string, text: string): Promise<void>;
  /** Sends a message again that the server has refused. */
  sendAgain(id: string, userId: string, text: string): Promise<void>;
  close(): void;
}

let opened: { userId: string; inbox: Promise<Inbox> } | undefined;

/** Opens the inbox of the account, connects, and keeps what arrives. Returns undefined if this is no device of an account. */
export async function openInbox(): Promise<Inbox | undefined> {
  const { userId, deviceId, isSignedIn } = await readAccount();
  const isDevice = isSignedIn && userId !== undefined && deviceId !== undefined;
  if (opened !== undefined && opened.userId !== (isDevice ? userId : undefined)) {
    const { inbox } = opened;
    opened = undefined;
    (await inbox).close();
  }
  if (!isDevice) return undefined;
  opened ??= { userId, inbox: createInbox(userId) };
  return await opened.inbox;
}

/** Closes the inbox of an account, and deletes its messages in this browser. */
export async function eraseInbox(userId: string): Promise<void> {
  const inbox = opened?.userId === userId ? opened.inbox : undefined;
  opened = undefined;
  (await inbox)?.close();
  await deleteHistory(userId);
}

async function createInbox(userId: string): Promise<Inbox> {
  const vyry = await openVyry();
  const history = await openHistory(userId);
  // what the user of this page calls itself travels inside the encrypted messages: the server gives nobody a name
  const name = vyry.profile.read().then(
    ({ fullName }) => fullName ?? '',
    () => '',
  );
  const deliver = async (id: string, to: string, text: string) => {
    try {
      await vyry.send(to, textContentFrom(await name, text), { clientMessageId: id });
    } catch (err) {
      await history.recordRefused(id, err instanceof VyryError ? err.code : 'INTERNAL_ERROR');
    }
  };
  const inbox: Inbox = {
    vyry,
    userId,
    history,
    async send(to, text) {
      const id = crypto.randomUUID();
      await history.add({ id, kind: 'own', userId: to, at: Date.now(), text, state: 'queued', messageIds: [] });
      await deliver(id, to, text);
    },
    async sendAgain(id, to, text) {
      await history.recordRefused(id, undefined);
      await deliver(id, to, text);
    },
    close: () => {},
  };
  const endings = listen(vyry, history);
  inbox.close = () => {
    for (const end of endings) end();
    history.close();
  };
  vyry.connect();
  void keepMessages(vyry, history);
  // the page may have closed between the history and the client
  for (const { id, userId: to, text } of await history.queued()) void deliver(id, to, text);
  return inbox;
}

/** A message leaves the store of the client when the loop asks for the next one: it is kept here before. */
async function keepMessages(vyry: Vyry, history: History): Promise<void> {
  for await (const message of vyry.messages()) {
    await keep(history, message);
    if (!message.isOwn) await vyry.sendReceipt(message.userId, [message.messageId], 'delivered').catch(leaveOut);
  }
}

async function keep(history: History, message: Message): Promise<void> {
  const { messageId: id, userId, isOwn, text = '' } = message;
  const entry = { id, userId, at: Date.parse(message.serverTimestamp), text };
  if (isOwn) await history.add({ ...entry, kind: 'own', state: 'sent', messageIds: [id] });
  else await history.add({ ...entry, kind: 'received', isRead: false }, { name: nameIn(message) });
}

/** Leaves out what a screen can do without, such as a receipt without a connection. */
export function leaveOut(err: unknown): undefined {
  if (!(err instanceof VyryError)) throw err;
  return undefined;
}

function listen(vyry: Vyry, history: History): (() => void)[] {
  const record = (work: Promise<void>) => void work.catch((err: unknown) => console.error(err));
  return [
    vyry.on('sent', ({ clientMessageId, messageId }) => record(history.recordSent(clientMessageId, [messageId]))),
    vyry.on('refused', ({ clientMessageId, error }) => {
      // the answer of an earlier attempt was lost with the page: the server has the message
      const isStored = error.code === 'CONFLICT';
      record(isStored ? history.recordSent(clientMessageId, []) : history.recordRefused(clientMessageId, error.code));
    }),
    vyry.on('receipt', ({ messageIds, kind }) => record(history.recordReceipt(messageIds, kind))),
    vyry.on('gap', ({ from, to, count, reason }) =>
      record(
        history.add({
          id: `gap-${from}-${to}`,
          kind: 'gap',
          userId: '',
          at: Date.parse(to),
          from: Date.parse(from),
          to: Date.parse(to),
          count,
          reason,
        }),
      ),
    ),
    vyry.on('undecryptable', ({ messageId, from, willRetry }) =>
      record(history.add({ id: messageId, kind: 'undecryptable', userId: from.userId, at: Date.now(), willRetry })),
    ),
    vyry.on('identity-announced', ({ userId, reason, at }) =>
      record(history.add({ id: `identity-${userId}-${at}`, kind: 'identity', userId, at: Date.parse(at), reason })),
    ),
    vyry.on('identity-changed', ({ userId }) => record(noteIdentity(history, userId))),
  ];
}

/** A device that was not connected learns of a new key from a message, and not why there is one. */
async function noteIdentity(history: History, userId: string): Promise<void> {
  if (isIdentityAnnounced(await history.timeline(userId, recentEntries))) return;
  await history.add({ id: crypto.randomUUID(), kind: 'identity', userId, at: Date.now(), reason: 'unknown' });
}
