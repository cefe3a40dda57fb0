/** The device of a registration, and the approval by the devices of the account that already has the identity. */
import { proxyActivities, setHandler } from '@temporalio/workflow';
import type { AccountActivities, AccountInput, ClaimRefusal } from '../activities/accounts.ts';
import type { RegistrationDeviceActivities } from '../activities/registration-devices.ts';
import type { ExistingAccount } from '../domain/registration.ts';
import { refuseApproval, refuseAsking, refuseStep } from '../domain/registration-refusals.ts';
import { startDeviceRemoval } from './device-removal.ts';
import { throwIfRefused } from './refusals.ts';
import { approvalAnswered, approve, askApproval, type StepAnswer, setDevice } from './registration-messages.ts';
import type { RegistrationProgress } from './registration-progress.ts';
import { heartbeatTimeout, retry } from './retries.ts';

const activities = proxyActivities<RegistrationDeviceActivities>({
  startToCloseTimeout: '30s',
  heartbeatTimeout,
  retry,
});
const accounts = proxyActivities<AccountActivities>({ startToCloseTimeout: '30s', heartbeatTimeout, retry });
const readable = {
  find: { summary: 'Look for an account with this number, address or directory entry' },
  add: { summary: 'Add the device' },
  remove: { summary: 'Remove the device' },
};

/** Step 5. A newer description replaces an older one. */
export function handleDevice(progress: RegistrationProgress): void {
  setHandler(setDevice, ({ identityKey }): Promise<StepAnswer> => progress.describeDevice(identityKey), {
    validator: (_request) => throwIfRefused(refuseStep('device', progress.state())),
    description: 'Records that a device was described',
  });
}

/**
 * Gives the device of step 5, if there is one, to the account. Without an approval by a device, the other devices of an
 * existing account end. `again`: the step is open again, because the device does not fit or is not stored any more.
 * `unwanted`: the database was unavailable for too long.
 */
export async function attachDevice(
  progress: RegistrationProgress,
  { registrationId, userId, createdAt }: AccountInput,
  isUnwanted: () => boolean,
): Promise<'given' | 'again' | 'unwanted'> {
  if (!progress.hasDevice) return 'given';
  const isReplacing = progress.existing !== undefined && !progress.isApprovedByDevice;
  const input = { registrationId, userId, createdAt, isReplacing };
  const add = () => activities.addRegistrationDevice.executeWithOptions(readable.add, [input]);
  const answer = await progress.flow.calls.callWhenAvailable('database', add, isUnwanted);
  if (answer === undefined) return 'unwanted';
  if (answer.outcome !== 'added') {
    await progress.reopenDevice(answer.outcome);
    return 'again';
  }
  for (const device of answer.ended) {
    await startDeviceRemoval({ userId, ...device, at: createdAt, why: 'replaced' });
  }
  return 'given';
}

/** Compensates `attachDevice` for an account that was just created. */
export function removeDevice({ userId }: AccountInput): Promise<void> {
  return activities.removeRegistrationDevice.executeWithOptions(readable.remove, [{ userId }]);
}

/**
 * Looks for the account that already has the identity, once only the device and what does not depend on it are open: the
 * device of a person with an approval is another one than that of a person without. An account whose lock has ended is
 * left to the claim, because its owner may use it meanwhile.
 */
export async function seekExisting(progress: RegistrationProgress): Promise<void> {
  const until = Date.now() + progress.input.rules.waitMaxSeconds * 1000;
  const isUnwanted = () => progress.isOver() || progress.hasDevice || Date.now() > until;
  const find = () => accounts.findLocked.executeWithOptions(readable.find, [progress.account()]);
  const found = await progress.flow.calls.callWhenAvailable('database', find, isUnwanted);
  if (found && !isUnwanted()) await progress.meet(existingOf(found));
  progress.endSearch();
}

/** In histories of an earlier version the lock is that of a PIN. */
export function existingOf({ lockedBy, lock }: Exclude<ClaimRefusal, false>): ExistingAccount {
  if (lock === null) return { userId: lockedBy };
  return { userId: lockedBy, lock: lock ?? { hasPin: true, hasDevices: false } };
}

/** Step 9: the PIN of the existing account, or an approval by one of its devices. */
export function handleApproval(progress: RegistrationProgress): void {
  setHandler(approve, (): Promise<StepAnswer> => progress.approve('pin', 'PIN of the account right'), {
    validator: () => throwIfRefused(refuseApproval(progress.state())),
    description: 'Records that the PIN of the existing account was typed',
  });
  setHandler(askApproval, ({ linkId }): Promise<StepAnswer> => progress.ask(linkId), {
    validator: (_request) => throwIfRefused(refuseAsking(progress.state())),
    description: 'Records that the devices of the existing account are asked for an approval',
  });
  setHandler(approvalAnswered, (answer) => progress.answered(answer), {
    description: 'Records the answer of the devices of the existing account',
  });
}
