/**
 * Passwords and PINs: Argon2id (RFC 9106) with OWASP's parameters and a pepper, as PHC strings.
 *
 * A bounded number is computed at once, so that hashing cannot starve the process; the others wait their turn.
 */
import { randomBytes } from 'node:crypto';
import { hash, verify } from 'argon2';

export type Passwords = ReturnType<typeof createPasswords>;

/** OWASP Password Storage Cheat Sheet: 19 MiB, two passes, one lane. */
const parameters = { type: 2, memoryCost: 19_456, timeCost: 2, parallelism: 1 } as const;

/** What computes, in threads of its own; `pepper` is a key that the database does not hold. */
export interface Hashing {
  hash(secret: string | Buffer, pepper: Buffer): Promise<string>;
  verify(phc: string, secret: string, pepper: Buffer): Promise<boolean>;
}

const argon2id: Hashing = {
  hash: (secret, pepper) => hash(secret, { ...parameters, secret: pepper }),
  verify: (phc, secret, pepper) => verify(phc, secret, { secret: pepper }),
};

/** Creates the hasher. */
export function createPasswords(pepper: Buffer, concurrencyMax: number, hashing = argon2id) {
  const inTurn = createTurns(concurrencyMax);
  let dummyHash: Promise<string> | undefined;
  return {
    /** The PHC string of a secret. */
    hash: (secret: string): Promise<string> => inTurn(() => hashing.hash(secret, pepper)),
    /** Tells whether a secret belongs to a PHC string. */
    verify: (phc: string, secret: string): Promise<boolean> => inTurn(() => hashing.verify(phc, secret, pepper)),
    /** A PHC string that nothing belongs to: checking it takes as long as checking any other. */
    dummyHash(): Promise<string> {
      dummyHash ??= inTurn(() => hashing.hash(randomBytes(32), pepper));
      return dummyHash;
    },
  };
}

/** Runs at most `max` jobs at once, in the order they came. */
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
