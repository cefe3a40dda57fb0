/** Activities that create the account of a registration, and store its credentials until then. */
import type { Accounts } from '../adapters/mongo/accounts.ts';
import type { Devices } from '../adapters/mongo/devices.ts';
import type { Passwords } from '../adapters/passwords.ts';
import type { OneTimeSecrets } from '../adapters/redis/one-time-secrets.ts';
import type { Registrations } from '../adapters/redis/registrations.ts';
import type { SessionEnds } from '../adapters/redis/sessions.ts';
import { type CredentialKind, credentialKinds } from '../domain/account.ts';
import type { StoredDevice } from '../domain/device.ts';
import type { Holder } from '../domain/directory.ts';
import { Failure } from '../domain/failures.ts';
import type { ContactIdentity } from '../domain/identity.ts';
import { isOwnWord, ownSpellings } from '../domain/passwords.ts';
import type { DeviceRefusal, RegistrationLock } from '../domain/registration.ts';
import type { Events } from '../platform/events/events.ts';
import type { RegistrationDevices } from './registration-devices.ts';

/** The input of `hashCredentials`. */
interface HashCredentialsInput {
  registrationId: string;
  /** Reference to the one-time secret that holds the password, the PIN or both. */
  credentialsRef: string;
  /** The identity as far as it is known; the password must not be a word of it. */
  identity?: ContactIdentity;
}

/** What became of credentials: `lost`, their one-time secret has expired; `own-word`, the password is a word of the user. */
type KeptCredentials = 'kept' | 'lost' | 'own-word';

/** The input of `judgeCredentials`. */
type JudgeCredentialsInput = Required<Pick<HashCredentialsInput, 'registrationId' | 'identity'>>;

/** The account that a registration creates or recovers. */
export interface AccountInput {
  registrationId: string;
  userId: string;
  identity: ContactIdentity;
  /** Milliseconds since the Unix epoch. */
  createdAt: number;
  /** The account gets the stored device of the registration. */
  hasDevice: boolean;
  /** Reference to a one-time secret with credentials that are not hashed yet. */
  credentialsRef?: string;
  /** Language of the messages to the owner, BCP 47. */
  locale?: string | undefined;
}

/** The account that has an identity, and its registration lock; null if the lock has ended. */
interface LockedAccount {
  lockedBy: string;
  lock: RegistrationLock | null;
}

/** Another account has the identity; `locked`: its owner may recover it. */
type ClaimRefusal = { outcome: 'taken' } | ({ outcome: 'locked' } & LockedAccount);

/** The device does not fit the account, which exists. */
type DeviceRefused = { outcome: 'device-refused'; why: DeviceRefusal };

/**
 * What became of an account. `held`: accounts of other entries of the directory hold some of the identity; `otherwise` is
 * the answer if they keep it. `lost` and `own-word`: as `hashCredentials`.
 */
export type CreateAnswer =
  | { outcome: 'created' }
  | { outcome: 'held'; heldBy: Holder[]; otherwise: ClaimRefusal }
  | { outcome: 'lost' | 'own-word' }
  | ClaimRefusal
  | DeviceRefused;

/** What became of a recovery: the replaced credentials, and the devices that are being removed. */
export type RecoverAnswer =
  | { outcome: 'recovered'; replaced: CredentialKind[]; ended: Pick<StoredDevice, 'deviceId' | 'createdAt'>[] }
  | { outcome: 'taken' }
  | DeviceRefused;

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
  sessions: Pick<SessionEnds, 'endAll' | 'endDeviceless' | 'lastSeenAt'>;
  devices: Pick<Devices, 'read'>;
  /** How long an account must be unused until its registration lock ends, in milliseconds; undefined: it never does. */
  lockMs: number | undefined;
  events: Pick<Events, 'credentialChanged'>;
  registrations: Pick<Registrations, 'saveCredentials' | 'readCredentials'>;
  oneTimeSecrets: Pick<OneTimeSecrets, 'read'>;
  passwords: Pick<Passwords, 'hash' | 'verify'>;
  registrationDevices: RegistrationDevices;
  /** Returns whether an error is an outage of the database or of Redis, as opposed to a bug. */
  isOutage: (err: unknown) => boolean;
}

