/**
 * Hashing of passwords and PINs: Argon2id (RFC 9106) with the parameters of OWASP and a pepper, as PHC strings.
 *
 * The number of concurrent computations is limited, so that hashing cannot starve the process. Others wait in a queue.
 */
import { randomBytes } from 'node:crypto';
import { hash, verify } from 'argon2';
import { preparePassword } from '../domain/passwords.ts';

/** The password hasher. */
export type Passwords = ReturnType<typeof createPasswords>;

/** OWASP Password Storage Cheat Sheet: 19 MiB, two passes, one lane. */
const parameters = { type: 2, memoryCost: 19_456, timeCost: 2, parallelism: 1 } as const;

/** The hash function, which runs in its own threads. `pepper` is a key that is not stored in the database. */
export interface Hashing {
  hash(secret: string | Buffer, pepper: Buffer): Promise<string>;
  verify(phc: string, secret: string, pepper: Buffer): Promise<boolean>;
}

const argon2id: Hashing = {
  hash: (secret, pepper) => hash(secret, { ...parameters, secret: pepper }),
  verify: (phc, secret, pepper) => verify(phc, secret, { secret: pepper }),
};

/** Creates the password hasher. */
export function createPasswords(pepper: Buffer, concurrencyMax: number, hashing = argon2id) {
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
