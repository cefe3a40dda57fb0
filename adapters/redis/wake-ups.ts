/**
 * Wake-ups: `wake-up:{userId}:{deviceId}` has the id of the wake-up that was sent to a device, or is on its way, since the
 * device connected for the last time. While it exists no other one is sent. `push-result:{userId}` HASH has, by device,
 * what its push provider answered last.
 *
 * Consistency: one script claims the place, so of parallel wake-ups one is sent. When Redis is unavailable, calls throw.
 */
import { type PushResult, wakeUpSeconds } from '../../domain/push.ts';
import { loadScript, type Redis } from './connect.ts';
import { keyFamilies, keys } from './keys.ts';

/** The wake-up of a device. */
export interface WakeUpId {
  userId: string;
  deviceId: string;
  wakeUpId: string;
}

/** What a push provider answered last, and when in milliseconds since the Unix epoch. */
export interface LastPush extends Pick<PushResult, 'provider' | 'result'> {
  at: number;
}

/** The store of wake-ups. */
export type WakeUps = ReturnType<typeof createWakeUps>;

/** How long a place is claimed before the workflow confirms it: longer than its start takes. */
const claimSeconds = 60;

/** Creates the store of wake-ups. */
export function createWakeUps(redis: Redis) {
  const hold = loadScript(redis, 'wake-up-hold');
  const release = loadScript(redis, 'wake-up-release');
  const claim = async ({ wakeUpId, ...of }: WakeUpId, seconds: number) =>
    (await hold([keys.wakeUp(of)], [wakeUpId, seconds])) === 1;
  return {
    /**
     * Claims the place of the wake-up of a device for a minute, in which `confirm` follows. Returns false if another
     * wake-up has it. Safe to repeat.
     */
    claim: (wakeUp: WakeUpId): Promise<boolean> => claim(wakeUp, claimSeconds),

    /** As `claim`, for as long as the wake-up may wait for its provider and then for the device. */
    confirm: (wakeUp: WakeUpId): Promise<boolean> => claim(wakeUp, wakeUpSeconds),

    /** Returns whether a confirmed wake-up is still needed: the device has not connected since. */
    async isNeeded({ wakeUpId, ...of }: WakeUpId): Promise<boolean> {
      return (await redis.get(keys.wakeUp(of))) === wakeUpId;
    },

    /** Ends a wake-up that reaches nobody, so that another one may follow. Safe to repeat. */
    async release({ wakeUpId, ...of }: WakeUpId): Promise<void> {
      await release([keys.wakeUp(of)], [wakeUpId]);
    },

    /** Records that a device has connected: the next event wakes it up again. A single command, for every request. */
    async connected(of: Omit<WakeUpId, 'wakeUpId'>): Promise<void> {
      await redis.del(keys.wakeUp(of));
    },

    /** Stores what the push provider of a device answered. */
    async recordResult(userId: string, deviceId: string, last: LastPush): Promise<void> {
      const key = keys.pushResult({ userId });
      await redis
        .multi()
        .hset(key, deviceId, JSON.stringify(last))
        .expire(key, keyFamilies.pushResult.life.seconds)
        .exec();
    },

    /** Returns what the push providers of the devices of a user answered last, by device. */
    async lastResults(userId: string): Promise<Map<string, LastPush>> {
      const stored = await redis.hgetall(keys.pushResult({ userId }));
      return new Map(Object.entries(stored).map(([deviceId, text]) => [deviceId, JSON.parse(text) as LastPush]));
    },

    /** Deletes everything about a device whose push registration changed or ended. Safe to repeat. */
    async forget(of: Omit<WakeUpId, 'wakeUpId'>): Promise<void> {
      await Promise.all([redis.del(keys.wakeUp(of)), redis.hdel(keys.pushResult(of), of.deviceId)]);
    },
  };
}
