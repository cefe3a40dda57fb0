/** What a verification session tells the outside about itself: short steps in Redis, run as local activities. */
import type { Codes } from '../adapters/redis/codes.ts';
import type { PublishedSends, VerificationSessions } from '../adapters/redis/verification-sessions.ts';
import { type SessionRules, sessionExpiresAt } from '../domain/verification.ts';

export interface VerificationActivityDeps {
  sessions: Pick<VerificationSessions, 'read' | 'writeSends'>;
  codes: Pick<Codes, 'read'>;
}

/** The end of a session as its record has it, which knows of checks too. */
export interface SessionEnd {
  expiresAt: number;
  isVerified: boolean;
}

export type VerificationActivities = ReturnType<typeof createVerificationActivities>;

/** Creates the session activities of the registration role. */
export function createVerificationActivities({ sessions, codes }: VerificationActivityDeps) {
  return {
    /** Publishes what was sent. Safe to repeat and to reorder: an older version never replaces a newer one. */
    publishSends: (input: { sessionId: string; published: PublishedSends; keepUntil: number }): Promise<void> =>
      sessions.writeSends(input.sessionId, input.published, input.keepUntil),

    /** When the session ends by its record; null when it has none any more. Safe to repeat: it reads. */
    async readSessionEnd(input: { sessionId: string; rules: SessionRules }): Promise<SessionEnd | null> {
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
