/** The limit of messages by the device that sends them; the script of a send counts pairs and recipients. */
import { messageLimit } from '../../domain/limits.ts';
import type { DeviceAddress } from '../../domain/message.ts';
import type { ApiDeps } from '../deps.ts';
import { type Limited, limited } from '../limits.ts';

/**
 * Counts a message by the device that sends it, over REST and sockets together. Fails closed.
 *
 * @throws {Failure} rate-limited
 */
export async function limitMessage(
  deps: Pick<ApiDeps, 'messageLeases'>,
  { noteLimit }: Limited,
  { userId, deviceId }: DeviceAddress,
): Promise<void> {
  const state = await deps.messageLeases.consume(`${userId} ${deviceId}`);
  noteLimit?.({ ...state, limit: messageLimit });
  if (!state.allowed) throw limited(messageLimit, state.resetSeconds);
}
