/** The device of a registration, and the approval of the account that already has the identity. */
import { proxyActivities, setHandler } from '@temporalio/workflow';
import type { AccountActivities } from '../activities/accounts.ts';
import { refuseApproval, refuseAsking, refuseStep } from '../domain/registration-refusals.ts';
import { throwIfRefused } from './refusals.ts';
import { approvalAnswered, approve, askApproval, type StepAnswer, setDevice } from './registration-messages.ts';
import type { RegistrationProgress } from './registration-progress.ts';
import { heartbeatTimeout, retry } from './retries.ts';

const accounts = proxyActivities<AccountActivities>({ startToCloseTimeout: '30s', heartbeatTimeout, retry });
const summary = 'Look for an account with this number, address or directory entry';

/** Step 5. A newer description replaces an older one. */
export function handleDevice(progress: RegistrationProgress): void {
  setHandler(
    setDevice,
    ({ identityKey, proofs }): Promise<StepAnswer> => {
      progress.learn(proofs);
      return progress.describeDevice(identityKey);
    },
    {
      validator: ({ proofs }) => throwIfRefused(refuseStep('device', progress.state(proofs))),
      description: 'Records that a device was described',
    },
  );
}

/**
 * Looks for the account that already has the identity, once only the device and what does not depend on it are open: the
 * device of a person with an approval is another one than that of a person without. An account whose lock has ended is
 * left to the claim, because its owner may use it meanwhile.
 */
export async function seekExisting(progress: RegistrationProgress): Promise<void> {
  const until = Date.now() + progress.input.rules.waitMaxSeconds * 1000;
  const isUnwanted = () => progress.isOver() || progress.hasDevice || Date.now() > until;
  const find = () => accounts.findLocked.executeWithOptions({ summary }, [progress.account()]);
  const found = await progress.flow.calls.callWhenAvailable('database', find, isUnwanted);
  if (found && !isUnwanted()) {
    await progress.meet({ userId: found.lockedBy, ...(found.lock && { lock: found.lock }) });
  }
  progress.endSearch();
}

/** Step 8: the PIN of the existing account, or an approval by one of its devices. */
export function handleApproval(progress: RegistrationProgress): void {
  setHandler(approve, (_request): Promise<StepAnswer> => progress.approve('pin', 'PIN of the account right'), {
    validator: (_request) => throwIfRefused(refuseApproval(progress.state())),
    description: 'Records that the PIN of the existing account was typed',
  });
  setHandler(askApproval, async ({ linkId }): Promise<StepAnswer> => progress.ask(linkId), {
    validator: (_request) => throwIfRefused(refuseAsking(progress.state())),
    description: 'Records that the devices of the existing account are asked for an approval',
  });
  setHandler(approvalAnswered, (answer) => progress.answered(answer), {
    description: 'Records the answer of the devices of the existing account',
  });
}
