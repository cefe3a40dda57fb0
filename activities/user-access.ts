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

export interface UserAccessActivityDeps {
  accounts: Pick<Accounts, 'disable' | 'enable'>;
  sessions: Pick<Sessions, 'endAll'>;
  events: Pick<Events, 'userDisabled' | 'userEnabled'>;
}

export type UserAccessActivities = ReturnType<typeof createUserAccessActivities>;

/** Creates the activities on access of the registration role. Outages are left to Temporal, which repeats them. */
export function createUserAccessActivities({ accounts, sessions, events }: UserAccessActivityDeps) {
  return {
    /** Marks an account disabled. Safe to repeat: keyed by `userId`, the first mark stays. */
    disableAccount: ({ userId, at }: AccessChange): Promise<void> => accounts.disable(userId, new Date(at)),

    /** Undoes `disableAccount`. Safe to repeat, and when there is no mark. */
    enableAccount: ({ userId }: AccessChange): Promise<void> => accounts.enable(userId),

    /** Ends every session of a person and answers how many. Safe to repeat: it deletes. */
    endSessions: ({ userId }: AccessChange): Promise<number> => sessions.endAll(userId),

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
