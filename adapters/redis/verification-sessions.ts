/**
 * Verification sessions, which belong to no registration: `verification-session:{id}` HASH. The API creates it in one
 * write. The workflow, which the first send starts, writes its sends. `codes.ts` counts checks under the same hash tag.
 *
 * Consistency: sends have a version, and older ones never replace newer ones; a deleted record is not recreated. The
 * phone number is encrypted. The record outlives the session, whose expiry is computed from the stored fields. When
 * Redis is unavailable: fails closed.
 */
import type { Channel, Send } from '../../domain/verification.ts';
import type { Cipher } from '../../platform/crypto.ts';
import { loadScript, type Redis, timeOf } from './connect.ts';
import { keys } from './keys.ts';

/** A new verification session. */
export interface NewVerificationSession {
  /** E.164. */
  number: string;
  /** Country of the number: ISO 3166, or a calling code such as `+44`. */
  country?: string | undefined;
  /** Milliseconds since the Unix epoch. */
  createdAt: number;
}

/** The sends that the workflow of a session publishes. */
export interface PublishedSends {
  /** Grows with every change. */
  version: number;
  sends: Send[];
  /** The channel whose provider is unavailable. */
  waitingFor?: Channel | undefined;
}

/** A stored verification session. */
export interface StoredVerificationSession extends NewVerificationSession, Omit<PublishedSends, 'version'> {}

/** The store of verification sessions. */
export type VerificationSessions = ReturnType<typeof createVerificationSessions>;

/** Creates the store of verification sessions; `cipher` encrypts phone numbers. */
export function createVerificationSessions(redis: Redis, cipher: Cipher) {
  const publish = loadScript(redis, 'session-sends');
  return {
    /** Returns the time of Redis, in milliseconds since the Unix epoch. */
    time: (): Promise<number> => timeOf(redis),

    /** Stores a session until `keepUntil` (ms since the Unix epoch). */
    async create(
      sessionId: string,
      { number, country, createdAt }: NewVerificationSession,
      keepUntil: number,
    ): Promise<void> {
      const key = keys.verificationSession({ sessionId });
      const fields = { number: cipher.encryptText(number), createdAt, ...(country && { country }) };
      await redis.multi().hset(key, fields).pexpireat(key, keepUntil).exec();
    },

    /** Returns a session, or undefined if it is not stored. */
    async read(sessionId: string): Promise<StoredVerificationSession | undefined> {
      const { number, country, createdAt, published } = await redis.hgetall(keys.verificationSession({ sessionId }));
      if (number === undefined) return undefined;
      const { sends = [], waitingFor } = JSON.parse(published ?? '{}') as Partial<PublishedSends>;
      return {
        number: cipher.decryptText(number),
        createdAt: Number(createdAt),
        sends,
        ...(country && { country }),
        ...(waitingFor && { waitingFor }),
      };
    },

    /**
     * Stores the sends, and keeps session and codes until `keepUntil`. Safe to repeat and to reorder: keyed by version.
     */
    async writeSends(sessionId: string, published: PublishedSends, keepUntil: number): Promise<void> {
      await publish(
        [keys.verificationSession({ sessionId }), keys.verification({ subject: sessionId, purpose: 'verify' })],
        [published.version, JSON.stringify(published), keepUntil],
      );
    },
  };
}
