/**
 * `PUT /messages/{userId}` and `message:send`: a message to every device of a user.
 *
 * 1. What is wrong with the request itself is refused before anything is read or counted.
 * 2. The limit of the sending device and the side of the sender, in one step: nobody writes to a user whom he or she has blocked.
 * 3. The script of the recipient stores and publishes the message, or refuses it, in one step. What its caches lack is
 *    read from MongoDB once: devices, and the side of the recipient.
 * 4. Who has written has accepted; that a stranger has written is recorded for the recipient. Devices that are not
 *    connected are woken up, without waiting for that.
 *
 * The steps, what they read and the answer are the same for a sender whom the recipient has blocked.
 */
import type { Send, SendResult } from '../../adapters/redis/inbox-sends.ts';
import type { MessageSend, messageOperations, SentMessage } from '../../contract/messages.ts';
import type { AnswerOf } from '../../contract/operation.ts';
import type { socketOperations } from '../../contract/socket-events.ts';
import { isUserId } from '../../domain/account.ts';
import { Failure } from '../../domain/failures.ts';
import { type ConversationCode, contentBytesMax, type DeviceAddress } from '../../domain/message.ts';
import { sha256 } from '../../platform/crypto.ts';
import type { DeviceSession } from '../authenticate.ts';
import { acceptSide, type ConversationChangeDeps, fillSide, readCode } from '../conversation-sides.ts';
import type { ApiDeps, Caller } from '../deps.ts';
import { refreshDevices } from '../device-mirror.ts';
import { limited } from '../limits/counting.ts';
import { malformed } from '../parse.ts';
import { failureOf } from '../problems.ts';
import type { HandlerInput } from '../serve.ts';
import { type WakeUpDeps, wakeUp } from '../wake-up.ts';

type RestOp = typeof messageOperations.sendMessage;
type EventOp = (typeof socketOperations)['message:send'];

/** The dependencies of a send. */
export type SendDeps = ConversationChangeDeps & WakeUpDeps & Pick<ApiDeps, 'inboxes' | 'node' | 'config' | 'events'>;

/** A message that a device sends to a user. */
interface Sending {
  holder: DeviceSession;
  /** The recipient. */
  userId: string;
  body: MessageSend;
  caller: Pick<Caller, 'noteLimit'>;
}

/** Sends a message, as the body of a request. @throws {Failure} as `sendTo` */
export async function sendMessage(
  deps: SendDeps,
  { holder, params: { userId }, body, caller }: HandlerInput<RestOp>,
): Promise<AnswerOf<RestOp>> {
  return { status: 200, body: await sendTo(deps, { holder, userId, body, caller }) };
}

/** Sends a message, as an event of a socket. @throws {Failure} as `sendTo` */
export async function sendMessageEvent(
  deps: SendDeps,
  { holder, body: { userId, ...body }, caller }: HandlerInput<EventOp>,
): Promise<AnswerOf<EventOp>> {
  return { status: 200, body: await sendTo(deps, { holder, userId, body, caller }) };
}

/**
 * Sends a message to every device of a user. Safe to repeat with the same `clientMessageId` and messages: nothing is stored
 * again, and the answer is the first one with `duplicate`.
 *
 * @throws {Failure} message-too-large, malformed, not-found, rate-limited, conversation-blocked, conversation-not-accepted,
 *   devices-stale, devices-mismatched, client-message-id-reused
 */
async function sendTo(deps: SendDeps, sending: Sending): Promise<SentMessage> {
  try {
    return await send(deps, sending);
  } catch (err) {
    const { code, context } = failureOf(err) ?? {};
    const limit = context?.fields?.limit as string | undefined;
    if (code !== undefined) deps.events.messageRefused(sending.holder, { code, limit });
    if (limit === 'inbox') deps.events.inboxFull(sending);
    throw err;
  }
}

