/** `POST /messages/ack`, `DELETE /messages/{messageId}` and `message:ack`: removes messages from the inbox of the calling device. */
import type { messageOperations } from '../../contract/messages.ts';
import type { AnswerOf } from '../../contract/operation.ts';
import type { socketOperations } from '../../contract/socket-events.ts';
import { Failure } from '../../domain/failures.ts';
import { type DeviceAddress, isMessageId } from '../../domain/message.ts';
import type { ApiDeps } from '../deps.ts';
import { acknowledgeInbox } from '../inbox.ts';
import type { HandlerInput } from '../serve.ts';

type Ops = typeof messageOperations;
type EventOp = (typeof socketOperations)['message:ack'];

/** The dependencies of acknowledgements. */
export type AcknowledgeDeps = Pick<ApiDeps, 'inboxes' | 'archive' | 'events'>;

/** Removes messages; ids that the inbox does not have are ignored. */
export async function acknowledgeMessages(
  deps: AcknowledgeDeps,
  { holder, body: { messageIds } }: HandlerInput<Ops['acknowledgeMessages']>,
): Promise<AnswerOf<Ops['acknowledgeMessages']>> {
  await removeMessages(deps, holder, messageIds);
  return { status: 204 };
}

/** As `acknowledgeMessages`, as an event of a socket. */
export async function acknowledgeMessagesEvent(
  deps: AcknowledgeDeps,
  { holder, body: { messageIds } }: HandlerInput<EventOp>,
): Promise<AnswerOf<EventOp>> {
  await removeMessages(deps, holder, messageIds);
  return { status: 200, body: {} };
}

/** Removes a message. @throws {Failure} not-found: the inbox of the calling device does not have it */
export async function acknowledgeMessage(
  deps: AcknowledgeDeps,
  { holder, params: { messageId } }: HandlerInput<Ops['acknowledgeMessage']>,
): Promise<AnswerOf<Ops['acknowledgeMessage']>> {
  const removed = isMessageId(messageId) ? await removeMessages(deps, holder, [messageId]) : 0;
  if (removed === 0) throw new Failure('not-found');
  return { status: 204 };
}

/**
 * Removes messages from the inbox of a device, and returns how many it had. Safe to repeat.
 */
export async function removeMessages(
  deps: AcknowledgeDeps,
  { userId, deviceId }: DeviceAddress,
  messageIds: readonly string[],
): Promise<number> {
  const removed = await acknowledgeInbox(deps, { userId, deviceId }, messageIds);
  deps.events.messagesAcknowledged(removed);
  return removed;
}
