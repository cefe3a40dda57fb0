/** Activities that change the user name, number or address of an account. Each value belongs to one account only. */
import type { Accounts } from '../adapters/mongo/accounts.ts';
import type { Identifier } from '../domain/account.ts';
import type { Events } from '../platform/events/events.ts';

/** The changeable parts of a user's identity, and the language of their messages. */
export interface OwnIdentity {
  username?: string;
  phone?: string;
  email?: string;
  locale?: string;
}

/** Dependencies of the identity change activities. */
export interface IdentityChangeActivityDeps {
  accounts: Pick<Accounts, 'read' | 'claim' | 'release' | 'setIdentifier' | 'takeIdentifier' | 'isSameClaim'>;
  events: Pick<Events, 'identityChanged' | 'identityReleased'>;
}

interface Claimed {
  userId: string;
  identifier: Identifier;
}

/** The identity change activities of the registration role. */
export type IdentityChangeActivities = ReturnType<typeof createIdentityChangeActivities>;

/** Creates the identity change activities of the registration role. Temporal retries outages. */
export function createIdentityChangeActivities({ accounts, events }: IdentityChangeActivityDeps) {
  return {
    /** Returns the user's current identity; null without an account. Read-only. */
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

    /**
     * Claims a value. Returns false when another account has it, or a name that looks like it. Claims made until then are
     * released, except those of the current identity. Idempotent: a claim stores its user.
     */
    async claimIdentifier({ userId, identifier: { kind, value } }: Claimed): Promise<boolean> {
      const wanted = { [kind]: value };
      if (await accounts.claim(userId, wanted)) return true;
      await accounts.release(userId, wanted, await accounts.read(userId));
      return false;
    },

    /**
     * Writes the value into the account, which raises its epoch for a number or an address. Returns false without an
     * account, and when it has left the epoch of the proof. Idempotent: the same value is written once.
     */
    writeIdentifier: ({ userId, identifier, epoch }: Claimed & { epoch?: number | undefined }): Promise<boolean> =>
      accounts.setIdentifier(userId, identifier, { epoch }),

    /**
     * Releases a claim, unless it is also a claim of the value kept: the same address in another spelling, or a name
     * that looks alike. Idempotent: only claims of this user are removed.
     */
    async releaseIdentifier({ userId, identifier, kept }: Claimed & { kept?: Identifier }): Promise<void> {
      if (kept !== undefined && accounts.isSameClaim(identifier, kept)) return;
      await accounts.release(
        userId,
        { [identifier.kind]: identifier.value },
        kept === undefined ? {} : { [kept.kind]: kept.value },
      );
    },

    /** Takes a value from an account and deletes its claim. Idempotent: only the claim of this user is deleted. */
    takeIdentifier: ({ userId, identifier }: Claimed): Promise<void> => accounts.takeIdentifier(userId, identifier),

    /** Emits the event. Idempotent by `changeId`. */
    async tellIdentityReleased(release: IdentityRelease): Promise<void> {
      events.identityReleased(release);
    },

    /** Emits the event. Idempotent by `changeId`. */
    async tellIdentityChanged(change: IdentityChangeTold): Promise<void> {
      const { changeId, userId, wanted, isTaken } = change;
      events.identityChanged({ changeId, userId, kind: wanted.kind, isTaken });
    },
  };
}

/** A value that an operator took from an account. */
export interface IdentityRelease {
  /** Unique to this release, the same for every retry. */
  changeId: string;
  userId: string;
  kind: Identifier['kind'];
  /** Operator name, if given. */
  operator?: string | undefined;
  sessionsEnded: number;
}

interface IdentityChangeTold {
  changeId: string;
  userId: string;
  wanted: Identifier;
  /** Another account has the value. */
  isTaken: boolean;
}
