/** Activities that transfer a user name, number or address which the directory now gives to another entry. */

import type { Accounts } from '../adapters/mongo/accounts.ts';
import type { Identifier } from '../domain/account.ts';
import type { EntryStatus } from '../domain/directory.ts';
import { givenUp, type Holder } from '../domain/directory.ts';
import type { ContactIdentity } from '../domain/identity.ts';
import type { Events } from '../platform/events/events.ts';

/** Identifiers that one account gives to another. */
export interface IdentityTransfer {
  /** Unique to the change that causes it, the same for every retry. */
  changeId: string;
  fromId: string;
  /** The account need not exist yet. */
  toId: string;
  identifiers: Identifier[];
}

/** Dependencies of the activities. */
export interface IdentityTransferActivityDeps {
  accounts: Pick<Accounts, 'findHolders' | 'matchesDirectoryEntry' | 'transfer'>;
  events: Pick<Events, 'identityTransferred'>;
}

/** The activities of the registration role. */
export type IdentityTransferActivities = ReturnType<typeof createIdentityTransferActivities>;

/** Creates the activities of the registration role. Temporal retries outages. */
export function createIdentityTransferActivities({ accounts, events }: IdentityTransferActivityDeps) {
  return {
    /** Returns the other accounts that are linked to entries and hold an identifier. Read-only. */
    findHolders: ({ userId, identity }: { userId: string; identity: ContactIdentity }): Promise<Holder[]> =>
      accounts.findHolders(userId, identity),

    /**
     * Returns what a holder has to give away: what its entry no longer has. Several entries decide nothing. Read-only.
     */
    async judgeHolder({ holder, entry }: { holder: Holder; entry: EntryStatus }): Promise<Identifier[]> {
      if (entry.entryStatus === 'ambiguous') return [];
      if (entry.entryStatus === 'missing') return givenUp(holder.held, undefined);
      // an account of an earlier version is looked up by its user name, which another entry may have by now
      const isOwn = await accounts.matchesDirectoryEntry(holder.userId, entry.id);
      return givenUp(holder.held, isOwn ? entry : undefined);
    },

    /** Moves the claims. Idempotent: only claims of the giving account are moved. */
    async transferIdentifiers({ fromId, toId, identifiers }: IdentityTransfer): Promise<void> {
      for (const identifier of identifiers) await accounts.transfer(fromId, toId, identifier);
    },

    /** Emits the event. Idempotent by `changeId` and the giving account. */
    async tellTransferred({ changeId, fromId, toId, identifiers }: IdentityTransfer): Promise<void> {
      events.identityTransferred({ changeId, fromId, toId, kinds: identifiers.map(({ kind }) => kind) });
    },
  };
}
