/** Heartbeats of workers with the health of their dependencies: `health:{role}` HASH, one field per process. */
import type { DependencyHealth } from '../../platform/lifecycle.ts';
import type { Redis } from './connect.ts';
import { keys } from './keys.ts';

/** The last heartbeat of a process. `at` is in milliseconds since the Unix epoch. */
export interface Heartbeat {
  at: number;
  dependencies: DependencyHealth[];
}

/** The store of heartbeats. */
export type Heartbeats = ReturnType<typeof createHeartbeats>;

/** A process without a heartbeat for this time counts as dead. */
const lifeMs = 15_000;

/** Creates the store of heartbeats. */
export function createHeartbeats(redis: Redis) {
  return {
    /** Writes the heartbeat of one process of a role. */
    async beat(role: string, processId: string, heartbeat: Heartbeat): Promise<void> {
      await redis.hset(keys.health({ role }), processId, JSON.stringify(heartbeat));
    },

    /** Removes the heartbeat of a process. */
    async stop(role: string, processId: string): Promise<void> {
      await redis.hdel(keys.health({ role }), processId);
    },

    /** Returns the newest heartbeat of a role, or undefined if no process is alive. Removes dead processes. */
    async read(role: string, now: number): Promise<Heartbeat | undefined> {
      const fields = await redis.hgetall(keys.health({ role }));
      const beats = Object.entries(fields).map(([id, text]) => ({ id, beat: JSON.parse(text) as Heartbeat }));
      const dead = beats.filter(({ beat }) => now - beat.at > lifeMs).map(({ id }) => id);
      if (dead.length > 0) await redis.hdel(keys.health({ role }), ...dead);
      const living = beats.filter(({ beat }) => now - beat.at <= lifeMs).map(({ beat }) => beat);
      return living.sort((a, b) => b.at - a.at)[0];
    },
  };
}
