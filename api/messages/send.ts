/**
 * `PUT /messages/{userId}` and `message:send`: a message to every device of a user.
 *
 * 1. What is wrong with the request itself is refused before anything is read or counted.
 * 2. The limit of the sending device, then the side of the sender: nobody writes to a user whom he or she has blocked.
 * 3. The script of the recipient stores and publishes the message, or refuses it, in one step. What its caches lack is
 *    read from MongoDB once: devices, and the side of the recipient.
 * 4. Who has written has accepted; that a stranger has written is recorded for the recipient. Devices that are not
 *    connected are woken up, without waiting for that.
 *
 * The steps, what they read and the answer are the same for a sender whom the recipient has blocked.
 */
import type { MessageSend, messageOperations, SentMessage } from '../../contract/messages.ts';
import type { AnswerOf } from '../../contract/operation.ts';
import type { socketOperations } from '../../contract/socket-events.ts';
import { Failure } from '../../domain/failures.ts';
import { contentBytesMax, takenAt } from '../../domain/message.ts';
import { sha256 } from '../../platform/crypto.ts';
import type { DeviceSession } from '../authenticate.ts';
import { changeSide, type ConversationDeps, fillSide } from '../conversation-sides.ts';
import type { ApiDeps, Caller } from '../deps.ts';
import { limitMessage, limited } from '../limits.ts';
import { malformed } from '../parse.ts';
import type { HandlerInput } from '../serve.ts';
import { type WakeUpDeps, wakeUp } from '../wake-up.ts';

type RestOp = typeof messageOperations.sendMessage;
type EventOp = (typeof socketOperations)['message:send'];

/** The dependencies of a send. */
export type SendDeps = ConversationDeps & WakeUpDeps & Pick<ApiDeps, 'inboxes' | 'messageLeases' | 'node' | 'config'>;

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
  const { holder, userId, body, caller } = sending;
  requireContents(body);
  requireTypes(sending);
  if (!isUserId(userId)) throw new Failure('not-found');
  await limitMessage(deps, caller, holder);
  const own = await ownSide(deps, sending);
  const sent = await store(deps, sending);
  if (own.accepts) {
    const side = { userId: holder.userId, peerId: userId };
    await changeSide(deps, side, () => deps.conversations.accept(side.userId, side.peerId));
  }
  if (sent.began) await deps.conversations.begin(userId, holder.userId);
  deps.node.deliverLocal(sent.local);
  for (const deviceId of sent.wake) void wake(deps, { userId, deviceId });
  const { messageId, outcome } = sent;
  return {
    messages: body.messages.map(({ deviceId }) => ({ deviceId, messageId })),
    serverTimestamp: new Date(takenAt(messageId)).toISOString(),
    needsSync: own.needsSync,
    ...(outcome === 'duplicate' && { duplicate: true }),
  };
}
