/** Sending and receiving, wired: the connection, the outbox, the inbox, and what the client does by itself. */
import { randomBytes } from '@noble/hashes/utils.js';
import type { ReceivedMessage } from '../contract/messages.ts';
import { toBase64Url } from './bytes.ts';
import { Connection, type VyrySocket } from './connection.ts';
import type { ConversationSides } from './conversations.ts';
import { addressOf } from './crypto/devices.ts';
import type { ClientDeps } from './deps.ts';
import { encodeContent, encodeCopy, encodeReceipt, encodeRotation } from './envelope.ts';
import { hasCode, VyryError } from './errors.ts';
import type { Emitter, SentMessage } from './events.ts';
import { createInbox, type Inbox } from './inbox.ts';
import { type Incoming, keepIncoming } from './incoming.ts';
import { createMailbox, type Mailbox, type NewMessage, type Received } from './mailbox.ts';
import { type Message, textContent } from './message.ts';
import { Outbox } from './outbox.ts';
import type { ClientStatus, StatusSource } from './status.ts';
import type { ClientState, DeviceAddress, RotatedKeys } from './store.ts';
import { createUpkeep, type Upkeep } from './upkeep.ts';

/** How a message is sent. */
export interface SendOptions {
  /** 1 to 64 visible ASCII characters. A repeat with the same one sends nothing again. Random by default. */
  clientMessageId?: string;
  /** Wakes up devices that are not connected; true by default. */
  urgent?: boolean;
  /** Only for devices that are connected now; the server does not store it. */
  online?: boolean;
}

/** A message that is kept in the outbox, whatever happens to the process or the network. */
export interface QueuedMessage {
  clientMessageId: string;
  /**
   * Resolves when the server has stored the message, and rejects with the error when it refuses it for good or the client
   * is closed before. It needs no handler: the events `sent` and `refused` tell the same.
   */
  sent: Promise<Pick<SentMessage, 'messageId' | 'serverTimestamp'>>;
}

/** Longest content of a message, in bytes: with everything around it, it fits into the 96 KiB of the server. */
export const contentBytesMax = 90_000;
/** Ids in one receipt. */
const receiptIdsMax = 256;

/** What messaging needs. */
export interface MessagingDeps extends ClientDeps {
  status: StatusSource;
  conversations: ConversationSides;
}

/** The messages of a client. */
export class Messaging {
  readonly #deps: MessagingDeps;
  readonly #mailbox: Mailbox<Incoming>;
  readonly #connection: Connection;
  readonly #outbox: Outbox;
  readonly #inbox: Inbox;
  readonly #upkeep: Upkeep;
  /** The users whose presence is followed. */
  #followed: readonly string[] = [];

