/** Sending and receiving, wired: the connection, the outbox, the inbox, and what the client does by itself. */
import { randomBytes } from '@noble/hashes/utils.js';
import type { ReceivedMessage } from '../contract/messages.ts';
import { toBase64Url } from './bytes.ts';
import { type Connection, createConnection, type VyrySocket } from './connection.ts';
import type { ConversationSides } from './conversations.ts';
import type { ClientDeps } from './deps.ts';
import { encodeContent, encodeCopy, encodeReceipt, encodeRotation } from './envelope.ts';
import { hasCode, VyryError } from './errors.ts';
import type { SentMessage } from './events.ts';
import { createInbox, type Inbox } from './inbox.ts';
import { type Incoming, keepIncoming } from './incoming.ts';
import { maintainKeys } from './key-maintenance.ts';
import { createMailbox, type Mailbox, type NewMessage } from './mailbox.ts';
import { textContent } from './message.ts';
import { createOutbox, type Outbox } from './outbox.ts';
import { settleRotation } from './rotation.ts';
import type { StatusSource } from './status.ts';
import type { ClientState, DeviceAddress, RotatedKeys } from './store.ts';

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
/** Between two checks of the keys of a client that stays connected. */
const upkeepMs = 12 * 3_600_000;
/** When it is looked again whether the server has a new identity key whose keys this device was given. */
const settleMs = [1000, 5000, 30_000, 300_000];

/** What messaging needs. */
export interface MessagingDeps extends ClientDeps {
  status: StatusSource;
  conversations: ConversationSides;
}

/** The messages of a client. */
export interface Messaging extends Pick<Inbox, 'messages'>, Pick<Connection, 'start' | 'stop'> {
  send(userId: string, content: Uint8Array | string, options?: SendOptions): Promise<QueuedMessage>;
  sendReceipt(userId: string, messageIds: readonly string[], kind: 'delivered' | 'read'): Promise<void>;
  setTyping(userId: string, active: boolean): void;
  subscribePresence(userIds: readonly string[]): Promise<void>;
  /** Gives other devices of the account their keys, and resolves once the server has them. */
  sendKeys(keys: readonly RotatedKeys[]): Promise<void>;
  /** Sends what was held because of the identity key of a person. */
  release(userId: string): void;
  /** Asks for what could not be decrypted, as far as its senders are accepted. */
  askAgain(): void;
  close(): void;
}

/** Creates the messages of a client. */
export function createMessaging(deps: MessagingDeps): Messaging {
  const { store, events, tasks, calls, conversations, now, closing } = deps;
  const mailbox = createMailbox(store, { now, keep: keepIncoming });
  const upkeep = createUpkeep(deps, (userId) => outbox.release(userId));
  const askAgain = () => tasks.run(() => sendRetries(deps, { mailbox, outbox }));
  const connection: Connection = createConnection({ ...deps, listen: (socket) => listen(socket) });
  const outbox: Outbox = createOutbox({
    ...deps,
    mailbox,
    canSend: () => !connection.isKept || connection.isOpen,
    transmit: (userId, body) =>
      connection.isKept
        ? connection.request('message:send', { ...body, userId })
        : calls.sendMessage({ userId, body }),
  });
  const inbox = createInbox({
    ...deps,
    mailbox,
    settleRotation: upkeep.settleFor,
    follow(received, { from }) {
      if (received.kind === 'rotation') upkeep.settleSoon();
      if (received.kind === 'retry') outbox.flush(from.userId);
      if (received.kind === 'undecryptable' && received.willRetry && deps.status.current.kind === 'connected') askAgain();
    },
  });
  let followed: readonly string[] = [];

  /** The client has everything that waited, and says what it has to say. */
  function caughtUp(): void {
    deps.status.set({ kind: 'connected' });
    upkeep.runIfDue();
    askAgain();
    outbox.flush();
    if (followed.length > 0) tasks.run(() => follow(followed));
  }

  async function follow(userIds: readonly string[]): Promise<void> {
    followed = userIds;
    if (connection.isOpen) await connection.request('presence:subscribe', { userIds: [...userIds] });
  }

  /** What was not kept is not acknowledged: it comes again with the next connection. */
  function take(messages: readonly ReceivedMessage[], acknowledge: () => void): void {
    tasks.run(() =>
      inbox.receive(messages).then(acknowledge, (err) => {
        connection.drop();
        throw err;
      }),
    );
  }

  function listen(socket: VyrySocket): void {
    let received = 0;
    socket.on('connect', () => {
      deps.status.set({ kind: 'catching-up', received });
      tasks.run(async () => {
        // a session without a device has no inbox
        if ((await store.transaction(({ deviceId }) => deviceId)) === undefined) deps.status.set({ kind: 'connected' });
      });
    });
    socket.on('inbox:page', ({ messages }, acknowledge) => {
      received += messages.length;
      deps.status.set({ kind: 'catching-up', received });
      take(messages, acknowledge);
    });
    socket.on('message:new', (message, acknowledge) => take([message], acknowledge));
    // after the messages that arrived before it
    socket.on('inbox:drained', () => tasks.run(() => inbox.receive([]).then(caughtUp)));
    socket.on('keys:low', () => upkeep.run());
    socket.on('session:ended', ({ reason }) => {
      events.emit('session-ended', { reason });
      if (reason === 'replaced') connection.stop({ kind: 'offline', since: now(), reason: 'replaced' });
    });
    tellEvents(socket, deps);
  }

  return {
    start: connection.start,
    stop: connection.stop,
    messages: inbox.messages,
    release: outbox.release,
    askAgain,
    async send(userId, content, options = {}) {
      const bytes = typeof content === 'string' ? textContent(content) : content;
      const queued = await queueContent(store, mailbox, { userId, content: bytes, ...options });
      if (queued.isIdentityChanged) events.emit('identity-changed', { userId, isHeld: false });
      const { clientMessageId, earlier } = queued;
      if (earlier) return { clientMessageId, sent: Promise.resolve(earlier) };
      const sent = outbox.sent(clientMessageId);
      outbox.flush(userId);
      return { clientMessageId, sent };
    },
    async sendReceipt(userId, messageIds, kind) {
      for (let start = 0; start < messageIds.length; start += receiptIdsMax) {
        const plain = encodeReceipt(kind, messageIds.slice(start, start + receiptIdsMax));
        await mailbox.queue({ clientMessageId: newMessageId(), userId, plain, type: 'receipt', urgent: false });
      }
      outbox.flush(userId);
    },
    setTyping(userId, active) {
      tasks.run(async () => {
        if (connection.isOpen) await connection.request('typing:send', { userId, active }).catch(ignoreForbidden);
      });
    },
    subscribePresence: follow,
    async sendKeys(keys) {
      const clientMessageId = newMessageId();
      const { userId = '' } = await store.transaction((state) => state);
      await mailbox.queue({ clientMessageId, userId, plain: encodeRotation(keys), type: 'sync' });
      const sent = outbox.sent(clientMessageId);
      outbox.flush(userId);
      await sent;
    },
    close() {
      connection.stop({ kind: 'offline', since: now(), reason: 'closed' });
      closing.close();
      outbox.close();
      inbox.close();
    },
  };
}

