/** Workers report that they live and how their outside systems are: `health:{role}` HASH, one field a process. */
import type { DependencyHealth } from '../../platform/lifecycle.ts';
import type { Redis } from './connect.ts';

/** What a process last reported. */
export interface Heartbeat {
  at: number;
  dependencies: DependencyHealth[];
}

export type Heartbeats = ReturnType<typeof createHeartbeats>;

/** A process that did not report for so long is taken for dead. */
const lifeMs = 15_000;

/** Creates the board of heartbeats. */
export function createHeartbeats(redis: Redis) {
  return {
    /** Reports for one process of a role. */
    async beat(role: string, processId: string, heartbeat: Heartbeat): Promise<void> {
      await redis.hset(`health:${role}`, processId, JSON.stringify(heartbeat));
    },

    /** Takes a process off the board. */
    async stop(role: string, processId: string): Promise<void> {
      await redis.hdel(`health:${role}`, processId);
    },

    /** The newest report of a role's living processes; undefined when none lives. Forgets the dead. */
    async read(role: string, now: number): Promise<Heartbeat | undefined> {
      const fields = await redis.hgetall(`health:${role}`);
      const beats = Object.entries(fields).map(([id, text]) => ({ id, beat: JSON.parse(text) as Heartbeat }));
      const dead = beats.filter(({ beat }) => now - beat.at > lifeMs).map(({ id }) => id);
      if (dead.length > 0) await redis.hdel(`health:${role}`, ...dead);
      const living = beats.filter(({ beat }) => now - beat.at <= lifeMs).map(({ beat }) => beat);
      return living.sort((a, b) => b.at - a.at)[0];
    },
  };
}
