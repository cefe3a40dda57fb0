/**
 * Log-ins by code: `login:{id}` HASH, from the request for a code to its proof, also for people who are not known. Codes are
 * in `codes.ts` under the same hash tag.
 *
 * Consistency: tries are counted, and the session taken, by one step each. Personal data is only there by keyed hash.
 * Away: fails closed.
 */
import type { LimitKeys } from '../../domain/registration.ts';
import type { Channel } from '../../domain/verification.ts';
import { loadScript, type Redis } from './connect.ts';

/** A log-in as it was begun. */
export interface LogIn {
  /** Whose it is; undefined when nobody is behind it and no code can be right. */
  userId?: string | undefined;
  /** How the code goes there. */
  channel: Channel;
  /** What wrong codes count under. */
  limitKeys: LimitKeys;
  /** Milliseconds since the Unix epoch. */
  expiresAt: number;
  /** What the right code brings about, sealed by whoever began it. */
  encrypted?: string | undefined;
}

export type LogIns = ReturnType<typeof createLogIns>;

/** How long a log-in is known after its end, so that whoever is late hears that, in milliseconds. */
const knownMs = 3_600_000;

/** Creates the store of log-ins. */
export function createLogIns(redis: Redis) {
  const countTry = loadScript(redis, 'login-try');
  return {
    /** Stores a log-in. Safe to repeat: keyed by its id. */
    async create(loginId: string, { userId, channel, limitKeys, expiresAt, encrypted }: LogIn): Promise<void> {
      const known = { ...(userId && { userId }), ...(encrypted && { encrypted }) };
      const fields = { channel, limitKeys: JSON.stringify(limitKeys), expiresAt, ...known };
      await redis
        .multi()
        .hset(loginKey(loginId), fields)
        .pexpireat(loginKey(loginId), expiresAt + knownMs)
        .exec();
    },

    /** Counts a try, and answers how many there were with it; undefined when there is no such log-in. */
    async countTry(loginId: string): Promise<(LogIn & { tries: number }) | undefined> {
      const [tries, flat] = (await countTry([loginKey(loginId)], [])) as [number?, string[]?];
      if (tries === undefined || flat === undefined) return undefined;
      const fields = Object.fromEntries(
        flat.flatMap((name, index) => (index % 2 === 0 ? [[name, flat[index + 1] ?? '']] : [])),
      );
      return {
        tries,
        channel: fields.channel as Channel,
        limitKeys: JSON.parse(fields.limitKeys ?? '{}') as LimitKeys,
        expiresAt: Number(fields.expiresAt),
        ...(fields.userId && { userId: fields.userId }),
        ...(fields.encrypted && { encrypted: fields.encrypted }),
      };
    },

    /** Takes the one session of a log-in; false when another was taken. Safe to repeat with the same session. */
    async takeSession(loginId: string, sessionId: string): Promise<boolean> {
      if ((await redis.hsetnx(loginKey(loginId), 'sessionId', sessionId)) === 1) return true;
      return (await redis.hget(loginKey(loginId), 'sessionId')) === sessionId;
    },
  };
}

function loginKey(loginId: string): string {
  return `login:{${loginId}}`;
}
