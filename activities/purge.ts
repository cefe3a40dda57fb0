/** Activities that remove expired data that has no time to live in its store. */
import type { Accounts } from '../adapters/mongo/accounts.ts';
import type { Events } from '../platform/events/events.ts';

/** Dependencies of the purge activities. */
export interface PurgeActivityDeps {
  accounts: Pick<Accounts, 'removeOrphanClaims' | 'claimLookalikes'>;
  events: Pick<Events, 'purged'>;
}

/** The purge activities of the registration role. */
export type PurgeActivities = ReturnType<typeof createPurgeActivities>;

/** Longer than the lifetime of any registration: until then its compensations can still release its claims. */
const orphanMs = 10 * 86_400_000;

/** Creates the purge activities of the registration role. */
export function createPurgeActivities({ accounts, events }: PurgeActivityDeps) {
  return {
    /**
     * Removes claims without an account, claims what user names look like where that is missing, and emits an event.
     * Idempotent: a repeat finds nothing left to do, and the event is keyed by `runId`.
     */
    async purgeExpired({ runId }: { runId: string }): Promise<{ claims: number }> {
      const claims = await accounts.removeOrphanClaims(new Date(Date.now() - orphanMs));
      await accounts.claimLookalikes();
      events.purged({ runId, claims });
      return { claims };
    },
  };
}
