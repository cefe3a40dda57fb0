/** Activities that change the password or PIN of an account. */
import type { Accounts } from '../adapters/mongo/accounts.ts';
import type { OneTimeSecrets } from '../adapters/redis/one-time-secrets.ts';
import type { SessionEnds } from '../adapters/redis/sessions.ts';
import type { CredentialKind } from '../domain/account.ts';
import type { Events } from '../platform/events/events.ts';

/** A change of a password or PIN. */
export interface CredentialInput {
  /** Unique to this change, the same for every retry. */
  changeId: string;
  userId: string;
  kind: CredentialKind;
  /** `change`: the user knew the old credential. `reset`: the user had forgotten it. */
  why: 'change' | 'reset';
  /** Reference to the one-time secret that holds the hash. */
  hashRef: string;
  /** The session that stays open. Without it, all sessions end. */
  sessionId?: string | undefined;
  /** The epoch of the account in which the proof for this change was begun; any without it. */
  epoch?: number | undefined;
}

/** Dependencies of the credential activities. */
export interface CredentialActivityDeps {
  accounts: Pick<Accounts, 'setSecret'>;
  sessions: Pick<SessionEnds, 'endAll'>;
  oneTimeSecrets: Pick<OneTimeSecrets, 'read'>;
  events: Pick<Events, 'credentialChanged'>;
}

/** The credential activities of the registration role. */
export type CredentialActivities = ReturnType<typeof createCredentialActivities>;

/** Creates the credential activities of the registration role. Temporal retries outages. */
export function createCredentialActivities({ accounts, sessions, oneTimeSecrets, events }: CredentialActivityDeps) {
  return {
    /**
     * Stores the hash, which raises the epoch of the account. Returns `lost` when the one-time secret has expired (two
     * minutes), and `outdated` when the account has left the epoch of the proof. Idempotent: the same hash is written
     * once, and reading does not delete the secret.
     */
    async storeCredential({ userId, kind, hashRef, epoch }: CredentialInput): Promise<'stored' | 'lost' | 'outdated'> {
      const hash = (await oneTimeSecrets.read(hashRef)) as string | undefined;
      if (hash === undefined) return 'lost';
      return (await accounts.setSecret(userId, kind, hash, { epoch })) ? 'stored' : 'outdated';
    },

    /** Ends the user's sessions except the requesting one. Returns how many ended. Idempotent: it deletes. */
    endOtherSessions: ({ userId, sessionId }: CredentialInput): Promise<number> =>
      sessions.endAll(userId, { exceptId: sessionId }),

    /** Emits the event. Idempotent by `changeId`. */
    async tellCredentialChanged({ changeId, userId, kind, why }: CredentialInput): Promise<void> {
      events.credentialChanged({ changeId, userId, kind, why });
    },
  };
}
