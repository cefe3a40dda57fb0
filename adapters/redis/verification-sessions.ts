/**
 * Verifications that stand alone: `verification-session:{id}` HASH, created by the api in one write, its sends written by
 * the workflow that the first send starts. Checks are counted by `codes.ts` under the same hash tag.
 *
 * Consistency: sends carry a version and older ones never replace newer ones; a record that is gone is never made anew.
 * The number is sealed. The record outlives the session, whose end follows from what is stored. Away: fails closed.
 */
import type { Channel, Send } from '../../domain/verification.ts';
import type { Cipher } from '../../platform/crypto.ts';
import { loadScript, type Redis } from './connect.ts';

/** A session as it was created. */
export interface NewSession {
  /** E.164. */
  number: string;
  /** Of the number: ISO 3166, or a calling code such as `+44`. */
  country?: string | undefined;
  /** Milliseconds since the Unix epoch. */
  createdAt: number;
}

/** What the workflow of a session publishes. */
export interface PublishedSends {
  /** Grows with every change. */
  version: number;
  sends: Send[];
  /** The channel whose provider is away. */
  waitingFor?: Channel | undefined;
}

/** A session as it is read. */
export interface StoredSession extends NewSession, Omit<PublishedSends, 'version'> {}

export type VerificationSessions = ReturnType<typeof createVerificationSessions>;

/** Creates the store; `cipher` seals numbers. */
export function createVerificationSessions(redis: Redis, cipher: Cipher) {
  const publish = loadScript(redis, 'session-sends');
  return {
    /** Stores a session, until an instant in milliseconds. */
    async create(sessionId: string, { number, country, createdAt }: NewSession, keepUntil: number): Promise<void> {
      const key = sessionKey(sessionId);
      const fields = { number: cipher.encryptText(number), createdAt, ...(country && { country }) };
      await redis.multi().hset(key, fields).pexpireat(key, keepUntil).exec();
    },

    /** A session, or undefined when there is no record of it. */
    async read(sessionId: string): Promise<StoredSession | undefined> {
      const { number, country, createdAt, published } = await redis.hgetall(sessionKey(sessionId));
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

    /** Stores what was sent, and keeps session and codes until an instant. Safe to repeat and to reorder, by version. */
    async writeSends(sessionId: string, published: PublishedSends, keepUntil: number): Promise<void> {
      await publish(
        [sessionKey(sessionId), `verification:{${sessionId}}:verify`],
        [published.version, JSON.stringify(published), keepUntil],
      );
    },
  };
}

function sessionKey(sessionId: string): string {
  return `verification-session:{${sessionId}}`;
}
