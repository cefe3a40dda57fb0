/** The password and the PIN of an account. */
import type { Accounts } from '../adapters/mongo/accounts.ts';
import type { OneTimeSecrets } from '../adapters/redis/one-time-secrets.ts';
import type { Sessions } from '../adapters/redis/sessions.ts';
import type { CredentialKind } from '../domain/account.ts';
import type { Events } from '../platform/events.ts';

export interface CredentialInput {
  /** The same for every repeat, and of this change alone. */
  changeId: string;
  userId: string;
  kind: CredentialKind;
  /** `change`: by the person, who knew the one before. `reset`: it was forgotten. */
  why: 'change' | 'reset';
  /** Reference of the sealed hash. */
  hashRef: string;
  /** The session that goes on; none does without. */
  sessionId?: string | undefined;
}

export interface CredentialActivityDeps {
  accounts: Pick<Accounts, 'setSecret'>;
  sessions: Pick<Sessions, 'endAll'>;
  oneTimeSecrets: Pick<OneTimeSecrets, 'read'>;
  events: Pick<Events, 'credentialChanged'>;
}

export type CredentialActivities = ReturnType<typeof createCredentialActivities>;

/** Creates the activities on credentials of the registration role. Outages are left to Temporal, which repeats them. */
export function createCredentialActivities({ accounts, sessions, oneTimeSecrets, events }: CredentialActivityDeps) {
  return {
    /**
     * Stores the sealed hash; `lost` when the seal outlived its two minutes. Safe to repeat: it replaces, and the seal stays
     * until its own end.
     */
    async storeCredential({ userId, kind, hashRef }: CredentialInput): Promise<'stored' | 'lost'> {
      const hash = (await oneTimeSecrets.read(hashRef)) as string | undefined;
      if (hash === undefined) return 'lost';
      await accounts.setSecret(userId, kind, hash);
      return 'stored';
    },

    /** Ends the sessions of a person but the one that asked; answers how many. Safe to repeat: it deletes. */
    endOtherSessions: ({ userId, sessionId }: CredentialInput): Promise<number> => sessions.endAll(userId, sessionId),

    /** Leaves the event. Safe to repeat: keyed by `changeId`. */
    async tellCredentialChanged({ changeId, userId, kind, why }: CredentialInput): Promise<void> {
      events.credentialChanged({ changeId, userId, kind, why });
    },
  };
}
