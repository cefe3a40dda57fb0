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
 * When all steps are done:
 * 6. Claim name, number and address. What the directory has taken from the entry of another account and given to this
 *    one is transferred first. Compensation: release them.
 * 7. Create the account and add the device of step 5. Compensation: remove both.
 * 8. Send a welcome notification to its e-mail address, without waiting for it.
 *
 * If the identity already has an account with a registration lock, nothing is claimed and another step is added, if
 * possible before the device is described:
 * 9. `approval`: the PIN of that account, which the api has compared, or an approval by one of its devices. The user gets
 *    that account, with the password or PIN set in step 4, and its sessions end. The device of step 5 is added. After an
 *    approval by a device the other devices and their sessions stay, otherwise they end. An account whose lock has ended needs no approval.
 *
 * The compensations run in reverse order when the registration is cancelled, is rejected (for example because the
 * identity belongs to another account) or expires. While a dependency is unavailable, the workflow waits: it publishes
 * which dependency it waits for and continues automatically. An operator can retry now, send the code by another
 * channel, or cancel.
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
import type { AccountActivities, AccountInput, ClaimRefusal } from '../activities/accounts.ts';
import type { DirectoryActivities } from '../activities/directory.ts';
import type { RegistrationActivities } from '../activities/registration.ts';
import type { ContactIdentity } from '../domain/identity.ts';
import { recipientsOf } from '../domain/notifications.ts';
import type { RegistrationStatus } from '../domain/registration.ts';
import { refuseCode, refuseProof, refuseStep } from '../domain/registration-refusals.ts';
import { Compensations } from './compensations.ts';
import { transfer } from './identity-transfer.ts';
import { notifyOwner } from './notification.ts';
import { throwIfRefused } from './refusals.ts';
import { RegistrationCodes } from './registration-codes.ts';
import {
  attachDevice,
  existingOf,
  handleApproval,
  handleDevice,
  removeDevice,
  seekExisting,
} from './registration-device.ts';
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
  claim: { summary: 'Claim name, number and address' },
  reopen: { summary: 'Recover the existing account' },
  release: { summary: 'Release name, number and address' },
  create: { summary: 'Create the account' },
  remove: { summary: 'Remove the account' },
};
const { forget } = proxyLocalActivities<RegistrationActivities>(localStep);

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
  const undo = new Compensations();
  try {
    while (!progress.isOver()) {
      await progress.untilStepsDone();
      if (progress.isSearchDue()) await seekExisting(progress);
      else if (!progress.isOver()) await finish(progress, undo);
    }
  } catch (err) {
    if (!(err instanceof TemporalFailure)) throw err;
    if (isCancellation(err)) progress.end('cancelled', 'operator');
    else progress.end('rejected', 'internal-error');
  }
  await CancellationScope.nonCancellable(() => close(progress, undo));
  return progress.status();
}

