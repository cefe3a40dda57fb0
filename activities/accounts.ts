/** The account at the end of a registration, and what is kept for it on the way. */
import type { Accounts } from '../adapters/mongo/accounts.ts';
import type { Passwords } from '../adapters/passwords.ts';
import type { OneTimeSecrets } from '../adapters/redis/one-time-secrets.ts';
import type { Registrations } from '../adapters/redis/registrations.ts';
import type { Sessions } from '../adapters/redis/sessions.ts';
import { type CredentialKind, credentialKinds } from '../domain/account.ts';
import { Failure } from '../domain/failures.ts';
import type { Identity } from '../domain/registration.ts';
import type { Events } from '../platform/events.ts';

export interface HashCredentialsInput {
  registrationId: string;
  /** Reference of the sealed password and PIN. */
  credentialsRef: string;
}

export interface AccountInput {
  registrationId: string;
  userId: string;
  identity: Identity;
  /** Milliseconds since the Unix epoch. */
  createdAt: number;
  /** Language of the messages to the owner, BCP 47. */
  locale?: string | undefined;
}

/** True when the identity was claimed, false when somebody else has it, and else the account whose lock is in the way. */
export type ClaimAnswer = boolean | { lockedBy: string };

export interface AccountActivityDeps {
  accounts: Pick<
    Accounts,
    'claim' | 'findRegistrationLock' | 'release' | 'insert' | 'remove' | 'setSecret' | 'addRegistration'
  >;
  sessions: Pick<Sessions, 'endAll'>;
  events: Pick<Events, 'credentialChanged'>;
  registrations: Pick<Registrations, 'saveCredentials' | 'readCredentials'>;
  oneTimeSecrets: Pick<OneTimeSecrets, 'read'>;
  passwords: Pick<Passwords, 'hash'>;
  /** Tells an outage of the database or of Redis from a bug. */
  isOutage: (err: unknown) => boolean;
}

export type AccountActivities = ReturnType<typeof createAccountActivities>;

/** Creates the account activities of the registration role. */
export function createAccountActivities(deps: AccountActivityDeps) {
  const { accounts, registrations, oneTimeSecrets, passwords, sessions, events } = deps;
  const orUnavailable = <T>(act: () => Promise<T>): Promise<T> => failOnOutage(act, deps.isOutage);

  return {
    /**
     * Hashes password and PIN and keeps the hashes; `lost` when the seal outlived its two minutes. Safe to repeat: the
     * seal stays, and storing replaces.
     */
    async hashCredentials({ registrationId, credentialsRef }: HashCredentialsInput): Promise<'kept' | 'lost'> {
      const encrypted = (await oneTimeSecrets.read(credentialsRef)) as { password?: string; pin?: string } | undefined;
      if (encrypted === undefined) return 'lost';
      const [password, pin] = await Promise.all([
        encrypted.password === undefined ? undefined : passwords.hash(encrypted.password),
        encrypted.pin === undefined ? undefined : passwords.hash(encrypted.pin),
      ]);
      await registrations.saveCredentials(registrationId, { ...(password && { password }), ...(pin && { pin }) });
      return 'kept';
    },

    /**
     * Claims name, number and address for the person, unless an account has one of them. One that is locked by a PIN is
     * named, and nothing is claimed. Safe to repeat: a claim is keyed by what it claims and names its user.
     */
    claimIdentity: ({ userId, identity }: AccountInput): Promise<ClaimAnswer> =>
      orUnavailable(async () => {
        if (await accounts.claim(userId, identity)) return true;
        await accounts.release(userId, identity);
        const lockedBy = await accounts.findRegistrationLock(identity);
        return lockedBy !== undefined && { lockedBy };
      }),

    /**
     * Gives a person who opened its lock the account that their identity belongs to: a new password or PIN replaces the
     * one before, and every session ends. Answers what was replaced, false when the identity is not that account's any
     * more. Safe to repeat: it replaces.
     */
    recoverAccount: ({ registrationId, userId, identity }: AccountInput): Promise<CredentialKind[] | false> =>
      orUnavailable(async () => {
        if ((await accounts.findRegistrationLock(identity)) !== userId) return false;
        await accounts.addRegistration(userId, registrationId);
        const secrets = await registrations.readCredentials(registrationId);
        const replaced = credentialKinds.filter((kind) => secrets[kind] !== undefined);
        for (const kind of replaced) {
          await accounts.setSecret(userId, kind, secrets[kind] ?? '');
          events.credentialChanged({ changeId: registrationId, userId, kind, why: 'reset' });
        }
        await sessions.endAll(userId);
        return replaced;
      }),

    /** Undoes `claimIdentity`. Safe to repeat, and when nothing was claimed: only claims of this user are removed. */
    releaseIdentity: ({ userId, identity }: AccountInput): Promise<void> =>
      orUnavailable(() => accounts.release(userId, identity)),

    /** Writes the account with the credentials that were kept. Safe to repeat: keyed by `userId`. */
    createAccount: (input: AccountInput): Promise<void> =>
      orUnavailable(async () => {
        const { userId, identity, createdAt, locale } = input;
        const credentials = await registrations.readCredentials(input.registrationId);
        await accounts.insert({
          userId,
          registrationId: input.registrationId,
          identity,
          ...credentials,
          createdAt: new Date(createdAt),
          ...(locale && { locale }),
        });
      }),

    /** Undoes `createAccount`. Safe to repeat, and when there is no account: keyed by `userId`. */
    removeAccount: ({ userId }: AccountInput): Promise<void> => orUnavailable(() => accounts.remove(userId)),
  };
}

/** Runs a step on a database; its outage becomes a failure that a flow waits out. @throws {Failure} unavailable */
export async function failOnOutage<T>(act: () => Promise<T>, isOutage: (err: unknown) => boolean): Promise<T> {
  try {
    return await act();
  } catch (err) {
    if (isOutage(err)) throw new Failure('unavailable', { reason: 'unreachable' });
    throw err;
  }
}
