/** Who may link a device at the moment: the device that claims or approves, and its account. */
import { networkOf } from '../../adapters/ip-addresses.ts';
import { type Account, epochOf } from '../../domain/account.ts';
import { deviceIn } from '../../domain/device.ts';
import { Failure } from '../../domain/failures.ts';
import { approvableAt, type DeviceLink, numberChangeWaitMs } from '../../domain/link.ts';
import { isRunning } from '../../domain/registration.ts';
import type { DeviceSession } from '../authenticate.ts';
import type { ApiDeps } from '../deps.ts';
import { requireEnabled } from '../sessions.ts';

/** The dependencies of the locks. */
export type LockDeps = Pick<ApiDeps, 'accounts' | 'devices' | 'recoveries' | 'registrationWarnings' | 'registrations'>;

/** Why no device can be linked, in words. */
const reasons = {
  recovery: 'The password of the account is being recovered; stop the recovery or wait until it ends',
  'registration-lock': 'Somebody is registering with the number of the account; answer that request first',
  'number-changed': 'The number of the account was changed a short time ago; no device can be linked yet',
  'other-network': 'The request comes from another network; compare place and device again, and approve it then',
  'device-revoked': 'The device that approves was revoked',
  'account-changed': 'The account has changed since the link was claimed; start a new link',
} as const;

/** A reason why no device can be linked. */
export type LockReason = keyof typeof reasons;

/** Returns the failure of a lock, with its reason and the seconds left; undefined when waiting does not help. */
export function lockFailure(reason: LockReason, seconds?: number): Failure {
  return new Failure('link-locked', {
    message: reasons[reason],
    fields: { reason },
    ...(seconds !== undefined && { retryAfterSeconds: Math.max(1, Math.ceil(seconds)) }),
  });
}

/**
 * Requires that the device of a session may approve devices now: it is in the set of its account, and nothing locks the
 * account. Returns the epoch of the account.
 *
 * @throws {Failure} link-locked, account-disabled
 */
export async function requireApprover(
  deps: LockDeps,
  { kind }: Pick<DeviceLink, 'kind'>,
  { userId, deviceId }: Pick<DeviceSession, 'userId' | 'deviceId'>,
): Promise<number> {
  const [account, set] = await Promise.all([deps.accounts.read(userId), deps.devices.read(userId)]);
  if (account === undefined || deviceIn(set, deviceId) === undefined) throw lockFailure('device-revoked');
  requireEnabled(account);
  await requireUnlocked(deps, account, kind);
  return epochOf(account);
}

/**
 * An attacker who has taken over a number or mailbox must not add a device at once. An approval answers the registration
 * that has proven the number, so that one locks links only.
 */
async function requireUnlocked(deps: LockDeps, account: Account, kind: DeviceLink['kind']): Promise<void> {
  const { userId, phoneChangedAt } = account;
  const recoverySeconds = await deps.recoveries.openSeconds(userId);
  if (recoverySeconds > 0) throw lockFailure('recovery', recoverySeconds);
  const changedMs = (phoneChangedAt?.getTime() ?? 0) + numberChangeWaitMs - Date.now();
  if (changedMs > 0) throw lockFailure('number-changed', changedMs / 1000);
  const lockedSeconds = kind === 'link' ? await registrationLockSeconds(deps, userId) : 0;
  if (lockedSeconds > 0) throw lockFailure('registration-lock', lockedSeconds);
}

/** Returns for how long a running registration that has proven the number of a user can still ask for the account. */
async function registrationLockSeconds(
  { registrationWarnings, registrations }: LockDeps,
  userId: string,
): Promise<number> {
  const ids = await registrationWarnings.registrationsOf(userId);
  const found = await Promise.all(ids.map((registrationId) => registrations.read(registrationId)));
  const asking = found.flatMap((stored) => {
    if (stored === undefined || !isRunning(stored.status)) return [];
    return stored.status.existing?.userId === userId ? [stored.status.expiresAt] : [];
  });
  return Math.max(0, ...asking.map((expiresAt) => (expiresAt - Date.now()) / 1000));
}

/** Requires that a request from another network was shown for a while. @throws {Failure} link-locked */
export function requireShownLongEnough(link: DeviceLink, address: string): void {
  const leftMs = approvableAt(link, networkOf(link.ip) === networkOf(address)) - Date.now();
  if (leftMs > 0) throw lockFailure('other-network', leftMs / 1000);
}
