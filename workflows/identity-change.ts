/**
 * Identity change: another user name, number or e-mail address of a person. Whoever starts it has had a new number or
 * address proven.
 *
 * 1. Read what the person has.
 * 2. Claim the new one: when somebody else has it, nothing is changed.
 * 3. Write it into the account.
 * 4. Release the one before.
 * 5. Leave the event.
 * 6. Have the owner told, of a number or address at what the person had before: whoever takes an account over has the new one.
 *
 * Undone: the claim, when the account is gone. Each step is repeated until it is done, however long its system is away.
 * The changes of one person run one after the other, by the id of the workflow: none releases what another has claimed.
 */
import { proxyActivities } from '@temporalio/workflow';
import type { IdentityChangeActivities } from '../activities/identity-change.ts';
import type { Identifier } from '../domain/account.ts';
import { recipientsOf } from '../domain/notifications.ts';
import { notifyOwner } from './notification.ts';
import { heartbeatTimeout, retry } from './retries.ts';

export interface IdentityChangeInput {
  /** The same for every repeat, and of this change alone. */
  changeId: string;
  userId: string;
  /** What the person has from then on. */
  wanted: Identifier;
}

/** `taken`: somebody else has it. `gone`: there is no such account any more. */
export interface ChangedIdentity {
  /** Of whose change this is the result. */
  changeId: string;
  outcome: 'changed' | 'taken' | 'gone';
}

const { readIdentity, claimIdentifier, writeIdentifier, releaseIdentifier, tellIdentityChanged } =
  proxyActivities<IdentityChangeActivities>({ startToCloseTimeout: '30s', heartbeatTimeout, retry });

/** Changes a name, number or address; safe to run again. */
export async function identityChange(input: IdentityChangeInput): Promise<ChangedIdentity> {
  const { changeId, userId, wanted } = input;
  const before = await readIdentity({ userId });
  if (before === null) return { changeId, outcome: 'gone' };
  const replaced = before[wanted.kind];
  if (!(await claimIdentifier({ userId, identifier: wanted }))) {
    await tellIdentityChanged({ ...input, isTaken: true });
    return { changeId, outcome: 'taken' };
  }
  if (!(await writeIdentifier({ userId, identifier: wanted }))) {
    await releaseIdentifier({ userId, identifier: wanted });
    return { changeId, outcome: 'gone' };
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
