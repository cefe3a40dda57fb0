/**
 * When devices were last active: `device-activity:{userId}` HASH, device id → milliseconds since the Unix epoch. It is
 * written where the activity of a session is, so that no request waits for the database.
 *
 * When Redis is unavailable, calls throw.
 */
import type { Redis } from './connect.ts';
import { keys } from './keys.ts';

/** The activity of devices. */
export type DeviceActivity = ReturnType<typeof createDeviceActivity>;

/** Creates the store of the activity of devices. */
export function createDeviceActivity(redis: Redis) {
  return {
    /** Records that a device was active. Safe to repeat. */
    async note(userId: string, deviceId: string, at: number): Promise<void> {
      await redis.hset(keys.deviceActivity({ userId }), deviceId, at);
    },

    /** Returns when each device of a user was last active, by device id. */
    async read(userId: string): Promise<Readonly<Record<string, number>>> {
      const found = await redis.hgetall(keys.deviceActivity({ userId }));
      return Object.fromEntries(Object.entries(found).map(([deviceId, at]) => [deviceId, Number(at)]));
    },

    /** Forgets a device. Safe to repeat. */
    async forget(userId: string, deviceId: string): Promise<void> {
      await redis.hdel(keys.deviceActivity({ userId }), deviceId);
    },
  };
}
