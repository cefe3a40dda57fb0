/** The mirror of device sets that sends are checked against: what writes it when it is missing or may be old. */
import type { ApiDeps } from './deps.ts';

/** The dependencies of the mirror. */
export type MirrorDeps = Pick<ApiDeps, 'devices' | 'inboxes'>;

/** Writes the devices of a user as MongoDB has them, and returns their number. Safe to repeat. */
export async function refreshDevices({ devices, inboxes }: MirrorDeps, userId: string): Promise<number> {
  const set = await devices.read(userId);
  if (set !== undefined) await inboxes.writeDevices(userId, set);
  return set?.devices.length ?? 0;
}
