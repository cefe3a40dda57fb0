/**
 * `GET /messages`: the inbox of the calling device, oldest first, from the archive and from Redis. A device that reads
 * counts as one that connects: it gets messages again if it was suspended, and the next message wakes it up.
 */
import type { messageOperations } from '../../contract/messages.ts';
import type { AnswerOf } from '../../contract/operation.ts';
import { Failure } from '../../domain/failures.ts';
import type { DeviceAddress } from '../../domain/message.ts';
import type { ApiDeps } from '../deps.ts';
import { withMirror } from '../device-mirror.ts';
import { firstWithin, readInbox, withoutLost } from '../inbox.ts';
import type { HandlerInput } from '../serve.ts';
import { gapView, messageView } from './views.ts';

type Op = typeof messageOperations.readMessages;
/** The dependencies of reading. */
type Deps = Pick<ApiDeps, 'inboxes' | 'archive' | 'devices' | 'events'>;

/** Contents of a page, in bytes of base64, unless one message has more. */
const pageBytesMax = 1024 * 1024;

/**
 * Returns a page of the inbox. The first page has the gap, if messages were lost since the device was told the last time.
 *
 * @throws {Failure} device-missing
 */
export async function readMessages(
  deps: Deps,
  { holder: { userId, deviceId }, query: { cursor, limit } }: HandlerInput<Op>,
): Promise<AnswerOf<Op>> {
  const device = { userId, deviceId };
  const { gap } = await withoutLost(deps, device, await resume(deps, device));
  // twice the page, so that a read that ends early has more than a page
  const messages = await readInbox(deps, device, { after: cursor, count: limit + 1, bytes: 2 * pageBytesMax });
  const items = firstWithin(messages, { count: limit, bytes: pageBytesMax });
  const nextCursor = items.length < messages.length ? (items.at(-1)?.messageId ?? null) : null;
  deps.events.inboxRead(items.length, 'rest');
  const told = cursor === undefined ? gap : undefined;
  if (told !== undefined) {
    await deps.inboxes.clearGap(device, told);
    deps.events.gapTold(device, told);
  }
  return { status: 200, body: { items: items.map(messageView), nextCursor, ...(told && { gap: gapView(told) }) } };
}

/** Opens the inbox of a device. @throws {Failure} device-missing: it was removed */
async function resume(deps: Deps, device: DeviceAddress) {
  const opened = await withMirror(deps, device.userId, () => deps.inboxes.resume(device));
  if (opened === undefined) throw new Failure('device-missing');
  return opened;
}
