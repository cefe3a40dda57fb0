/**
 * Registration: one workflow per registration, from its first step to the account.
 *
 * Steps can be completed in any order that their prerequisites allow:
 * 1. `directory`: bind to the directory as the user, read name, number and address.
 * 2. `captcha`: the api has verified it; the workflow records it.
 * 3. `code`: send a code (requires 1 and 2), then record that it was typed; the api has compared it. If the number or
 *    address already belongs to an account, the owner of that account is notified.
 * 4. `credentials`: hash password and PIN and store the hashes. A password that is a word of the user is refused; when 1
 *    comes later and shows that it is one, this step is open again.
 * 5. `device`: the api has stored name and keys of the device; the workflow records it.
 *    `signal`, if the policy has it: register the number at a Signal-Server (registration-signal.ts). What it has
 *    registered is not compensated.
 * Steps 2 and 3 may be proven while the workflow does not know it yet: the api stores the proof, and the next update
 * brings it along, unless no update would follow.
 * When all steps are done:
 * 6. Create the account in one activity: hash the credentials if they came last, claim name, number and address, store the
 *    account, add the device of step 5. What the directory has taken from the entry of another account and given to this
 *    one is transferred first. Compensation: remove all of it.
 * 7. Welcome the owner by e-mail. Nobody waits for it, and the registration is over for everybody else.
 *
 * If the identity already has an account with a registration lock, nothing is claimed and another step is added, if
 * possible before the device is described:
 * 8. `approval`: the PIN of that account, which the api has compared, or an approval by one of its devices. The user gets
 *    that account, with the password or PIN set in step 4, and its sessions end. The device of step 5 is added. After an
 *    approval by a device the other devices and their sessions stay, otherwise they end. An account whose lock has ended needs no approval.
 *
 * The compensation runs when the registration is cancelled, is rejected (for example because the
 * identity belongs to another account) or expires. While a dependency is unavailable, the workflow waits: it publishes
 * which dependency it waits for and continues automatically. An operator can retry now, send the code by another
 * channel, or cancel.
 *
 * The api stores the status that an update returns. The workflow publishes what changes without a caller.
 */
import {
  allHandlersFinished,
  CancellationScope,
  condition,
  isCancellation,
  proxyActivities,
  proxyLocalActivities,
  setHandler,
  TemporalFailure,
} from '@temporalio/workflow';
import type { AccountActivities, AccountInput, CreateAnswer } from '../activities/accounts.ts';
import type { DirectoryActivities } from '../activities/directory.ts';
import type { RegistrationActivities } from '../activities/registration.ts';
import type { ContactIdentity } from '../domain/identity.ts';
import { recipientsOf } from '../domain/notifications.ts';
import type { RegistrationStatus } from '../domain/registration.ts';
import { refuseCode, refuseProof, refuseStep } from '../domain/registration-refusals.ts';
import { startDeviceRemoval } from './device-removal.ts';
import { transfer } from './identity-transfer.ts';
import { notifyOwner, sendNotificationHere } from './notification.ts';
import { throwIfRefused } from './refusals.ts';
import { RegistrationCodes } from './registration-codes.ts';
import { handleApproval, handleDevice, seekExisting } from './registration-device.ts';
import {
  authenticate,
  confirmCode,
  passCaptcha,
  type RegistrationInput,
  registrationStatus,
  requestCode,
  type StepAnswer,
  setCredentials,
} from './registration-messages.ts';
import { handleOperator } from './registration-operator.ts';
import { RegistrationProgress } from './registration-progress.ts';
import { handleSignal, saveNumber } from './registration-signal.ts';
import { heartbeatTimeout, localStep, retry } from './retries.ts';

const directory = proxyActivities<DirectoryActivities>({
  taskQueue: 'directory',
  startToCloseTimeout: '30s',
  heartbeatTimeout,
  retry,
  summary: 'Bind to the directory as the user',
});
const accounts = proxyActivities<AccountActivities>({ startToCloseTimeout: '30s', heartbeatTimeout, retry });
const readable = {
  hash: { summary: 'Hash and store password and PIN' },
  judge: { summary: 'Compare the password with the directory entry' },
  create: { summary: 'Create the account' },
  recover: { summary: 'Recover the existing account' },
  remove: { summary: 'Remove what was created of the account' },
};
const { closeRegistration } = proxyLocalActivities<RegistrationActivities>(localStep);

/** Runs one registration until it has an account or ends without one. Returns the final status. */
export async function registration(input: RegistrationInput): Promise<RegistrationStatus> {
  const progress = new RegistrationProgress(input);
  const codes = new RegistrationCodes(progress);
  setHandler(registrationStatus, () => progress.status(), { description: 'Returns the status of the registration' });
  handleDirectory(progress);
  handleCaptcha(progress);
  handleCode(progress, codes);
  handleCredentials(progress);
  handleDevice(progress);
  handleSignal(progress);
  handleApproval(progress);
  handleOperator(progress, codes);
  return run(progress);
}

