/** The name, number and address of an account, claimed for it alone. */
import type { Accounts } from '../adapters/mongo/accounts.ts';
import type { Identifier } from '../domain/account.ts';
import type { Events } from '../platform/events.ts';

/** What a person has, as far as it can be changed, and the language of their messages. */
export interface OwnIdentity {
  username?: string;
  phone?: string;
  email?: string;
  locale?: string;
}

export interface IdentityChangeActivityDeps {
  accounts: Pick<Accounts, 'read' | 'claim' | 'release' | 'setIdentifier' | 'isSameClaim'>;
  events: Pick<Events, 'identityChanged'>;
}

interface Claimed {
  userId: string;
  identifier: Identifier;
}

export type IdentityChangeActivities = ReturnType<typeof createIdentityChangeActivities>;

/** Creates the activities on identities of the registration role. Outages are left to Temporal, which repeats them. */
export function createIdentityChangeActivities({ accounts, events }: IdentityChangeActivityDeps) {
  return {
    /** What a person has; null without an account. Safe to repeat: it reads. */
    async readIdentity({ userId }: { userId: string }): Promise<OwnIdentity | null> {
      const account = await accounts.read(userId);
      if (account === undefined) return null;
      const { username, phone, email, locale } = account;
      return {
        ...(username && { username }),
        ...(phone && { phone }),
        ...(email && { email }),
        ...(locale && { locale }),
      };
    },

    /** Claims a name, number or address; false when somebody else has it. Safe to repeat: a claim names its user. */
    claimIdentifier: ({ userId, identifier: { kind, value } }: Claimed): Promise<boolean> =>
      accounts.claim(userId, { [kind]: value }),

    /** Writes it into the account; false without an account. Safe to repeat: it replaces. */
    writeIdentifier: ({ userId, identifier }: Claimed): Promise<boolean> => accounts.setIdentifier(userId, identifier),

    /**
     * Gives a claim back, unless it is also that of what the person keeps: the same address in another spelling. Safe to
     * repeat: only claims of this user are removed.
     */
    async releaseIdentifier({ userId, identifier, kept }: Claimed & { kept?: Identifier }): Promise<void> {
      if (kept !== undefined && accounts.isSameClaim(identifier, kept)) return;
      await accounts.release(userId, { [identifier.kind]: identifier.value });
    },

    /** Leaves the event. Safe to repeat: keyed by `changeId`. */
    async tellIdentityChanged(change: IdentityChangeTold): Promise<void> {
      const { changeId, userId, wanted, isTaken } = change;
      events.identityChanged({ changeId, userId, kind: wanted.kind, isTaken });
    },
  };
}

interface IdentityChangeTold {
  changeId: string;
  userId: string;
  wanted: Identifier;
  /** Somebody else has it. */
  isTaken: boolean;
}
