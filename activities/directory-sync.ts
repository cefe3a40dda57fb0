/** Activities of the directory sync: select the accounts to check and decide which ones lose access. */
import type { EntryStatus } from '../adapters/ldap/answer.ts';
import type { Accounts } from '../adapters/mongo/accounts.ts';
import type { Events } from '../platform/events/events.ts';

/** A page of linked accounts. `nextId` is the start of the next page, absent after the last. */
export interface SyncedPage {
  people: { userId: string; username: string }[];
  nextId?: string;
}

/** Dependencies of the directory sync activities. */
export interface DirectorySyncActivityDeps {
  accounts: Pick<Accounts, 'listForDirectory' | 'matchesDirectoryEntry'>;
  events: Pick<Events, 'directoryDoubted'>;
}

/** The directory sync activities of the registration role. */
export type DirectorySyncActivities = ReturnType<typeof createDirectorySyncActivities>;

const pageSize = 200;

/** Creates the directory sync activities of the registration role. */
export function createDirectorySyncActivities({ accounts, events }: DirectorySyncActivityDeps) {
  return {
    /** Returns the linked accounts of one page. Read-only. */
    async readWatched({ afterId }: { afterId: string }): Promise<SyncedPage> {
      const page = await accounts.listForDirectory(afterId, pageSize);
      const last = page.length === pageSize ? page.at(-1) : undefined;
      return {
        people: page.flatMap(({ userId, username, hasDirectoryEntry }) =>
          hasDirectoryEntry && username ? [{ userId, username }] : [],
        ),
        ...(last && { nextId: last.userId }),
      };
    },

    /**
     * Returns the ids of users whose entry is disabled, missing or a different one than they are linked to. A user name
     * with several entries is skipped. Read-only.
     */
    async judgeEntryStatuses(input: { people: SyncedPage['people']; entryStatuses: EntryStatus[] }): Promise<string[]> {
      const lost: string[] = [];
      for (const [index, { userId }] of input.people.entries()) {
        const found = input.entryStatuses[index];
        if (found === undefined || found.entryStatus === 'ambiguous') continue;
        if (found.entryStatus === 'active' && (await accounts.matchesDirectoryEntry(userId, found.id))) continue;
        lost.push(userId);
      }
      return lost;
    },

    /** Emits the event that the result of a page was ignored. Idempotent by `runId`. */
    async tellDoubt(input: { runId: string; checked: number; missing: number }): Promise<void> {
      events.directoryDoubted(input);
    },
  };
}