/** Waits for the steps of the user, then finishes. An account that needs an approval makes it wait again. */
async function run(progress: RegistrationProgress): Promise<RegistrationStatus> {
  try {
    while (!progress.isOver()) {
      await progress.untilStepsDone();
      if (progress.isSearchDue()) await seekExisting(progress);
      else if (!progress.isOver()) await finish(progress);
    }
  } catch (err) {
    if (!(err instanceof TemporalFailure)) throw err;
    if (isCancellation(err)) progress.end('cancelled', 'operator');
    else progress.end('rejected', 'internal-error');
  }
  await CancellationScope.nonCancellable(() => close(progress));
  return progress.status();
}

/** Step 1. A newer update replaces an older one that waits for the directory. */
function handleDirectory(progress: RegistrationProgress): void {
  const { calls } = progress.flow;
  const { registrationId } = progress.input;
  let newestTurn = 0;
  setHandler(
    authenticate,
    async ({ proofs, ...request }): Promise<StepAnswer> => {
      const turn = ++newestTurn;
      const isUnwanted = () => progress.isOver() || turn !== newestTurn;
      const attempt: Partial<Pick<StepAnswer, 'outcome' | 'retryAfterSeconds'>> & { err?: unknown } = {};
      let isAnswered = false;
      progress.learn(proofs);
      calls.unavailable.delete('directory');
      void calls
        .callWhenAvailable('directory', () => directory.authenticate({ registrationId, ...request }), isUnwanted)
        .then(async (answer) => {
          if (answer?.outcome === 'limited') attempt.retryAfterSeconds = answer.retryAfterSeconds;
          attempt.outcome =
            answer?.outcome === 'ok' ? await adopt(progress, answer.identity) : (answer?.outcome ?? 'lost');
          if (isAnswered && !progress.isOver()) await progress.flow.announce();
        })
        .catch((err: unknown) => {
          attempt.err = err ?? new Error('unknown');
        });
      const hasAnswer = () => attempt.outcome !== undefined || attempt.err !== undefined;
      await condition(() => hasAnswer() || calls.unavailable.has('directory'));
      if (attempt.err !== undefined) throw attempt.err;
      const { outcome = 'waiting', retryAfterSeconds } = attempt;
      isAnswered = true;
      return { ...progress.answer(outcome), ...(retryAfterSeconds !== undefined && { retryAfterSeconds }) };
    },
    {
      validator: ({ proofs }) => throwIfRefused(refuseStep('directory', progress.state(proofs))),
      description: 'Binds to the directory as the user',
    },
  );
}

/** Adopts a directory entry. A password that was set before must not be a word of it. */
function adopt(progress: RegistrationProgress, identity: ContactIdentity): Promise<'done' | 'somebody-else'> {
  const judged = { registrationId: progress.input.registrationId, identity };
  return progress.adopt(identity, () => accounts.judgeCredentials.executeWithOptions(readable.judge, [judged]));
}

/** Step 2. */
function handleCaptcha(progress: RegistrationProgress): void {
  const proven = () => ({ captcha: { at: Date.now() } });
  setHandler(passCaptcha, ({ proofs }) => progress.finishProof({ ...proven(), ...proofs }), {
    validator: (_request) => throwIfRefused(refuseProof('captcha', progress.state())),
    description: 'Records that a captcha was verified',
  });
}

/** Step 3. */
function handleCode(progress: RegistrationProgress, codes: RegistrationCodes): void {
  setHandler(
    requestCode,
    async ({ channel, proofs }): Promise<RegistrationStatus> => {
      progress.learn(proofs);
      codes.request(channel);
      return progress.answeredStatus();
    },
    {
      validator: ({ channel, proofs }) => throwIfRefused(refuseCode(channel, progress.state(proofs), Date.now())),
      description: 'Sends a code by the given channel',
    },
  );
  setHandler(
    confirmCode,
    async ({ send, proofs }): Promise<StepAnswer> => {
      progress.learn({ code: { at: Date.now(), ...(send !== undefined && { send }) }, ...proofs });
      if (progress.input.policy.includes('signal')) await saveNumber(progress);
      return progress.finishProof({});
    },
    {
      validator: (_proof) => throwIfRefused(refuseProof('code', progress.state())),
      description: 'Records that the right code was typed',
    },
  );
}

/** Step 4. As the last step it is done by the activity that creates the account. */
function handleCredentials(progress: RegistrationProgress): void {
  const { registrationId } = progress.input;
  setHandler(
    setCredentials,
    async ({ credentialsRef, proofs }): Promise<StepAnswer> => {
      progress.learn(proofs);
      if (progress.areCredentialsLast()) return progress.finishWithCredentials(credentialsRef);
      const hash = (identity: ContactIdentity) =>
        accounts.hashCredentials.executeWithOptions(readable.hash, [{ registrationId, credentialsRef, identity }]);
      let { identity } = progress.state();
      let kept = await hash(identity);
      // the directory step was done meanwhile: the password must not be a word of its entry
      while (kept === 'kept' && identity !== progress.state().identity) {
        ({ identity } = progress.state());
        kept = await hash(identity);
      }
      return kept === 'kept' ? progress.finishCredentials() : progress.answer(kept);
    },
    {
      validator: ({ proofs }) => throwIfRefused(refuseStep('credentials', progress.state(proofs))),
      description: 'Hashes and stores a password, a PIN or both',
    },
  );
}

