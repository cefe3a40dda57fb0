/** The step `signal` of a registration: the number gets an account at a Signal-Server, which asks for its proof. */
import { condition, proxyActivities, proxyLocalActivities, setHandler } from '@temporalio/workflow';
import type { RegistrationActivities } from '../activities/registration.ts';
import type { SignalActivities, SignalResult } from '../activities/signal.ts';
import { refuseSignal } from '../domain/registration-refusals.ts';
import { type SignalRefusal, signalReason } from '../domain/signal.ts';
import { throwIfRefused } from './refusals.ts';
import { registerAtSignal, type SignalStepAnswer, type SignalStepRequest } from './registration-messages.ts';
import type { RegistrationProgress } from './registration-progress.ts';
import { heartbeatTimeout, localStep, retry } from './retries.ts';

// longer than two requests with the longest timeout
const signal = proxyActivities<SignalActivities>({
  taskQueue: 'signal',
  startToCloseTimeout: '150s',
  heartbeatTimeout,
  retry,
});
const readable = {
  register: { summary: 'Register the number at the Signal server' },
  upload: { summary: 'Upload the one-time keys to the Signal server' },
};
const { saveVerifiedNumber, saveSignalAnswer } = proxyLocalActivities<RegistrationActivities>(localStep);

/** Stores the number, if it is verified, for the Signal-Server that will ask for it. */
export async function saveNumber(progress: RegistrationProgress): Promise<void> {
  const { registrationId } = progress.input;
  const number = progress.verifiedNumber;
  if (number !== undefined) await saveVerifiedNumber({ registrationId, number });
}

/**
 * Handles the update. A newer one replaces an older one that waits for the server. An attempt that runs is awaited first,
 * so that two never meet at the server.
 */
export function handleSignal(progress: RegistrationProgress): void {
  const { calls } = progress.flow;
  let newestTurn = 0;
  setHandler(
    registerAtSignal,
    async ({ proofs, ...request }): Promise<SignalStepAnswer> => {
      const turn = ++newestTurn;
      const isUnwanted = () => progress.isOver() || turn !== newestTurn;
      let isAnswered = false;
      progress.learn(proofs);
      await condition(() => !calls.isTrying('signal'));
      if (progress.isDone('signal')) return progress.answer('done');
      calls.unavailable.delete('signal');
      const attempt: { outcome?: SignalResult['outcome']; refusal?: SignalRefusal; err?: unknown } = {};
      void register(progress, request, isUnwanted)
        .then(async (result) => {
          if (result.outcome === 'registered') {
            await progress.finishStep('signal', 'registered at the Signal server');
            if (isAnswered && !progress.isOver()) await progress.flow.announce();
          }
          if (result.outcome === 'refused') {
            attempt.refusal = result.refusal;
            await progress.refuseSignal(signalReason(result.refusal));
          }
          attempt.outcome = result.outcome;
        })
        .catch((err: unknown) => {
          attempt.err = err ?? new Error('unknown');
        });
      const hasAnswer = () => attempt.outcome !== undefined || attempt.err !== undefined;
      await condition(() => hasAnswer() || calls.unavailable.has('signal'));
      isAnswered = true;
      if (attempt.err !== undefined) throw attempt.err;
      if (attempt.outcome === undefined) return progress.answer('waiting');
      const answer = progress.answer(attempt.outcome === 'registered' ? 'done' : attempt.outcome);
      return { ...answer, ...(attempt.refusal && { refusal: attempt.refusal }) };
    },
    {
      validator: ({ proofs }) => throwIfRefused(refuseSignal(progress.state(proofs))),
      description: 'Registers the number at the Signal server',
    },
  );
}

/** Registers the number and uploads its one-time keys, and waits while the server is unavailable. */
async function register(
  progress: RegistrationProgress,
  { requestRef, requestHash, hasPreKeys }: SignalStepRequest,
  isUnwanted: () => boolean,
): Promise<SignalResult> {
  const { registrationId } = progress.input;
  const number = progress.verifiedNumber;
  if (number === undefined) return { outcome: 'lost' };
  const { calls } = progress.flow;
  const input = { registrationId, number, requestRef };
  const call = (act: () => Promise<SignalResult>) => calls.callWhenAvailable('signal', act, isUnwanted);
  const registered = await call(() => signal.registerWithSignal.executeWithOptions(readable.register, [input]));
  if (registered?.outcome !== 'registered') return registered ?? { outcome: 'lost' };
  const { account } = registered;
  const upload = () => signal.uploadSignalKeys.executeWithOptions(readable.upload, [{ ...input, account }]);
  const stored = hasPreKeys ? await call(upload) : registered;
  if (stored?.outcome !== 'registered') return stored ?? { outcome: 'lost' };
  await saveSignalAnswer({ registrationId, answer: { account, requestHash } });
  return stored;
}
