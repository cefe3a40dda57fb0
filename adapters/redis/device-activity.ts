/**
 * When devices were last active: `device-activity:{userId}` HASH, device id → milliseconds since the Unix epoch. It is
 * written where the activity of a session is, so that no request waits for the database. `warned-<device id>` has the
 * activity of which the user was warned because it was long ago, and when.
 *
 * When Redis is unavailable, calls throw.
 */
import type { Redis } from './connect.ts';
import { keys } from './keys.ts';

/** The activity of devices. */
export type DeviceActivity = ReturnType<typeof createDeviceActivity>;

/** A device that was last active at an instant, in milliseconds since the Unix epoch. */
export interface DeviceWarning {
  userId: string;
  deviceId: string;
  activeAt: number;
}

const warned = 'warned-';

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
      const times = Object.entries(found).filter(([field]) => !field.startsWith(warned));
      return Object.fromEntries(times.map(([deviceId, at]) => [deviceId, Number(at)]));
    },

    /** Records that a user was warned of a device that was last active then. Safe to repeat. */
    async noteWarning({ userId, deviceId, activeAt }: DeviceWarning, at: number): Promise<void> {
      await redis.hset(keys.deviceActivity({ userId }), `${warned}${deviceId}`, `${activeAt}:${at}`);
    },

    /** Returns of which activity a user was warned last and when, by device id. */
    async readWarnings(userId: string): Promise<Readonly<Record<string, { activeAt: number; at: number }>>> {
      const found = Object.entries(await redis.hgetall(keys.deviceActivity({ userId })));
      return Object.fromEntries(
        found.flatMap(([field, text]) => {
          if (!field.startsWith(warned)) return [];
          const [activeAt, at] = text.split(':').map(Number);
          return [[field.slice(warned.length), { activeAt: activeAt ?? 0, at: at ?? 0 }]];
        }),
      );
    },

    /** Forgets a device. Safe to repeat. */
    async forget(userId: string, deviceId: string): Promise<void> {
      await redis.hdel(keys.deviceActivity({ userId }), deviceId, `${warned}${deviceId}`);
    },
  };
}
