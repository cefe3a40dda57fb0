/** Activities of the directory sync: select the accounts to check and decide which ones lose access. */

import type { Accounts } from '../adapters/mongo/accounts.ts';
import type { EntryStatus } from '../domain/directory.ts';
import { type DirectoryPerson, newNameOf } from '../domain/directory.ts';
import type { Events } from '../platform/events/events.ts';

/** A page of linked accounts. `nextId` is the start of the next page, absent after the last. */
export interface SyncedPage {
  people: ({ userId: string } & DirectoryPerson)[];
  nextId?: string;
}

/** Dependencies of the directory sync activities. */
export interface DirectorySyncActivityDeps {
  accounts: Pick<Accounts, 'listForDirectory' | 'matchesDirectoryEntry' | 'learnDirectoryEntry'>;
  events: Pick<Events, 'directoryDoubted'>;
}

/** The directory sync activities of the registration role. */
export type DirectorySyncActivities = ReturnType<typeof createDirectorySyncActivities>;

/** People of a page and their entries, in the same order. */
export interface SyncedEntries {
  people: SyncedPage['people'];
  entryStatuses: EntryStatus[];
}

/** A person whose user name in the directory has changed. */
export interface Renamed {
  userId: string;
  username: string;
}

const pageSize = 200;

/** Creates the directory sync activities of the registration role. */
export function createDirectorySyncActivities({ accounts, events }: DirectorySyncActivityDeps) {
  return {
    /** Returns the linked accounts of one page. Read-only. */
    async readWatched({ afterId }: { afterId: string }): Promise<SyncedPage> {
      const page = await accounts.listForDirectory(afterId, pageSize);
      const last = page.length === pageSize ? page.at(-1) : undefined;
      return {
        people: page.flatMap(({ hasDirectoryEntry, ...person }) =>
          hasDirectoryEntry && (person.directoryId ?? person.username) ? [person] : [],
        ),
        ...(last && { nextId: last.userId }),
      };
    },

    /**
     * Returns the ids of users whose entry is disabled, missing or a different one than they are linked to. Several
     * entries decide nothing. Learns the ids of entries that earlier versions did not store. Idempotent.
     */
    async judgeEntryStatuses({ people, entryStatuses }: SyncedEntries): Promise<string[]> {
      const lost: string[] = [];
      for (const [index, person] of people.entries()) {
        const found = entryStatuses[index];
        if (found === undefined || found.entryStatus === 'ambiguous') continue;
        if (!(await hasEntry(accounts, person, found))) lost.push(person.userId);
      }
      return lost;
    },

    /** Returns the people whose entry has another user name than their account, with the new name. Read-only. */
    async findRenamed({ people, entryStatuses }: SyncedEntries): Promise<Renamed[]> {
      return people.flatMap(({ userId, directoryId, username }, index) => {
        const found = entryStatuses[index];
        if (directoryId === undefined || found?.entryStatus !== 'active' || found.id !== directoryId) return [];
        const renamed = newNameOf(username, found);
        return renamed === undefined ? [] : [{ userId, username: renamed }];
      });
    },

    /** Emits the event that the result of a page was ignored. Idempotent by `runId`. */
    async tellDoubt(input: { runId: string; checked: number; missing: number }): Promise<void> {
      events.directoryDoubted(input);
    },
  };
}

/** Returns whether an entry is active and the one that an account is linked to, and learns its id. */
async function hasEntry(
  accounts: DirectorySyncActivityDeps['accounts'],
  { userId, directoryId }: SyncedPage['people'][number],
  found: EntryStatus,
): Promise<boolean> {
  if (found.entryStatus !== 'active' || !(await accounts.matchesDirectoryEntry(userId, found.id))) return false;
  if (directoryId === undefined) await accounts.learnDirectoryEntry(userId, found.id);
  return true;
}
