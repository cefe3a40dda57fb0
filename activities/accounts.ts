/** Activities that create the account of a registration, and store its credentials until then. */
import type { Accounts } from '../adapters/mongo/accounts.ts';
import type { Devices } from '../adapters/mongo/devices.ts';
import type { Passwords } from '../adapters/passwords.ts';
import type { OneTimeSecrets } from '../adapters/redis/one-time-secrets.ts';
import type { Registrations } from '../adapters/redis/registrations.ts';
import type { AuthSessions } from '../adapters/redis/sessions.ts';
import { type CredentialKind, credentialKinds } from '../domain/account.ts';
import type { Holder } from '../domain/directory.ts';
import { Failure } from '../domain/failures.ts';
import type { ContactIdentity } from '../domain/identity.ts';
import { isOwnWord, ownSpellings } from '../domain/passwords.ts';
import type { RegistrationLock } from '../domain/registration.ts';
import type { Events } from '../platform/events/events.ts';

/** The input of `hashCredentials`. */
interface HashCredentialsInput {
  registrationId: string;
  /** Reference to the one-time secret that holds the password, the PIN or both. */
  credentialsRef: string;
  /** The identity as far as it is known; the password must not be a word of it. */
  identity?: ContactIdentity;
}

/** The input of `judgeCredentials`. */
type JudgeCredentialsInput = Required<Pick<HashCredentialsInput, 'registrationId' | 'identity'>>;

/** The account that a registration creates or recovers. */
export interface AccountInput {
  registrationId: string;
  userId: string;
  identity: ContactIdentity;
  /** Milliseconds since the Unix epoch. */
  createdAt: number;
  /** Language of the messages to the owner, BCP 47. */
  locale?: string | undefined;
}

/**
 * False: another account has the identity. `lockedBy`: the user id of that account, and its registration lock; null if
 * the lock has ended. Answers in histories of an earlier version have no lock: there it was that of a PIN.
 */
export type ClaimRefusal = false | { lockedBy: string; lock?: RegistrationLock | null };

/**
 * True: claimed. `heldBy`: accounts of other entries of the directory hold some of it; `otherwise` is the answer if they
 * keep it.
 */
export type ClaimAnswer = true | ClaimRefusal | { heldBy: Holder[]; otherwise: ClaimRefusal };

/** The existing account that a registration recovers. */
interface RecoveryInput extends AccountInput {
  keepsDevices?: boolean;
}

/** Dependencies of the account activities. */
export interface AccountActivityDeps {
  accounts: Pick<
    Accounts,
    'claim' | 'findHolders' | 'findOwner' | 'release' | 'insert' | 'remove' | 'addRegistration'
  > & {
    setSecret(userId: string, kind: CredentialKind, hash: string): Promise<unknown>;
  };
  sessions: Pick<AuthSessions, 'endAll' | 'endDeviceless' | 'lastSeenAt'>;
  devices: Pick<Devices, 'read'>;
  /** How long an account must be unused until its registration lock ends, in milliseconds; undefined: it never does. */
  lockMs: number | undefined;
  events: Pick<Events, 'credentialChanged'>;
  registrations: Pick<Registrations, 'saveCredentials' | 'readCredentials'>;
  oneTimeSecrets: Pick<OneTimeSecrets, 'read'>;
  passwords: Pick<Passwords, 'hash' | 'verify'>;
  /** Returns whether an error is an outage of the database or of Redis, as opposed to a bug. */
  isOutage: (err: unknown) => boolean;
}

/** The account activities of the registration role. */
export type AccountActivities = ReturnType<typeof createAccountActivities>;

/** Creates the account activities of the registration role. */
export function createAccountActivities(deps: AccountActivityDeps) {
  const { accounts, registrations } = deps;
  const orUnavailable = <T>(act: () => Promise<T>): Promise<T> => failOnOutage(act, deps.isOutage);

  return {
    ...credentialsBefore(deps),

    /**
     * Claims name, number and address for the user. Claims nothing when another account has one of them, and returns
     * that account with its registration lock if it has a PIN or devices, and the accounts that may have to give it up.
     * Idempotent: a claim is keyed by the claimed value and stores its user.
     */
    claimIdentity: ({ userId, identity }: AccountInput): Promise<ClaimAnswer> =>
      orUnavailable(async () => {
        if (await accounts.claim(userId, identity)) return true;
        await accounts.release(userId, identity);
        const otherwise = await refusalFor(deps, identity);
        if (identity.directoryId === undefined) return otherwise;
        const heldBy = await accounts.findHolders(userId, identity);
        return heldBy.length > 0 ? { heldBy, otherwise } : otherwise;
      }),

    /**
     * Returns the account that has the identity and a registration lock; null if there is none, if its lock has ended, or if
     * the directory may give the identity to this user. Read-only.
     */
    findLocked: ({ userId, identity }: AccountInput): Promise<Exclude<ClaimRefusal, false> | null> =>
      orUnavailable(async () => {
        const isOfDirectory = identity.directoryId !== undefined;
        if (isOfDirectory && (await accounts.findHolders(userId, identity)).length > 0) return null;
        const refusal = await refusalFor(deps, identity);
        return refusal === false || refusal.lock === null ? null : refusal;
      }),

    /**
     * Recovers an existing account after its approval, or after its registration lock has ended: a new password or PIN
     * replaces the old one, and its sessions end. `keepsDevices`: those of its devices stay, because one of them has
     * approved. Returns what was replaced; false when the identity does not belong to that account. Idempotent: it
     * overwrites.
     */
    recoverAccount: (input: RecoveryInput): Promise<CredentialKind[] | false> =>
      orUnavailable(() => recover(deps, input)),

    /** Compensates `claimIdentity`. Idempotent, also when nothing was claimed: only claims of this user are removed. */
    releaseIdentity: ({ userId, identity }: AccountInput): Promise<void> =>
      orUnavailable(() => accounts.release(userId, identity)),

    /** Creates the account with the stored credentials. Idempotent by `userId`. */
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

    /** Compensates `createAccount`. Idempotent by `userId`, also when there is no account. */
    removeAccount: ({ userId }: AccountInput): Promise<void> => orUnavailable(() => accounts.remove(userId)),
  };
}