/** The account activities of the registration role. */
export type AccountActivities = ReturnType<typeof createAccountActivities>;

/** Creates the account activities of the registration role. */
export function createAccountActivities(deps: AccountActivityDeps) {
  const { accounts } = deps;
  const orUnavailable = <T>(act: () => Promise<T>): Promise<T> => failOnOutage(act, deps.isOutage);

  return {
    ...credentialsBefore(deps),

    /**
     * Creates the account: hashes the credentials if they are not hashed yet, claims name, number and address, stores the
     * account, and gives it the device. When another account has some of the identity, nothing is claimed. One activity,
     * because each costs more than all of this. Idempotent, also after an attempt that was interrupted anywhere: hashes
     * are keyed by their secret, claims by what they claim, the account by `userId`, the device by the registration.
     */
    createAccount: (input: AccountInput): Promise<CreateAnswer> => orUnavailable(() => create(deps, input)),

    /** Compensates `createAccount`. Idempotent, also when nothing was created: only what is of this user is removed. */
    removeAccount: ({ userId, identity }: AccountInput): Promise<void> =>
      orUnavailable(async () => {
        await deps.registrationDevices.remove(userId);
        await accounts.remove(userId);
        await accounts.release(userId, identity);
      }),

    /**
     * Returns the account that has the identity and a registration lock; null if there is none, if its lock has ended, or if
     * the directory may give the identity to this user. Read-only.
     */
    findLocked: ({ userId, identity }: AccountInput): Promise<LockedAccount | null> =>
      orUnavailable(async () => {
        const isOfDirectory = identity.directoryId !== undefined;
        if (isOfDirectory && (await accounts.findHolders(userId, identity)).length > 0) return null;
        const found = await findLockedAccount(deps, identity);
        return found === undefined || found.lock === null ? null : found;
      }),

    /**
     * Recovers an existing account after its approval, or after its registration lock has ended: a new password or PIN
     * replaces the old one, its sessions end, and it gets the device. `keepsDevices`: those of its devices stay, because
     * one of them has approved. `taken`: the identity does not belong to that account. Idempotent: it overwrites.
     */
    recoverAccount: (input: RecoveryInput): Promise<RecoverAnswer> => orUnavailable(() => recover(deps, input)),
  };
}

async function create(deps: AccountActivityDeps, input: AccountInput): Promise<CreateAnswer> {
  const { accounts, registrations, registrationDevices } = deps;
  const { registrationId, userId, identity, createdAt, locale, credentialsRef } = input;
  if (credentialsRef !== undefined) {
    const kept = await keepCredentials(deps, { registrationId, credentialsRef, identity });
    if (kept !== 'kept') return { outcome: kept };
  }
  if (!(await accounts.claim(userId, identity))) {
    await accounts.release(userId, identity);
    return refusalOf(deps, input);
  }
  const { reference: _, ...credentials } = await registrations.readCredentials(registrationId);
  await accounts.insert({
    userId,
    registrationId,
    identity,
    ...credentials,
    createdAt: new Date(createdAt),
    ...(locale && { locale }),
  });
  if (!input.hasDevice) return { outcome: 'created' };
  const added = await registrationDevices.add({ registrationId, userId, createdAt, isReplacing: false });
  return added.outcome === 'added' ? { outcome: 'created' } : { outcome: 'device-refused', why: added.outcome };
}

/** Returns who has the identity: accounts that the directory may take it from, or one that keeps it. */
async function refusalOf(deps: AccountActivityDeps, { userId, identity }: AccountInput): Promise<CreateAnswer> {
  const locked = await findLockedAccount(deps, identity);
  const otherwise: ClaimRefusal = locked === undefined ? { outcome: 'taken' } : { outcome: 'locked', ...locked };
  if (identity.directoryId === undefined) return otherwise;
  const heldBy = await deps.accounts.findHolders(userId, identity);
  return heldBy.length > 0 ? { outcome: 'held', heldBy, otherwise } : otherwise;
}

