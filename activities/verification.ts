/** Local activities of a verification session: short steps in Redis. */
import type { Codes } from '../adapters/redis/codes.ts';
import type { PublishedSends, VerificationSessions } from '../adapters/redis/verification-sessions.ts';
import { sessionExpiresAt, type VerificationSessionRules } from '../domain/verification.ts';

/** Dependencies of the local activities. */
export interface VerificationActivityDeps {
  sessions: Pick<VerificationSessions, 'read' | 'writeSends'>;
  codes: Pick<Codes, 'read'>;
}

/** The expiry of a session, from its Redis record, which includes its checks. */
export interface VerificationSessionEnd {
  /** Milliseconds since the Unix epoch. */
  expiresAt: number;
  isVerified: boolean;
}

/** The local activities of a verification session. */
export type VerificationActivities = ReturnType<typeof createVerificationActivities>;

/** Creates the local activities of a verification session. */
export function createVerificationActivities({ sessions, codes }: VerificationActivityDeps) {
  return {
    /** Publishes the sends. Idempotent and order-independent: an older version never replaces a newer one. */
    publishSends: (input: { sessionId: string; published: PublishedSends; keepUntil: number }): Promise<void> =>
      sessions.writeSends(input.sessionId, input.published, input.keepUntil),

    /** Returns when the session expires; null when its record is gone. Read-only. */
    async readSessionEnd(input: {
      sessionId: string;
      rules: VerificationSessionRules;
    }): Promise<VerificationSessionEnd | null> {
      const [stored, checks] = await Promise.all([
        sessions.read(input.sessionId),
        codes.read({ subject: input.sessionId, purpose: 'verify' }),
      ]);
      if (stored === undefined) return null;
      const expiresAt = sessionExpiresAt({ ...stored, checks }, input.rules);
      return { expiresAt, isVerified: checks?.verifiedAt !== undefined };
    },
  };
}
