/** Who in the database is to be checked against the directory, and what its answer means for them. */
import type { EntryStatus } from '../adapters/ldap/answer.ts';
import type { Accounts } from '../adapters/mongo/accounts.ts';
import type { Events } from '../platform/events.ts';

/** A page of linked people; `nextId` is where the next page goes on, absent after the last. */
export interface SyncedPage {
  people: { userId: string; username: string }[];
  nextId?: string;
}

export interface DirectorySyncActivityDeps {
  accounts: Pick<Accounts, 'listForDirectory' | 'isLinkedTo'>;
  events: Pick<Events, 'directoryDoubted'>;
}

export type DirectorySyncActivities = ReturnType<typeof createDirectorySyncActivities>;

const pageSize = 200;

/** Creates the activities of the check that belong to the registration role. */
export function createDirectorySyncActivities({ accounts, events }: DirectorySyncActivityDeps) {
  return {
    /** The linked people of a page of accounts. Safe to repeat: it reads. */
    async readWatched({ afterId }: { afterId: string }): Promise<SyncedPage> {
      const page = await accounts.listForDirectory(afterId, pageSize);
      const last = page.length === pageSize ? page.at(-1) : undefined;
      return {
        people: page.flatMap(({ userId, username, isLinked }) => (isLinked && username ? [{ userId, username }] : [])),
        ...(last && { nextId: last.userId }),
      };
    },

    /**
     * Those who have lost their entry: disabled, gone, or another person's by now. A name that several entries have is
     * left alone. Safe to repeat: it reads.
     */
    async judgeEntryStatuses(input: { people: SyncedPage['people']; entryStatuses: EntryStatus[] }): Promise<string[]> {
      const lost: string[] = [];
      for (const [index, { userId }] of input.people.entries()) {
        const found = input.entryStatuses[index];
        if (found === undefined || found.entryStatus === 'ambiguous') continue;
        if (found.entryStatus === 'active' && (await accounts.isLinkedTo(userId, found.id))) continue;
        lost.push(userId);
      }
      return lost;
    },

    /** Leaves the event that a run is not believed. Safe to repeat: it is one by the run. */
    async tellDoubt(input: { runId: string; checked: number; missing: number }): Promise<void> {
      events.directoryDoubted(input);
    },
  };
}