async function send(deps: SendDeps, sending: Sending): Promise<SentMessage> {
  const { holder, userId, body } = sending;
  requireContents(body);
  requireTypes(sending);
  if (!isUserId(userId)) throw new Failure('not-found');
  const own = await ownSide(deps, sending);
  const sent = await store(deps, sending);
  deps.node.deliverLocal(sent.local);
  await record(deps, sending, sent);
  if (own.accepts) await acceptSide(deps, { userId: holder.userId, peerId: userId });
  const { messageId, serverTimestamp, outcome } = sent;
  return {
    messages: body.messages.map(({ deviceId }) => ({ deviceId, messageId })),
    serverTimestamp: new Date(serverTimestamp).toISOString(),
    needsSync: own.needsSync,
    ...(outcome === 'duplicate' && { duplicate: true }),
  };
}

/** Records a send that was taken, wakes devices up, and stores that a stranger has written. */
async function record(deps: SendDeps, { holder, userId, body }: Sending, sent: Stored): Promise<void> {
  const outcome = sent.outcome === 'stored' && body.online === true ? 'online' : sent.outcome;
  deps.events.messageSent({ type: body.messages[0]?.type ?? 'sync', outcome });
  if (sent.outcome === 'duplicate') return;
  for (const deviceId of sent.wake) void wake(deps, { userId, deviceId });
  if (!sent.began) return;
  // the message is stored: a repeat would not come here again, and the cache has it for a day
  await deps.conversations.begin(userId, holder.userId).catch(deps.events.dependencyFailed);
}

/** @throws {Failure} message-too-large, before anything is stored */
function requireContents({ messages }: MessageSend): void {
  const index = messages.findIndex(({ content }) => bytesIn(content) > contentBytesMax);
  if (index === -1) return;
  const details = [{ path: `messages.${index}.content`, message: `must be at most ${contentBytesMax} bytes` }];
  throw new Failure('message-too-large', { details });
}

/** The number of bytes of padded base64. */
function bytesIn(content: string): number {
  const padding = content.endsWith('==') ? 2 : content.endsWith('=') ? 1 : 0;
  return (content.length / 4) * 3 - padding;
}

/** To one's own devices go copies and retries, and copies go nowhere else. @throws {Failure} malformed */
function requireTypes({ holder, userId, body: { messages } }: Sending): void {
  const isOwn = userId === holder.userId;
  const index = messages.findIndex(({ type }) => (isOwn ? type !== 'sync' && type !== 'retry' : type === 'sync'));
  if (index === -1) return;
  throw malformed(`messages.${index}.type`, isOwn ? 'must be sync or retry to your own devices' : 'must not be sync');
}

/** What the sender decided before, and whether it has devices that should get a copy. */
interface OwnSide {
  /** The message accepts the recipient. */
  accepts: boolean;
  needsSync: boolean;
}

/**
 * Counts the message by the device that sends it, over REST and sockets together, and returns the sender's side. When Redis
 * is unavailable, messages are refused.
 *
 * @throws {Failure} rate-limited, conversation-blocked
 */
async function ownSide(deps: SendDeps, { holder, userId: peerId, caller }: Sending): Promise<OwnSide> {
  const { userId } = holder;
  const known = await deps.inboxes.beginSend(holder, peerId, deps.config.LIMIT_MESSAGES_PER_DEVICE);
  const limit = 'messages-per-device';
  caller.noteLimit?.({ ...known.limit, limit });
  if (!known.limit.allowed) throw limited(limit, known.limit.resetSeconds);
  if (userId === peerId) return { accepts: false, needsSync: false };
  const devices = known.devices ?? (await refreshDevices(deps, userId));
  const code = known.conversation ?? (await fillSide(deps, { userId, peerId }));
  if (code.startsWith('b')) throw new Failure('conversation-blocked');
  return { accepts: code !== 'a', needsSync: devices > 1 };
}

type Stored = Extract<SendResult, { outcome: 'stored' | 'duplicate' }>;

