/**
 * Identity change: a new user name, number or e-mail address of an account. The caller starts it once a new number or
 * address is proven.
 *
 * 1. Read the current identity.
 * 2. Claim the new value. If it belongs to another account, nothing changes.
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
import type { IdentityChangeActivities } from '../activities/identity-change.ts';
import type { Identifier } from '../domain/account.ts';
import { recipientsOf } from '../domain/notifications.ts';
import { notifyOwner } from './notification.ts';
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

const { readIdentity, claimIdentifier, writeIdentifier, releaseIdentifier, tellIdentityChanged } =
  proxyActivities<IdentityChangeActivities>({ startToCloseTimeout: '30s', heartbeatTimeout, retry });

/** Changes a user name, number or address. Idempotent. */
export async function identityChange(input: IdentityChangeInput): Promise<ChangedIdentity> {
  const { changeId, userId, wanted, epoch } = input;
  const before = await readIdentity({ userId });
  if (before === null) return { changeId, outcome: 'gone' };
  const replaced = before[wanted.kind];
  if (!(await claimIdentifier({ userId, identifier: wanted }))) {
    await tellIdentityChanged({ ...input, isTaken: true });
    return { changeId, outcome: 'taken' };
  }
  if (!(await writeIdentifier({ userId, identifier: wanted, epoch }))) {
    const kept = replaced === undefined ? undefined : { kind: wanted.kind, value: replaced };
    await releaseIdentifier({ userId, identifier: wanted, ...(kept && { kept }) });
    return { changeId, outcome: epoch === undefined ? 'gone' : 'outdated' };
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
