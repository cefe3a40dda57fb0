/**
 * Identity change: a new user name, number or e-mail address of an account. The caller starts it once a new number or
 * address is proven.
 *
 * 1. Read the current identity.
 * 2. Claim the new value. If it belongs to another account, nothing changes; one that the directory gives is transferred
 *    if the entry of the other account no longer has it.
 * 3. Write it into the account.
 * 4. Release the old value.
 * 5. Emit the event.
 * 6. After a change of number or address, notify the owner at the old ones: an attacker who has taken over the account
 *    controls the new one.
 *
 * Compensation: the claim is released when the account is gone, or has changed since the proof was begun. Each step is retried until it succeeds, however long
 * its dependency is unavailable. The workflow id is per user, so the changes of one user run one after another and none
 * releases what another has claimed.
 */
import { proxyActivities } from '@temporalio/workflow';
import type { IdentityChangeActivities, IdentityRelease } from '../activities/identity-change.ts';
import type { IdentityTransferActivities } from '../activities/identity-transfer.ts';
import type { UserAdministrationActivities } from '../activities/user-administration.ts';
import type { Identifier } from '../domain/account.ts';
import { recipientsOf } from '../domain/notifications.ts';
import { transfer } from './identity-transfer.ts';
import { notifyOwner } from './notification.ts';
import { isOutage } from './refusals.ts';
import { heartbeatTimeout, retry } from './retries.ts';

/** The input of an identity change. */
export interface IdentityChangeInput {
  /** Unique to this change, the same for every retry. */
  changeId: string;
  userId: string;
  /** The new value. */
  wanted: Identifier;
  /** The epoch of the account in which the proof of a new number or address was begun; any without it. */
  epoch?: number | undefined;
  /** The directory gives the value to the entry that the account is linked to. */
  isFromDirectory?: boolean;
}

/** The input of a release. */
export interface IdentityReleaseInput extends Omit<IdentityRelease, 'sessionsEnded'> {
  /** Milliseconds since the Unix epoch. */
  at: number;
}

/**
 * The result. `taken`: another account has the value. `gone`: the account does not exist. `outdated`: it has changed since
 * the proof of the value was begun.
 */
export interface ChangedIdentity {
  /** The change that this result belongs to. */
  changeId: string;
  outcome: 'changed' | 'taken' | 'gone' | 'outdated';
}

const activities = proxyActivities<IdentityChangeActivities>({
  startToCloseTimeout: '30s',
  heartbeatTimeout,
  retry,
});
const { readIdentity, claimIdentifier, writeIdentifier, releaseIdentifier, tellIdentityChanged } = activities;
const { takeIdentifier, tellIdentityReleased } = activities;
const { findHolders } = proxyActivities<IdentityTransferActivities>({
  startToCloseTimeout: '30s',
  heartbeatTimeout,
  retry,
});
const { endSessions } = proxyActivities<UserAdministrationActivities>({
  startToCloseTimeout: '30s',
  heartbeatTimeout,
  retry,
});

/** Changes a user name, number or address. Idempotent. */
export async function identityChange(input: IdentityChangeInput): Promise<ChangedIdentity> {
  const { changeId, userId, wanted, epoch } = input;
  const before = await readIdentity({ userId });
  if (before === null) return { changeId, outcome: 'gone' };
  const replaced = before[wanted.kind];
  if (!(await claimIdentifier({ userId, identifier: wanted })) && !(await claimTransferred(input))) {
    // the directory sync tries it again at each run
    const occasion = input.isFromDirectory ? `directory-${userId}` : changeId;
    await tellIdentityChanged({ ...input, changeId: occasion, isTaken: true });
    return { changeId, outcome: 'taken' };
  }
  if (!(await writeIdentifier({ userId, identifier: wanted, epoch }))) {
    return await released(input, replaced);
  }
  if (replaced !== undefined) {
    await releaseIdentifier({ userId, identifier: { kind: wanted.kind, value: replaced }, kept: wanted });
  }
  await tellIdentityChanged({ ...input, isTaken: false });
  if (wanted.kind !== 'username') {
    await notifyOwner({ userId, kind: 'contact-changed', occasion: changeId, recipients: recipientsOf(before) });
  }
  return { changeId, outcome: 'changed' };
}

/** Undoes the claim of a value that the account did not get. */
async function released(
  { changeId, userId, wanted, epoch }: IdentityChangeInput,
  replaced: string | undefined,
): Promise<ChangedIdentity> {
  const kept = replaced === undefined ? undefined : { kind: wanted.kind, value: replaced };
  await releaseIdentifier({ userId, identifier: wanted, ...(kept && { kept }) });
  return { changeId, outcome: epoch === undefined ? 'gone' : 'outdated' };
}

/** Claims a value of the directory that the entry of another account no longer has. Returns whether it is claimed. */
async function claimTransferred({ changeId, userId, wanted, isFromDirectory }: IdentityChangeInput): Promise<boolean> {
  if (isFromDirectory !== true) return false;
  const holders = await findHolders({ userId, identity: { [wanted.kind]: wanted.value } });
  if (holders.length === 0) return false;
  const isFree = await transfer({ changeId, userId }, holders, (read) =>
    read().catch((err: unknown) => {
      // the directory is asked again by the next directory sync
      if (isOutage(err)) return undefined;
      throw err;
    }),
  );
  return isFree && (await claimIdentifier({ userId, identifier: wanted }));
}

/**
 * Release: an operator takes a user name, number or address from an account, so that anyone can claim it.
 *
 * 1. Read the current identity.
 * 2. Take the value from the account, and delete its claim.
 * 3. End the sessions of the account, and emit the event.
 * 4. After the release of a number or address, notify the owner at the ones from before.
 *
 * Returns how many sessions ended; undefined when the account has no such value. Idempotent.
 */
export async function identityRelease(input: IdentityReleaseInput): Promise<{ sessionsEnded: number } | undefined> {
  const { changeId, userId, kind, at } = input;
  const before = await readIdentity({ userId });
  const value = before?.[kind];
  if (before === null || value === undefined) return undefined;
  await takeIdentifier({ userId, identifier: { kind, value } });
  const sessionsEnded = await endSessions({ userId, at });
  await tellIdentityReleased({ ...input, sessionsEnded });
  if (kind !== 'username') {
    await notifyOwner({ userId, kind: 'contact-changed', occasion: changeId, recipients: recipientsOf(before) });
  }
  return { sessionsEnded };
}
