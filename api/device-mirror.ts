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

/** Opens the inbox of a device of a user. Where the mirror lacks the device, it is written again, and the inbox opened then. */
export async function withMirror<T>(
  deps: MirrorDeps,
  userId: string,
  open: () => Promise<T | undefined>,
): Promise<T | undefined> {
  const opened = await open();
  if (opened !== undefined) return opened;
  await refreshDevices(deps, userId);
  return await open();
}
