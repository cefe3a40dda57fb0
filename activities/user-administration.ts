/**
 * Activities that disable and enable an account and change its roles: the account in MongoDB, the sessions in Redis.
 */
import type { Accounts } from '../adapters/mongo/accounts.ts';
import type { SessionEnds } from '../adapters/redis/sessions.ts';
import { adminRole } from '../domain/account.ts';
import type { ConnectionEnd } from '../domain/session.ts';
import type { Events } from '../platform/events/events.ts';

/** A change of an account by an operator. */
export interface AccessChange {
  userId: string;
  /** Milliseconds since the Unix epoch. */
  at: number;
  /** Operator name, if given. */
  operator?: string | undefined;
}

/** A change of an account that ends its sessions. */
export interface EndedAccess extends AccessChange {
  /** What their connections are told; default: `revoked`. */
  reason?: ConnectionEnd;
}

/** A change of roles. */
export interface RoleChange extends AccessChange {
  /** The complete new set of roles. */
  roles: string[];
}

/** Dependencies of the user administration activities. */
export interface UserAdministrationActivityDeps {
  accounts: Pick<Accounts, 'read' | 'disable' | 'enable' | 'setRoles' | 'hasRole'>;
  sessions: Pick<SessionEnds, 'endAll' | 'setRoles'>;
  events: Pick<Events, 'userDisabled' | 'userEnabled' | 'rolesChanged'>;
}

/** The user administration activities of the registration role. */
export type UserAdministrationActivities = ReturnType<typeof createUserAdministrationActivities>;

/** Creates the user administration activities of the registration role. Temporal retries outages. */
export function createUserAdministrationActivities({ accounts, sessions, events }: UserAdministrationActivityDeps) {
  return {
    /** Marks an account disabled. Idempotent by `userId`: the first mark stays. */
    disableAccount: ({ userId, at }: AccessChange): Promise<void> => accounts.disable(userId, new Date(at)),

    /** Reverts `disableAccount`. Idempotent, also when the account is not disabled. */
    enableAccount: ({ userId }: AccessChange): Promise<void> => accounts.enable(userId),

    /** Ends all sessions of a user. Returns how many ended. Idempotent: it deletes. */
    endSessions: ({ userId, reason = 'revoked' }: EndedAccess): Promise<number> => sessions.endAll(userId, { reason }),

    /** Writes the roles of an account. Idempotent: it overwrites. */
    changeRoles: ({ userId, roles }: RoleChange): Promise<void> => accounts.setRoles(userId, roles),

    /** Returns the roles of an account, to which a refused change goes back. Read-only. */
    readRoles: async ({ userId }: AccessChange): Promise<string[]> => (await accounts.read(userId))?.roles ?? [],

    /** Returns whether an enabled admin is left. Read-only. */
    hasAdmin: (): Promise<boolean> => accounts.hasRole(adminRole),

    /**
     * Copies the current roles of the account into its open sessions. It reads them from the account, so the order of
     * two concurrent changes does not matter. Idempotent: it overwrites.
     */
    async changeSessionRoles({ userId }: RoleChange): Promise<void> {
      const account = await accounts.read(userId);
      if (account !== undefined) await sessions.setRoles(userId, account.roles);
    },

    /** Emits the event, as `tellDisabled`. */
    async tellRoles(change: RoleChange): Promise<void> {
      events.rolesChanged(change);
    },

    /** Emits the event. Idempotent by `userId` and instant. */
    async tellDisabled(change: AccessChange): Promise<void> {
      events.userDisabled(change);
    },

    /** Emits the event, as `tellDisabled`. */
    async tellEnabled(change: AccessChange): Promise<void> {
      events.userEnabled(change);
    },
  };
}