async function recover(
  { accounts, registrations, registrationDevices, sessions, events }: AccountActivityDeps,
  { registrationId, userId, identity, createdAt, hasDevice, keepsDevices = false }: RecoveryInput,
): Promise<RecoverAnswer> {
  if ((await accounts.findOwner(identity))?.userId !== userId) return { outcome: 'taken' };
  const secrets = await registrations.readCredentials(registrationId);
  const replaced = credentialKinds.filter((kind) => secrets[kind] !== undefined);
  for (const kind of replaced) {
    await accounts.setSecret(userId, kind, secrets[kind] ?? '');
    events.credentialChanged({ changeId: registrationId, userId, kind, why: 'reset' });
  }
  await accounts.addRegistration(userId, registrationId);
  if (keepsDevices) await sessions.endDeviceless(userId);
  else await sessions.endAll(userId);
  if (!hasDevice) return { outcome: 'recovered', replaced, ended: [] };
  const added = await registrationDevices.add({ registrationId, userId, createdAt, isReplacing: !keepsDevices });
  if (added.outcome !== 'added') return { outcome: 'device-refused', why: added.outcome };
  return { outcome: 'recovered', replaced, ended: added.ended };
}

/** The activities on the credentials of an account that does not exist yet. */
function credentialsBefore(deps: AccountActivityDeps) {
  const { registrations, passwords } = deps;
  return {
    /**
     * Hashes password and PIN and stores the hashes. Returns `lost` when the one-time secret has expired (two minutes),
     * and `own-word` when the password is the name, address or number of the user: only here are both known. Idempotent:
     * what was hashed of a secret is not hashed again.
     */
    hashCredentials: (input: HashCredentialsInput): Promise<KeptCredentials> => keepCredentials(deps, input),

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

/** Hashes credentials and stores the hashes, unless that was done before. */
async function keepCredentials(
  { registrations, oneTimeSecrets, passwords }: AccountActivityDeps,
  { registrationId, credentialsRef, identity }: HashCredentialsInput,
): Promise<KeptCredentials> {
  if ((await registrations.readCredentials(registrationId)).reference === credentialsRef) return 'kept';
  const given = (await oneTimeSecrets.read(credentialsRef)) as { password?: string; pin?: string } | undefined;
  if (given === undefined) return 'lost';
  if (isOwnWord(given.password ?? '', wordsOf(identity))) return 'own-word';
  const [password, pin] = await Promise.all([
    given.password === undefined ? undefined : passwords.hash(given.password),
    given.pin === undefined ? undefined : passwords.hash(given.pin),
  ]);
  const hashes = { ...(password && { password }), ...(pin && { pin }) };
  await registrations.saveCredentials(registrationId, hashes, credentialsRef);
  return 'kept';
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

/** Returns the account that has the identity. Without PIN and devices it is not recovered: its owner can log in. */
async function findLockedAccount(
  { accounts, devices, sessions, lockMs }: Pick<AccountActivityDeps, 'accounts' | 'devices' | 'sessions' | 'lockMs'>,
  identity: ContactIdentity,
): Promise<LockedAccount | undefined> {
  const owner = await accounts.findOwner(identity);
  if (owner === undefined) return undefined;
  const { userId, hasPin, createdAt } = owner;
  const hasDevices = ((await devices.read(userId))?.devices.length ?? 0) > 0;
  if (!hasPin && !hasDevices) return undefined;
  if (lockMs === undefined) return { lockedBy: userId, lock: { hasPin, hasDevices } };
  const endsAt = Math.max(createdAt.getTime(), (await sessions.lastSeenAt(userId)) ?? 0) + lockMs;
  return { lockedBy: userId, lock: endsAt <= Date.now() ? null : { hasPin, hasDevices, endsAt } };
}

function wordsOf({ username, fullName, email, phone }: ContactIdentity = {}): string[] {
  return [username, fullName, email, phone].flatMap((word) => word ?? []);
}
