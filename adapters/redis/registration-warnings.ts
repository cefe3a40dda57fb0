/**
 * Registrations of numbers and addresses that somebody has already, and the owner's say in them. `registration-warning:{userId}`
 * the warning that the owner has of a day, `registration-warned:{userId}` SET of the registrations that it is about,
 * `registration-stop:{hash}` whose registrations a token ends; of the token only SHA-256 is stored.
 *
 * Consistency: a warning is opened once, whoever repeats it; a registration is of the open warning or of the next one. Away:
 * fails closed.
 */
import { tokenHash } from '../../platform/crypto.ts';
import type { Redis } from './connect.ts';

export type RegistrationWarnings = ReturnType<typeof createRegistrationWarnings>;

/** One warning within this, unless the owner acts on it. */
const warningSeconds = 86_400;
/** The longest life of a registration, so that one of the last hour of a warning can be ended as well. */
const tokenSeconds = warningSeconds + 2 * 86_400;

/** Creates the store of warnings. */
export function createRegistrationWarnings(redis: Redis) {
  return {
    /**
     * The id of the open warning of an owner, `candidate` when there was none, to which the registration is added. Safe to
     * repeat: the second time there is one.
     */
    async open(userId: string, candidate: string, registrationId?: string): Promise<string> {
      const [key, warned] = [warningKey(userId), warnedKey(userId)];
      const opening = redis.multi().set(key, candidate, 'EX', warningSeconds, 'NX').get(key);
      if (registrationId !== undefined) opening.sadd(warned, registrationId).expire(warned, tokenSeconds);
      const answers = await opening.exec();
      return String(answers?.[1]?.[1] ?? candidate);
    },

    /** Keeps the token of a warning. Safe to repeat. */
    async keepToken(token: string, userId: string): Promise<void> {
      await redis.set(stopKey(token), userId, 'EX', tokenSeconds);
    },

    /** Whose token it is; undefined when it was used, is too old or was never one. */
    async whose(token: string): Promise<string | undefined> {
      return (await redis.get(stopKey(token))) ?? undefined;
    },

    /** Closes the open warning: the next registration opens another. Answers those that were warned of. Safe to repeat. */
    async close(userId: string): Promise<string[]> {
      const answers = await redis.multi().del(warningKey(userId)).smembers(warnedKey(userId)).exec();
      return (answers?.[1]?.[1] ?? []) as string[];
    },

    /** Uses a token up, when its registrations are ended; false when another use was first. */
    async use(token: string, userId: string, ended: readonly string[]): Promise<boolean> {
      if (ended.length > 0) await redis.srem(warnedKey(userId), ...ended);
      return (await redis.del(stopKey(token))) === 1;
    },
  };
}

function warningKey(userId: string): string {
  return `registration-warning:{${userId}}`;
}

function warnedKey(userId: string): string {
  return `registration-warned:{${userId}}`;
}

function stopKey(token: string): string {
  return `registration-stop:${tokenHash(token)}`;
}