/** Passes on what the server announces. */
function tellEvents(socket: VyrySocket, { events }: Pick<ClientDeps, 'events'>): void {
  socket.on('inbox:gap', (gap) => events.emit('gap', gap));
  socket.on('receipt:new', (receipt) => events.emit('receipt', receipt));
  socket.on('typing:new', (typing) => events.emit('typing', typing));
  socket.on('presence:changed', (presence) => events.emit('presence', presence));
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
  mailbox: Pick<Mailbox, 'queue'>,
  { userId, content, clientMessageId = newMessageId(), urgent, online }: Queued,
) {
  if (content.length > contentBytesMax)
    throw new VyryError('CONTENT_TOO_LARGE', `A content has at most ${contentBytesMax} bytes`);
  const { earlier, isToSelf } = await store.transaction((state) => {
    requireDevice(state);
    const sent = state.sent.find((one) => one.clientMessageId === clientMessageId && one.userId === userId);
    return { earlier: sent && earlierOf(sent), isToSelf: userId === state.userId };
  });
  if (earlier) return { clientMessageId, earlier, isIdentityChanged: false };
  const text: Pick<NewMessage, 'plain' | 'type'> = isToSelf
    ? { plain: encodeCopy({ userId }, content), type: 'sync' }
    : { plain: encodeContent(content), type: 'message' };
  return { clientMessageId, ...(await mailbox.queue({ clientMessageId, userId, ...text, urgent, online })) };
}

function requireDevice({ tokens, deviceId, identity }: ClientState): void {
  if (tokens === undefined) throw new VyryError('SIGNED_OUT', 'This device is not signed in');
  if (deviceId === undefined || identity === undefined)
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
  return [...new Map(retries.map(({ from }) => [`${from.userId}.${from.deviceId}`, from])).values()];
}

/** The upkeep of keys, one at a time. */
function createUpkeep(deps: MessagingDeps, release: (userId: string) => void) {
  const { store, tasks, closing, now } = deps;
  let isRunning = false;
  let lastAt: number | undefined;
  const hasRotation = () => store.transaction(({ rotations }) => rotations !== undefined);
  const settle = async () => {
    const settled = await settleRotation(deps);
    const { userId } = await store.transaction((state) => state);
    if (settled !== undefined && userId !== undefined) release(userId);
    return settled !== undefined;
  };
  const run = () => {
    if (isRunning) return;
    isRunning = true;
    tasks.run(async () => {
      try {
        const { deviceId } = await store.transaction((state) => state);
        if (deviceId === undefined) return;
        lastAt = now();
        await settle();
        await maintainKeys(deps);
      } finally {
        isRunning = false;
      }
    });
  };
  return {
    run,
    runIfDue(): void {
      if (lastAt === undefined || now() - lastAt >= upkeepMs) run();
    },
    /** Takes over a rotation before a message that may have been made with its keys. */
    async settleFor({ type, from }: Pick<ReceivedMessage, 'type' | 'from'>): Promise<void> {
      const { userId, rotations } = await store.transaction((state) => state);
      if (rotations !== undefined && (type === 'prekey' || from.userId === userId)) await settle();
    },
    /** Looks some times whether the server has the new identity key by now. */
    settleSoon(): void {
      tasks.run(async () => {
        for (const ms of settleMs) {
          await closing.delay(ms);
          if (!(await hasRotation())) return;
          if (await settle()) return run();
        }
      });
    },
  };
}
