/** Activities that remove expired data that has no time to live in its store. */
import type { Accounts } from '../adapters/mongo/accounts.ts';
import type { Devices } from '../adapters/mongo/devices.ts';
import type { PreKeys } from '../adapters/mongo/prekeys.ts';
import type { Events } from '../platform/events/events.ts';

/** Dependencies of the purge activities. */
export interface PurgeActivityDeps {
  accounts: Pick<Accounts, 'removeOrphanClaims'>;
  devices: Pick<Devices, 'setsInUse'>;
  preKeys: Pick<PreKeys, 'removeOrphans'>;
  events: Pick<Events, 'purged'>;
}

/** The purge activities of the registration role. */
export type PurgeActivities = ReturnType<typeof createPurgeActivities>;

/** Longer than the lifetime of any registration: until then its compensations can still release its claims. */
const orphanMs = 10 * 86_400_000;
/** Longer than any upload takes between storing its keys and changing the device. */
const orphanSetMs = 86_400_000;

/** Creates the purge activities of the registration role. */
export function createPurgeActivities({ accounts, devices, preKeys, events }: PurgeActivityDeps) {
  return {
    /**
     * Removes claims without an account and one-time keys without a device, and emits an event. Idempotent: a repeat finds
     * nothing left to do, and the event is keyed by `runId`.
     */
    async purgeExpired({ runId }: { runId: string }): Promise<{ claims: number; keySets: number }> {
      const claims = await accounts.removeOrphanClaims(new Date(Date.now() - orphanMs));
      const keySets = await preKeys.removeOrphans(new Date(Date.now() - orphanSetMs), devices.setsInUse);
      events.purged({ runId, claims, keySets });
      return { claims, keySets };
    },
  };
}
