/**
 * Hashing of passwords and PINs: Argon2id with a pepper, as PHC strings.
 *
 * The number of concurrent computations is limited, so that they leave threads to files and host names, and processors
 * to requests. Others wait in a queue.
 */
import { randomBytes } from 'node:crypto';
import { preparePassword } from '../domain/passwords.ts';
import { type Argon2, argon2 } from './passwords/argon2.ts';

/** The password hasher. */
export type Passwords = ReturnType<typeof createPasswords>;

/** The hash function, which runs in its own threads. */
export type Hashing = Pick<Argon2, 'hash' | 'verify'>;

/** Creates the password hasher. `pepper` is a key that is not stored in the database. */
export function createPasswords(pepper: Buffer, concurrencyMax: number, hashing: Hashing = argon2) {
  const inTurn = createTurns(concurrencyMax);
  let dummyHash: Promise<string> | undefined;
  return {
    /** Returns the PHC string of a secret, prepared by RFC 8265. */
    hash: (secret: string): Promise<string> => inTurn(() => hashing.hash(preparePassword(secret), pepper)),
    /**
     * Returns whether a secret matches a PHC string: prepared by RFC 8265, or as it was typed, because hashes of earlier
     * versions are of unprepared secrets. Only the typed text decides whether both are computed.
     */
    async verify(phc: string, secret: string): Promise<boolean> {
      const prepared = preparePassword(secret);
      const isRight = await inTurn(() => hashing.verify(phc, prepared, pepper));
      return isRight || (prepared !== secret && (await inTurn(() => hashing.verify(phc, secret, pepper))));
    },
    /**
     * Returns a PHC string that no secret matches. Verifying it takes as long as any other (prevents user enumeration).
     */
    dummyHash(): Promise<string> {
      dummyHash ??= inTurn(() => hashing.hash(randomBytes(32), pepper));
      return dummyHash;
    },
  };
}

/** Returns a queue that runs at most `max` jobs at once, in order. */
function createTurns(max: number): <T>(job: () => Promise<T>) => Promise<T> {
  const waiting: (() => void)[] = [];
  let running = 0;
  return async (job) => {
    if (running >= max) await new Promise<void>((resolve) => waiting.push(resolve));
    else running++;
    try {
      return await job();
    } finally {
      const next = waiting.shift();
      if (next === undefined) running--;
      else next();
    }
  };
}
