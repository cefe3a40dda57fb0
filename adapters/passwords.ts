/**
 * Hashing of passwords and PINs: Argon2id with a pepper, as PHC strings.
 *
 * The number of concurrent computations is limited, so that they leave threads to files and host names, and processors
 * to requests. Others wait in a queue.
 */
import { randomBytes } from 'node:crypto';
import { preparePassword } from '../domain/passwords.ts';
import type { DerivedKey } from '../platform/crypto.ts';
import { type Argon2, argon2 } from './passwords/argon2.ts';

/** The password hasher. */
export type Passwords = ReturnType<typeof createPasswords>;

/** The hash function, which runs in its own threads. */
export type Hashing = Pick<Argon2, 'hash' | 'verify'>;

/**
 * Creates the password hasher. A pepper is a key that is not stored in the database. The first one hashes; a hash names its
 * pepper at its end, after `#`, and one of an earlier version has the last.
 */
export function createPasswords(
  peppers: readonly [DerivedKey, ...DerivedKey[]],
  concurrencyMax: number,
  hashing: Hashing = argon2,
) {
  const [current] = peppers;
  const hash = async (secret: string | Buffer) => `${await hashing.hash(secret, current.key)}#${current.id}`;
  const pepperOf = (id: string | undefined) =>
    (id === undefined ? peppers.at(-1) : peppers.find((pepper) => pepper.id === id)) ?? current;
  const compare = (phc: string, secret: string) => {
    const [own = '', id] = phc.split('#');
    return inTurn(() => hashing.verify(own, secret, pepperOf(id).key));
  };
  const inTurn = createTurns(concurrencyMax);
  let dummyHash: Promise<string> | undefined;
  return {
    /** Returns the PHC string of a secret, prepared by RFC 8265. */
    hash: (secret: string): Promise<string> => inTurn(() => hash(preparePassword(secret))),
    /**
     * Returns whether a secret matches a PHC string: prepared by RFC 8265, or as it was typed, because hashes of earlier
     * versions are of unprepared secrets. Only the typed text decides whether both are computed.
     */
    async verify(phc: string, secret: string): Promise<boolean> {
      const prepared = preparePassword(secret);
      return (await compare(phc, prepared)) || (prepared !== secret && (await compare(phc, secret)));
    },
    /** Returns whether a hash has the current pepper; otherwise it is made anew when its secret is known. */
    isCurrent: (phc: string): boolean => pepperOf(phc.split('#')[1]).id === current.id,
    /**
     * Returns a PHC string that no secret matches. Verifying it takes as long as any other (prevents user enumeration).
     */
    dummyHash(): Promise<string> {
      dummyHash ??= inTurn(() => hash(randomBytes(32)));
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