  constructor(deps: MessagingDeps) {
    this.#deps = deps;
    this.#mailbox = createMailbox(deps.store, { now: deps.now, keep: keepIncoming });
    const connection = new Connection({ ...deps, listen: (socket) => this.#listen(socket) });
    this.#connection = connection;
    this.#outbox = new Outbox({
      ...deps,
      mailbox: this.#mailbox,
      canSend: () => !connection.isKept || connection.isOpen,
      transmit: (userId, body) =>
        connection.isKept
          ? connection.request('message:send', { ...body, userId })
          : deps.calls.sendMessage({ userId, body }),
    });
    this.#upkeep = createUpkeep(deps, (userId) => this.#outbox.release(userId));
    this.#inbox = createInbox({
      ...deps,
      mailbox: this.#mailbox,
      settleRotation: this.#upkeep.settleFor,
      follow: (received, { from }) => this.#follow(received, from),
    });
  }

  /** Keeps a connection. */
  start(): void {
    this.#connection.start();
  }

  /** Ends the connection, and sets the status. */
  stop(status: ClientStatus): void {
    this.#connection.stop(status);
  }

  /** The messages for the application. @throws {VyryError} LOOP_RUNNING */
  messages(): AsyncIterableIterator<Message> {
    return this.#inbox.messages();
  }

  /** Keeps a content in the outbox. @throws {VyryError} CONTENT_TOO_LARGE, SIGNED_OUT, NO_KEYS */
  async send(userId: string, content: Uint8Array | string, options: SendOptions = {}): Promise<QueuedMessage> {
    const bytes = typeof content === 'string' ? textContent(content) : content;
    const queued = await queueContent(this.#deps.store, this.#mailbox, { userId, content: bytes, ...options });
    const { clientMessageId, earlier } = queued;
    if (earlier) return { clientMessageId, sent: Promise.resolve(earlier) };
    const sent = this.#outbox.sent(clientMessageId);
    this.#outbox.flush(userId);
    return { clientMessageId, sent };
  }

  /** Keeps a receipt in the outbox. */
  async sendReceipt(userId: string, messageIds: readonly string[], kind: 'delivered' | 'read'): Promise<void> {
    for (let start = 0; start < messageIds.length; start += receiptIdsMax) {
      const plain = encodeReceipt(kind, messageIds.slice(start, start + receiptIdsMax));
      await this.#mailbox.queue({ clientMessageId: newMessageId(), userId, plain, type: 'receipt', urgent: false });
    }
    this.#outbox.flush(userId);
  }

  /** Tells that the user types, if there is a connection and it is allowed. */
  setTyping(userId: string, active: boolean): void {
    if (!this.#connection.isOpen) return;
    this.#deps.tasks.run(() => this.#connection.request('typing:send', { userId, active }).catch(ignoreForbidden));
  }

  /** Follows users on this connection and on each later one. */
  async subscribePresence(userIds: readonly string[]): Promise<void> {
    this.#followed = userIds;
    if (this.#connection.isOpen) await this.#connection.request('presence:subscribe', { userIds: [...userIds] });
  }

  /** Gives other devices of the account their keys, and resolves once the server has them. */
  async sendKeys(keys: readonly RotatedKeys[]): Promise<void> {
    const clientMessageId = newMessageId();
    const { userId = '' } = await this.#deps.store.transaction((state) => state);
    await this.#mailbox.queue({ clientMessageId, userId, plain: encodeRotation(keys), type: 'sync' });
    const sent = this.#outbox.sent(clientMessageId);
    this.#outbox.flush(userId);
    await sent;
  }

  /** Sends what was held because of the identity key of a person. */
  release(userId: string): void {
    this.#outbox.release(userId);
  }

  /** Asks for what could not be decrypted, as far as its senders are accepted. */
  askAgain(): void {
    this.#deps.tasks.run(() => sendRetries(this.#deps, { mailbox: this.#mailbox, outbox: this.#outbox }));
  }

  /** Ends everything. */
  close(): void {
    this.stop({ kind: 'offline', since: this.#deps.now(), reason: 'closed' });
    this.#deps.closing.close();
    this.#outbox.close();
    this.#inbox.close();
  }

  /** Does what follows from a message. */
  #follow(received: Received<Incoming>, from: DeviceAddress): void {
    if (received.kind === 'rotation') this.#upkeep.settleSoon();
    if (received.kind === 'retry') this.#outbox.flush(from.userId);
    const isCaughtUp = this.#deps.status.current.kind === 'connected';
    if (received.kind === 'undecryptable' && received.willRetry && isCaughtUp) this.askAgain();
  }

  /** The client has everything that waited, and says what it has to say. */
  #caughtUp(): void {
    if (!this.#connection.isOpen) return;
    this.#deps.status.set({ kind: 'connected' });
    this.#upkeep.runIfDue();
    this.askAgain();
    this.#outbox.flushAll();
    if (this.#followed.length > 0) this.#deps.tasks.run(() => this.subscribePresence(this.#followed));
  }

  /** What was not kept is not acknowledged: it comes again with the next connection. */
  #take(messages: readonly ReceivedMessage[], acknowledge: () => void): void {
    this.#deps.tasks.run(() =>
      this.#inbox.receive(messages).then(acknowledge, (err) => {
        this.#connection.drop();
        throw err;
      }),
    );
  }

  #listen(socket: VyrySocket): void {
    const { status, store, tasks, events, now } = this.#deps;
    let received = 0;
    socket.on('connect', () => {
      status.set({ kind: 'catching-up', received });
      tasks.run(async () => {
        // a session without a device has no inbox
        const { tokens } = await store.transaction((state) => state);
        if (tokens?.deviceId === undefined && socket.connected) status.set({ kind: 'connected' });
      });
    });
    socket.on('inbox:page', ({ messages }, acknowledge) => {
      received += messages.length;
      status.set({ kind: 'catching-up', received });
      this.#take(messages, acknowledge);
    });
    socket.on('message:new', (message, acknowledge) => this.#take([message], acknowledge));
    // after the messages that arrived before it
    socket.on('inbox:drained', () => tasks.run(() => this.#inbox.receive([]).then(() => this.#caughtUp())));
    socket.on('keys:low', () => this.#upkeep.run());
    socket.on('session:ended', ({ reason }) => {
      events.emit('session-ended', { reason });
      if (reason === 'replaced') this.stop({ kind: 'offline', since: now(), reason: 'replaced' });
    });
    tellEvents(socket, events);
  }
}

/** Passes on what the server announces. */
function tellEvents(socket: VyrySocket, events: Emitter): void {
  socket.on('inbox:gap', (gap) => events.emit('gap', gap));
  socket.on('receipt:new', (receipt) => events.emit('receipt', receipt));
  socket.on('typing:new', (typing) => events.emit('typing', typing));
  socket.on('presence:changed', (presence) => events.emit('presence', presence));
  socket.on('identity:changed', (change) => events.emit('identity-announced', change));
  socket.on('devices:changed', (change) => events.emit('devices-changed', change));
  socket.on('device-link:requested', (link) => events.emit('link-requested', link));
  socket.on('device-link:changed', (link) => events.emit('link-changed', link));
}

/** A content for a person. */
interface Queued extends SendOptions {
  userId: string;
  content: Uint8Array;
}

/**
 * Keeps a content in the outbox, unless it was sent before under its id: then it returns what became of it.
 *
 * @throws {VyryError} CONTENT_TOO_LARGE, SIGNED_OUT, NO_KEYS
 */
async function queueContent(
  store: ClientDeps['store'],
  mailbox: Pick<Mailbox<unknown>, 'queue'>,
  { userId, content, clientMessageId = newMessageId(), urgent, online }: Queued,
) {
  if (content.length > contentBytesMax)
    throw new VyryError('CONTENT_TOO_LARGE', `A content has at most ${contentBytesMax} bytes`);
  const { earlier, isToSelf } = await store.transaction((state) => {
    requireDevice(state);
    const sent = state.sent.find((one) => one.clientMessageId === clientMessageId && one.userId === userId);
    return { earlier: sent && earlierOf(sent), isToSelf: userId === state.userId };
  });
  if (earlier) return { clientMessageId, earlier };
  const text: Pick<NewMessage, 'plain' | 'type'> = isToSelf
    ? { plain: encodeCopy({ userId }, content), type: 'sync' }
    : { plain: encodeContent(content), type: 'message' };
  await mailbox.queue({ clientMessageId, userId, ...text, urgent, online });
  return { clientMessageId };
}

function requireDevice({ tokens, identity }: ClientState): void {
  if (tokens === undefined) throw new VyryError('SIGNED_OUT', 'This device is not signed in');
  if (tokens.deviceId === undefined || identity === undefined)
    throw new VyryError('NO_KEYS', 'This is not a device of an account yet');
}

/** The id of a message begins with the milliseconds at which the server took it. */
function earlierOf({ messageId }: ClientState['sent'][number]): Pick<SentMessage, 'messageId' | 'serverTimestamp'> {
  return { messageId, serverTimestamp: new Date(Number(messageId.split('-', 1)[0])).toISOString() };
}

function newMessageId(): string {
  return toBase64Url(randomBytes(16));
}

/** Who shares nothing with this account is not told. */
function ignoreForbidden(err: unknown): undefined {
  if (hasCode(err, 'FORBIDDEN')) return undefined;
  throw err;
}

/**
 * Asks senders to send again what this device could not decrypt. A request is a message, which would accept a stranger: it
 * waits until the person was accepted.
 */
async function sendRetries(
  { calls, store, conversations }: MessagingDeps,
  { mailbox, outbox }: { mailbox: Mailbox<Incoming>; outbox: Outbox },
): Promise<void> {
  const { userId: ownId } = await store.transaction((state) => state);
  for (const from of devicesIn(await mailbox.retries())) {
    const { userId, deviceId } = from;
    if (userId !== ownId && !(await conversations.isAccepted(userId))) continue;
    const bundles = await calls.takeDeviceKeys({ userId, deviceId }).catch((err) => {
      if (hasCode(err, 'NOT_FOUND')) return { identityKey: '', devices: [] };
      throw err;
    });
    await mailbox.queueRetry(from, bundles);
    outbox.flush(userId);
  }
}

function devicesIn(retries: ClientState['retries']): DeviceAddress[] {
  return [...new Map(retries.map(({ from }) => [addressOf(from), from])).values()];
}