/** Step 6, or what step 8 requires once all steps are done. */
async function finish(progress: RegistrationProgress): Promise<void> {
  const account = progress.account();
  if (progress.existing !== undefined) return recover(progress, account);
  const until = Date.now() + progress.input.rules.waitMaxSeconds * 1000;
  const isUnwanted = () => progress.isOver() || Date.now() > until;
  // before the activity: one that timed out may still have taken effect
  progress.begun ??= account;
  const answer = await createFor(progress, account, isUnwanted);
  if (progress.isOver()) return;
  if (answer === undefined) return progress.end('expired', 'database-unavailable');
  switch (answer.outcome) {
    case 'created':
      return progress.end('completed');
    case 'taken':
      return progress.end('rejected', 'identity-taken');
    case 'locked':
      return progress.meet({ userId: answer.lockedBy, ...(answer.lock && { lock: answer.lock }) });
    case 'device-refused':
      return progress.reopenDevice(answer.why);
    default:
      return progress.reopenCredentials(answer.outcome);
  }
}

/** Creates the account. What the directory has taken from the entries of other accounts is transferred first. */
async function createFor(
  progress: RegistrationProgress,
  account: AccountInput,
  isUnwanted: () => boolean,
): Promise<Exclude<CreateAnswer, { outcome: 'held' }> | undefined> {
  const { calls } = progress.flow;
  const create = () => accounts.createAccount.executeWithOptions(readable.create, [account]);
  const answer = await calls.callWhenAvailable('database', create, isUnwanted);
  if (answer?.outcome !== 'held') return answer;
  const { userId, identity, locale } = account;
  const recipients = recipientsOf({ ...identity, ...(locale !== undefined && { locale }) });
  const claimant = { changeId: account.registrationId, userId, recipients };
  const isFree = await transfer(claimant, answer.heldBy, (read) =>
    calls.callWhenAvailable('directory', read, isUnwanted),
  );
  if (!isFree) return answer.otherwise;
  progress.flow.note('name, number or address transferred, as the directory says');
  const again = await calls.callWhenAvailable('database', create, isUnwanted);
  return again?.outcome === 'held' ? again.otherwise : again;
}

/** Step 8, once it is approved: the user gets the existing account. */
async function recover(progress: RegistrationProgress, account: AccountInput): Promise<void> {
  const until = Date.now() + progress.input.rules.waitMaxSeconds * 1000;
  const input = { ...account, keepsDevices: progress.isApprovedByDevice };
  const act = () => accounts.recoverAccount.executeWithOptions(readable.recover, [input]);
  const answer = await progress.flow.calls.callWhenAvailable('database', act, () => Date.now() > until);
  if (answer === undefined) return progress.end('expired', 'database-unavailable');
  if (answer.outcome === 'taken') return progress.end('rejected', 'identity-taken');
  if (answer.outcome === 'device-refused') return progress.isOver() ? undefined : progress.reopenDevice(answer.why);
  progress.replaced = answer.replaced;
  for (const device of answer.ended) {
    await startDeviceRemoval({ userId: account.userId, ...device, at: account.createdAt, why: 'replaced' });
  }
  progress.end('completed');
}

/** Compensates unless it is completed, and takes step 7 if it is. */
async function close(progress: RegistrationProgress): Promise<void> {
  progress.endIfCancelled();
  const { begun, outcome } = progress;
  if (outcome !== 'completed') {
    if (begun !== undefined) {
      const remove = () => accounts.removeAccount.executeWithOptions(readable.remove, [begun]);
      await progress.flow.calls.callUntilDone('database', remove);
    }
    // a handler that still runs must not delay it
    await progress.flow.announce();
  }
  progress.markClosed();
  // after the last handler, so that credentials it stored late are removed too
  await condition(allHandlersFinished);
  progress.flow.change();
  await closeRegistration(progress.publication());
  if (outcome === 'completed') await tellOwner(progress);
}

/** Step 7, or a notification for each credential that was replaced in an existing account. */
async function tellOwner(progress: RegistrationProgress): Promise<void> {
  const { userId, existing, replaced } = progress;
  const { email } = progress.provenIdentity;
  if (existing !== undefined) {
    if (progress.hasDevice && !progress.isApprovedByDevice) {
      await notifyOwner({ userId, kind: 'identity-key-changed', occasion: progress.input.registrationId });
    }
    for (const kind of replaced) {
      await notifyOwner({ userId, kind: `${kind}-changed`, occasion: progress.input.registrationId });
    }
  } else if (email !== undefined) {
    // the recipient is known, so the account is not read
    const recipients = recipientsOf({ email, ...progress.wishes() });
    await sendNotificationHere(progress.flow, { userId, kind: 'welcome', recipients });
  }
}
