/**
 * Log-ins by code: `login:{id}` HASH, from the request for a code to its verification, also for unknown users. Codes
 * are in `codes.ts` under the same hash tag.
 *
 * Consistency: counting an attempt and claiming the session are one atomic step each. Personal data is stored only as
 * keyed hashes. The time is that of Redis, so that a process whose clock is wrong neither shortens nor lengthens a log-in.
 * When Redis is unavailable: fails closed.
 */
import type { LimitKeys } from '../../domain/identity.ts';
import type { Channel, CodeSubject } from '../../domain/verification.ts';
import { loadScript, type Redis, timeOf } from './connect.ts';
import { keyFamilies, keys } from './keys.ts';

/** A log-in that waits for its code. */
export interface LogIn {
  /** What its code is for. */
  purpose: CodeSubject['purpose'];
  /** The user; undefined if the log-in belongs to no account, in which case no code is correct. */
  userId?: string | undefined;
  /** The channel of the code. */
  channel: Channel;
  /** The keys of the limits that count wrong codes. */
  limitKeys: LimitKeys;
  /** Milliseconds since the Unix epoch. */
  expiresAt: number;
  /** The change that the correct code confirms, encrypted by the caller. */
  encrypted?: string | undefined;
  /** The epoch of the account for which the code was requested. The code counts in this epoch only. */
  epoch?: number | undefined;
  /** The password was proven before the code was sent. */
  hadPassword?: boolean | undefined;
}

/** A new log-in. */
export interface NewLogIn extends Omit<LogIn, 'expiresAt'> {
  /** How long its code can be entered, from now on. */
  ttlSeconds: number;
}

/** A log-in after an attempt was counted. */
export interface CountedLogIn extends LogIn {
  /** Attempts, with this one. */
  tries: number;
  isExpired: boolean;
}

/** The store of log-ins. */
export type LogIns = ReturnType<typeof createLogIns>;

/** How long a log-in is stored after it expired, so that a late client learns that it expired, in milliseconds. */
const knownMs = keyFamilies.login.life.seconds * 1000;

/** Creates the store of log-ins. */
export function createLogIns(redis: Redis) {
  const countTry = loadScript(redis, 'login-try');
  return {
    /**
     * Stores a log-in and returns its end. A given `now`, in milliseconds, replaces the time of Redis. Safe to repeat: keyed
     * by its id.
     */
    async create(loginId: string, logIn: NewLogIn, now?: number): Promise<number> {
      const { purpose, userId, channel, limitKeys, ttlSeconds, encrypted, epoch, hadPassword } = logIn;
      const expiresAt = (now ?? (await timeOf(redis))) + ttlSeconds * 1000;
      const proof = { ...(epoch && { epoch }), ...(hadPassword && { hadPassword: 1 }) };
      const known = { ...(userId && { userId }), ...(encrypted && { encrypted }), ...proof };
      const fields = { purpose, channel, limitKeys: JSON.stringify(limitKeys), expiresAt, ...known };
      await redis
        .multi()
        .hset(keys.login({ loginId }), fields)
        .pexpireat(keys.login({ loginId }), expiresAt + knownMs)
        .exec();
      return expiresAt;
    },

    /**
     * Counts an attempt and returns the log-in with its number of attempts. Undefined if it does not exist, has another
     * purpose or, when a user is given, belongs to another user: then nothing is counted.
     */
    async countTry(
      loginId: string,
      { purpose, userId }: Pick<LogIn, 'purpose' | 'userId'>,
    ): Promise<CountedLogIn | undefined> {
      const counted = await countTry([keys.login({ loginId })], [purpose, userId ?? '']);
      const [tries, flat, expired] = counted as [number?, string[]?, number?];
      if (tries === undefined || flat === undefined) return undefined;
      const fields = Object.fromEntries(
        flat.flatMap((name, index) => (index % 2 === 0 ? [[name, flat[index + 1] ?? '']] : [])),
      );
      return {
        tries,
        isExpired: expired === 1,
        purpose,
        channel: fields.channel as Channel,
        limitKeys: JSON.parse(fields.limitKeys ?? '{}') as LimitKeys,
        expiresAt: Number(fields.expiresAt),
        ...(fields.userId && { userId: fields.userId }),
        ...(fields.encrypted && { encrypted: fields.encrypted }),
        ...(fields.epoch && { epoch: Number(fields.epoch) }),
        ...(fields.hadPassword && { hadPassword: true }),
      };
    },

    /** Claims the one session of a log-in; false if another session has it. Safe to repeat with the same session. */
    async takeSession(loginId: string, sessionId: string): Promise<boolean> {
      if ((await redis.hsetnx(keys.login({ loginId }), 'sessionId', sessionId)) === 1) return true;
      return (await redis.hget(keys.login({ loginId }), 'sessionId')) === sessionId;
    },
  };
}