/** Step 1. A newer update replaces an older one that waits for the directory. */
function handleDirectory(progress: RegistrationProgress): void {
  const { calls } = progress.flow;
  const { registrationId } = progress.input;
  let newestTurn = 0;
  setHandler(
    authenticate,
    async (request): Promise<StepAnswer> => {
      const turn = ++newestTurn;
      const isUnwanted = () => progress.isOver() || turn !== newestTurn;
      const attempt: Partial<Pick<StepAnswer, 'outcome' | 'retryAfterSeconds'>> & { err?: unknown } = {};
      calls.unavailable.delete('directory');
      void calls
        .callWhenAvailable('directory', () => directory.authenticate({ registrationId, ...request }), isUnwanted)
        .then(async (answer) => {
          if (answer?.outcome === 'limited') attempt.retryAfterSeconds = answer.retryAfterSeconds;
          attempt.outcome =
            answer?.outcome === 'ok' ? await adopt(progress, answer.identity) : (answer?.outcome ?? 'lost');
        })
        .catch((err: unknown) => {
          attempt.err = err ?? new Error('unknown');
        });
      const hasAnswer = () => attempt.outcome !== undefined || attempt.err !== undefined;
      await condition(() => hasAnswer() || calls.unavailable.has('directory'));
      if (attempt.err !== undefined) throw attempt.err;
      const { outcome = 'waiting', retryAfterSeconds } = attempt;
      return { ...progress.answer(outcome), ...(retryAfterSeconds !== undefined && { retryAfterSeconds }) };
    },
    {
      validator: (_request) => throwIfRefused(refuseStep('directory', progress.state())),
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
  setHandler(passCaptcha, (): Promise<StepAnswer> => progress.finishStep('captcha', 'captcha solved'), {
    validator: () => throwIfRefused(refuseProof('captcha', progress.state())),
    description: 'Records that a captcha was verified',
  });
}

/** Step 3. */
function handleCode(progress: RegistrationProgress, codes: RegistrationCodes): void {
  setHandler(requestCode, ({ channel }): Promise<RegistrationStatus> => codes.request(channel), {
    validator: ({ channel }) => throwIfRefused(refuseCode(channel, progress.state(), Date.now())),
    description: 'Sends a code by the given channel',
  });
  setHandler(
    confirmCode,
    async (proof): Promise<StepAnswer> => {
      // updates in histories of an earlier version have no send number
      progress.prove(proof?.send);
      if (progress.input.policy.includes('signal')) await saveNumber(progress);
      return progress.finishStep('code', 'right code typed');
    },
    {
      validator: (_proof) => throwIfRefused(refuseProof('code', progress.state())),
      description: 'Records that the right code was typed',
    },
  );
}

/** Step 4. */
function handleCredentials(progress: RegistrationProgress): void {
  const { registrationId } = progress.input;
  setHandler(
    setCredentials,
    async ({ credentialsRef }): Promise<StepAnswer> => {
      const hash = (identity: ContactIdentity) =>
        accounts.hashCredentials.executeWithOptions(readable.hash, [{ registrationId, credentialsRef, identity }]);
      let { identity } = progress.state();
      let kept = await hash(identity);
      // the directory step was done meanwhile: the password must not be a word of its entry
      while (kept === 'kept' && identity !== progress.state().identity) {
        ({ identity } = progress.state());
        kept = await hash(identity);
      }
      if (kept !== 'kept') return progress.answer(kept);
      return progress.finishStep('credentials', 'credentials set');
    },
    {
      validator: (_request) => throwIfRefused(refuseStep('credentials', progress.state())),
      description: 'Hashes and stores a password, a PIN or both',
    },
  );
}

/** Steps 6 and 7, or what step 9 requires once all steps are done. */
async function finish(progress: RegistrationProgress, undo: Compensations): Promise<void> {
  const account = progress.account();
  if (progress.existing !== undefined) return recover(progress, account);
  const { calls } = progress.flow;
  const until = Date.now() + progress.input.rules.waitMaxSeconds * 1000;
  const isUnwanted = () => progress.isOver() || Date.now() > until;

  const release = () => accounts.releaseIdentity.executeWithOptions(readable.release, [account]);
  undo.add(() => calls.callUntilDone('database', release));
  const claimed = await claimFor(progress, account, isUnwanted);
  if (claimed === false) return progress.end('rejected', 'identity-taken');
  if (typeof claimed === 'object') return progress.meet(existingOf(claimed));

  const remove = () => accounts.removeAccount.executeWithOptions(readable.remove, [account]);
  undo.add(() => calls.callUntilDone('database', remove));
  const create = () => accounts.createAccount.executeWithOptions(readable.create, [account]).then(() => true);
  const isDone = await calls.callWhenAvailable('database', create, isUnwanted);
  if (progress.isOver()) return;
  if (!isDone) return progress.end('expired', 'database-unavailable');
  undo.add(() => calls.callUntilDone('database', () => removeDevice(account)));
  await complete(progress, account, isUnwanted);
}

/** Gives the account its device. Without one that fits, the step is open again and the registration continues. */
async function complete(
  progress: RegistrationProgress,
  account: AccountInput,
  isUnwanted: () => boolean,
): Promise<void> {
  const given = await attachDevice(progress, account, isUnwanted);
  if (progress.isOver() || given === 'again') return;
  if (given === 'given') progress.end('completed');
  else progress.end('expired', 'database-unavailable');
}

/** Step 6. What the directory has taken from the entries of other accounts is transferred first. */
async function claimFor(
  progress: RegistrationProgress,
  account: AccountInput,
  isUnwanted: () => boolean,
): Promise<true | ClaimRefusal | undefined> {
  const { calls } = progress.flow;
  const claim = () => accounts.claimIdentity.executeWithOptions(readable.claim, [account]);
  const claimed = await calls.callWhenAvailable('database', claim, isUnwanted);
  if (typeof claimed !== 'object' || !('heldBy' in claimed)) return claimed;
  const { userId, identity, locale } = account;
  const recipients = recipientsOf({ ...identity, ...(locale !== undefined && { locale }) });
  const claimant = { changeId: account.registrationId, userId, recipients };
  const isFree = await transfer(claimant, claimed.heldBy, (read) =>
    calls.callWhenAvailable('directory', read, isUnwanted),
  );
  if (!isFree) return claimed.otherwise;
  progress.flow.note('name, number or address transferred, as the directory says');
  const again = await calls.callWhenAvailable('database', claim, isUnwanted);
  return typeof again === 'object' && 'heldBy' in again ? again.otherwise : again;
}

/** Step 9, once it is approved: the user gets the existing account. */
async function recover(progress: RegistrationProgress, account: AccountInput): Promise<void> {
  const until = Date.now() + progress.input.rules.waitMaxSeconds * 1000;
  const input = { ...account, keepsDevices: progress.isApprovedByDevice };
  const reopen = () => accounts.recoverAccount.executeWithOptions(readable.reopen, [input]);
  const replaced = await progress.flow.calls.callWhenAvailable('database', reopen, () => Date.now() > until);
  if (replaced === undefined) return progress.end('expired', 'database-unavailable');
  if (replaced === false) return progress.end('rejected', 'identity-taken');
  progress.replaced = replaced;
  await complete(progress, account, () => Date.now() > until);
}

/** Runs the compensations unless it is completed, and step 8 if it is. */
async function close(progress: RegistrationProgress, undo: Compensations): Promise<void> {
  progress.endIfCancelled();
  if (progress.outcome !== 'completed') await undo.run();
  await progress.flow.announce();
  progress.markClosed();
  // after the last handler, so that credentials it stored late are removed too
  await condition(allHandlersFinished);
  await forget({ registrationId: progress.input.registrationId, status: progress.status() });
  if (progress.outcome === 'completed') await tellOwner(progress);
}

/** Step 8, or a notification for each credential that was replaced in an existing account. */
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
    // the recipient is known, so the notification need not read the account
    const recipients = recipientsOf({ email, ...progress.wishes() });
    await notifyOwner({ userId, kind: 'welcome', occasion: 'account', recipients });
  }
}
