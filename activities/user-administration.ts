/** The access of a person to their account: the mark in the database, the sessions in Redis. */
import type { Accounts } from '../adapters/mongo/accounts.ts';
import type { Sessions } from '../adapters/redis/sessions.ts';
import type { Events } from '../platform/events.ts';

export interface AccessChange {
  userId: string;
  /** Milliseconds since the Unix epoch. */
  at: number;
  operator?: string | undefined;
}

export interface RoleChange extends AccessChange {
  /** All that the person has from now on. */
  roles: string[];
}

export interface UserAdministrationActivityDeps {
  accounts: Pick<Accounts, 'read' | 'disable' | 'enable' | 'setRoles'>;
  sessions: Pick<Sessions, 'endAll' | 'setRoles'>;
  events: Pick<Events, 'userDisabled' | 'userEnabled' | 'rolesChanged'>;
}

export type UserAdministrationActivities = ReturnType<typeof createUserAdministrationActivities>;

/** Creates the activities on access of the registration role. Outages are left to Temporal, which repeats them. */
export function createUserAdministrationActivities({ accounts, sessions, events }: UserAdministrationActivityDeps) {
  return {
    /** Marks an account disabled. Safe to repeat: keyed by `userId`, the first mark stays. */
    disableAccount: ({ userId, at }: AccessChange): Promise<void> => accounts.disable(userId, new Date(at)),

    /** Undoes `disableAccount`. Safe to repeat, and when there is no mark. */
    enableAccount: ({ userId }: AccessChange): Promise<void> => accounts.enable(userId),

    /** Ends every session of a person and answers how many. Safe to repeat: it deletes. */
    endSessions: ({ userId }: AccessChange): Promise<number> => sessions.endAll(userId),

    /** Writes the roles of an account. Safe to repeat: it replaces. */
    changeRoles: ({ userId, roles }: RoleChange): Promise<void> => accounts.setRoles(userId, roles),

    /**
     * Shows the roles of an account in its living sessions: those it has by now, so that of two changes the order does not
     * matter. Safe to repeat: it replaces.
     */
    async changeSessionRoles({ userId }: RoleChange): Promise<void> {
      const account = await accounts.read(userId);
      if (account !== undefined) await sessions.setRoles(userId, account.roles);
    },

    /** As `tellDisabled`. */
    async tellRoles(change: RoleChange): Promise<void> {
      events.rolesChanged(change);
    },

    /** Leaves the event. Safe to repeat: keyed by `userId` and instant. */
    async tellDisabled(change: AccessChange): Promise<void> {
      events.userDisabled(change);
    },

    /** As `tellDisabled`. */
    async tellEnabled(change: AccessChange): Promise<void> {
      events.userEnabled(change);
    },
  };
}