async function recover(
  { accounts, registrations, sessions, events }: AccountActivityDeps,
  { registrationId, userId, identity, keepsDevices = false }: RecoveryInput,
): Promise<CredentialKind[] | false> {
  if ((await accounts.findOwner(identity))?.userId !== userId) return false;
  const secrets = await registrations.readCredentials(registrationId);
  const replaced = credentialKinds.filter((kind) => secrets[kind] !== undefined);
  for (const kind of replaced) {
    await accounts.setSecret(userId, kind, secrets[kind] ?? '');
    events.credentialChanged({ changeId: registrationId, userId, kind, why: 'reset' });
  }
  await accounts.addRegistration(userId, registrationId);
  if (keepsDevices) await sessions.endDeviceless(userId);
  else await sessions.endAll(userId);
  return replaced;
}

/** The activities on the credentials of an account that does not exist yet. */
function credentialsBefore({ registrations, oneTimeSecrets, passwords }: AccountActivityDeps) {
  return {
    /**
     * Hashes password and PIN and stores the hashes. Returns `lost` when the one-time secret has expired (two minutes),
     * and `own-word` when the password is the name, address or number of the user: only here are both known. Idempotent:
     * reading does not delete the secret, and storing overwrites.
     */
    async hashCredentials(input: HashCredentialsInput): Promise<'kept' | 'lost' | 'own-word'> {
      const { registrationId, credentialsRef, identity } = input;
      const encrypted = (await oneTimeSecrets.read(credentialsRef)) as { password?: string; pin?: string } | undefined;
      if (encrypted === undefined) return 'lost';
      if (isOwnWord(encrypted.password ?? '', wordsOf(identity))) return 'own-word';
      const [password, pin] = await Promise.all([
        encrypted.password === undefined ? undefined : passwords.hash(encrypted.password),
        encrypted.pin === undefined ? undefined : passwords.hash(encrypted.pin),
      ]);
      await registrations.saveCredentials(registrationId, { ...(password && { password }), ...(pin && { pin }) });
      return 'kept';
    },

    /**
     * Returns `own-word` when the password that was stored before the identity was known is the name, address or number
     * of the user, in one of few spellings: only its hash is known. Read-only.
     */
    async judgeCredentials({ registrationId, identity }: JudgeCredentialsInput): Promise<'kept' | 'own-word'> {
      const { password } = await registrations.readCredentials(registrationId);
      if (password === undefined) return 'kept';
      for (const spelling of ownSpellings(wordsOf(identity))) {
        if (await passwords.verify(password, spelling)) return 'own-word';
      }
      return 'kept';
    },
  };
}

/** Runs a step and reports an outage as a failure that workflows wait out. @throws {Failure} unavailable */
export async function failOnOutage<T>(act: () => Promise<T>, isOutage: (err: unknown) => boolean): Promise<T> {
  try {
    return await act();
  } catch (err) {
    if (isOutage(err)) throw new Failure('unavailable', { reason: 'unreachable' });
    throw err;
  }
}

/** Without PIN and devices the account is not recovered: its owner can log in. */
async function refusalFor(
  { accounts, devices, sessions, lockMs }: Pick<AccountActivityDeps, 'accounts' | 'devices' | 'sessions' | 'lockMs'>,
  identity: ContactIdentity,
): Promise<ClaimRefusal> {
  const owner = await accounts.findOwner(identity);
  if (owner === undefined) return false;
  const { userId, hasPin, createdAt } = owner;
  const hasDevices = ((await devices.read(userId))?.devices.length ?? 0) > 0;
  if (!hasPin && !hasDevices) return false;
  if (lockMs === undefined) return { lockedBy: userId, lock: { hasPin, hasDevices } };
  const endsAt = Math.max(createdAt.getTime(), (await sessions.lastSeenAt(userId)) ?? 0) + lockMs;
  return { lockedBy: userId, lock: endsAt <= Date.now() ? null : { hasPin, hasDevices, endsAt } };
}

function wordsOf({ username, fullName, email, phone }: ContactIdentity = {}): string[] {
  return [username, fullName, email, phone].flatMap((word) => word ?? []);
}
