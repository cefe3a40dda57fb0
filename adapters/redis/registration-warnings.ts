/**
 * Warnings to the owner of a number or address about registrations that others start with it.
 * `registration-warning:{userId}` the open warning of a day, `registration-warned:{userId}` SET of the registrations
 * that it covers, `registration-stop:{hash}` the user whose registrations a token stops. Tokens are stored only as
 * SHA-256.
 *
 * Consistency: a warning is opened once, even by repeats; a registration belongs to the open warning or to the next
 * one. When Redis is unavailable: fails closed.
 */
import { tokenHash } from '../../platform/crypto.ts';
import type { Redis } from './connect.ts';
import { keyFamilies, keys } from './keys.ts';

/** The store of registration warnings. */
export type RegistrationWarnings = ReturnType<typeof createRegistrationWarnings>;

/** The owner receives one warning in this time, unless they act on it. */
const warningSeconds = keyFamilies.registrationWarning.life.seconds;
/**
 * Longer than a warning by the longest lifetime of a registration, so that its last registrations can be stopped too.
 */
const tokenSeconds = keyFamilies.registrationStop.life.seconds;
/** As long as the token that stops them. */
const warnedSeconds = keyFamilies.registrationWarned.life.seconds;

/** Creates the store of warnings. */
export function createRegistrationWarnings(redis: Redis) {
  return {
    /**
     * Opens a warning with the id `candidate`, unless the owner has an open one, and adds the registration to it.
     * Returns the id of the open warning. Safe to repeat.
     */
    async open(userId: string, candidate: string, registrationId?: string): Promise<string> {
      const [key, warned] = [keys.registrationWarning({ userId }), keys.registrationWarned({ userId })];
      const opening = redis.multi().set(key, candidate, 'EX', warningSeconds, 'NX').get(key);
      if (registrationId !== undefined) opening.sadd(warned, registrationId).expire(warned, warnedSeconds);
      const answers = await opening.exec();
      return String(answers?.[1]?.[1] ?? candidate);
    },

    /** Stores the token of a warning. Safe to repeat. */
    async keepToken(token: string, userId: string): Promise<void> {
      await redis.set(stopKey(token), userId, 'EX', tokenSeconds);
    },

    /** Returns the user of a token; undefined if it was used, has expired or never existed. */
    async whose(token: string): Promise<string | undefined> {
      return (await redis.get(stopKey(token))) ?? undefined;
    },

    /** Returns the registrations that the owner can stop; some may have ended. */
    registrationsOf: (userId: string): Promise<string[]> => redis.smembers(keys.registrationWarned({ userId })),

    /**
     * Closes the open warning, so that the next registration opens another. Returns its registrations. Safe to repeat.
     */
    async close(userId: string): Promise<string[]> {
      const answers = await redis
        .multi()
        .del(keys.registrationWarning({ userId }))
        .smembers(keys.registrationWarned({ userId }))
        .exec();
      return (answers?.[1]?.[1] ?? []) as string[];
    },

    /** Consumes a token after its registrations were stopped; false if it was consumed before. */
    async use(token: string, userId: string, ended: readonly string[]): Promise<boolean> {
      if (ended.length > 0) await redis.srem(keys.registrationWarned({ userId }), ...ended);
      return (await redis.del(stopKey(token))) === 1;
    },
  };
}

function stopKey(token: string): string {
  return keys.registrationStop({ tokenHash: tokenHash(token) });
}