/**
 * Runs the script of the recipient, again with what it lacks: each of its caches is read from MongoDB once. Refusals because
 * of devices are decided by the devices that MongoDB has.
 *
 * @throws {Failure} as `sendTo`
 */
async function store(deps: SendDeps, sending: Sending): Promise<Stored> {
  const { holder, userId } = sending;
  const message = sendOf(deps, sending);
  let isRefreshed = false;
  let conversation: ConversationCode | undefined;
  for (;;) {
    const result = await deps.inboxes.send({ ...message, conversation });
    switch (result.outcome) {
      case 'stored':
      case 'duplicate':
        return result;
      case 'conversation-unknown':
        conversation = await readCode(deps, { userId, peerId: holder.userId });
        break;
      case 'devices-unknown':
      case 'stale':
      case 'mismatched':
        if (isRefreshed) throw refusalOf(result);
        await requireDevices(deps, userId);
        isRefreshed = true;
        break;
      case 'limited':
        throw limitedBy(sending, { ...result, ...message.limits });
      default:
        throw refusalOf(result);
    }
  }
}

/** A limit of the script that was reached, with its windows. */
type ReachedLimit = Extract<SendResult, { outcome: 'limited' }> & Send['limits'];

/** Tells the caller the state of a limit of the script, and returns the failure. */
function limitedBy(
  { caller }: Sending,
  { limit, retryAfterSeconds: resetSeconds, pair, recipient }: ReachedLimit,
): Failure {
  const { max } = limit === 'messages-per-pair' ? pair : recipient;
  if (resetSeconds !== undefined) caller.noteLimit?.({ limit, allowed: false, max, remaining: 0, resetSeconds });
  return limited(limit, resetSeconds);
}

/** Reads the devices of a user again. An unknown user and one without devices are the same. @throws {Failure} not-found */
async function requireDevices(deps: SendDeps, userId: string): Promise<void> {
  if ((await refreshDevices(deps, userId)) === 0) throw new Failure('not-found');
}

function sendOf({ config, node }: SendDeps, { holder: { userId, deviceId }, userId: to, body }: Sending): Send {
  const { clientMessageId, messages, timestamp, urgent: isUrgent = true, online: isOnline = false } = body;
  return {
    to,
    from: { userId, deviceId },
    clientMessageId,
    bodyHash: hashOf(messages),
    messages,
    timestamp: Date.parse(timestamp),
    isUrgent,
    isOnline,
    limits: { pair: config.LIMIT_MESSAGES_PER_PAIR, recipient: config.LIMIT_MESSAGES_PER_RECIPIENT },
    nodeId: node.nodeId,
  };
}

function refusalOf(result: Exclude<SendResult, Stored | { outcome: 'limited' }>): Failure {
  switch (result.outcome) {
    case 'clash':
      return new Failure('client-message-id-reused');
    case 'stale':
      return new Failure('devices-stale', { fields: { staleDevices: result.staleDevices } });
    case 'mismatched': {
      const { missingDevices, extraDevices } = result;
      return new Failure('devices-mismatched', { fields: { missingDevices, extraDevices } });
    }
    case 'not-accepted':
      return new Failure('conversation-not-accepted');
    default:
      // the devices that were just written are gone again
      return new Failure('unavailable');
  }
}

/** What a repeat must have in common with the first send: its copies, in any order. */
function hashOf(messages: MessageSend['messages']): string {
  const copies = messages
    .map(({ deviceId, registrationId, type, content }) => [deviceId, registrationId, type, content])
    .sort(([one = ''], [other = '']) => (one < other ? -1 : 1));
  return sha256(JSON.stringify(copies)).toString('base64url').slice(0, 22);
}

/** Asks the push provider of a device to wake it up; if that fails, the next message asks again. Never rejects. */
async function wake(deps: SendDeps, device: DeviceAddress): Promise<void> {
  if (await wakeUp(deps, { ...device, reason: 'message' })) return;
  await deps.inboxes.clearWake(device).catch(() => undefined);
}
