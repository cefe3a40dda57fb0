/** The removal of what has expired and has no end of its own in its store. */
import type { Accounts } from '../adapters/mongo/accounts.ts';
import type { Events } from '../platform/events.ts';

export interface PurgeActivityDeps {
  accounts: Pick<Accounts, 'removeOrphanClaims'>;
  events: Pick<Events, 'purged'>;
}

export type PurgeActivities = ReturnType<typeof createPurgeActivities>;

/** Longer than any registration can live that still takes its claims back by itself. */
const orphanMs = 10 * 86_400_000;

/** Creates the purge activities of the registration role. */
export function createPurgeActivities({ accounts, events }: PurgeActivityDeps) {
  return {
    /** Removes claims without an account and leaves an event. Safe to repeat: it deletes; the event is one by the run. */
    async purgeExpired({ runId }: { runId: string }): Promise<{ claims: number }> {
      const claims = await accounts.removeOrphanClaims(new Date(Date.now() - orphanMs));
      events.purged({ runId, claims });
      return { claims };
    },
  };
}
