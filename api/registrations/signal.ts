/** `PUT /registrations/{id}/signal`: registers the verified number at the Signal-Server. */
import type { SignalRequest, SignalSteps } from '../../adapters/redis/signal-steps.ts';
import type { AnswerOf } from '../../contract/operation.ts';
import type { registrationOperations } from '../../contract/registrations.ts';
import type { SignalRegistration } from '../../contract/signal.ts';
import { Failure } from '../../domain/failures.ts';
import { signalFailure } from '../../domain/signal.ts';
import { deriveDevicePassword, keyedHash } from '../../platform/crypto.ts';
import { registerAtSignal, type SignalStepAnswer } from '../../workflows/registration-messages.ts';
import { bearerOf } from '../authenticate.ts';
import type { ApiDeps } from '../deps.ts';
import type { HandlerInput } from '../serve.ts';
import { finalView, limitStep, requireStep, type StepLimitDeps, type ViewDeps } from './status.ts';
import { type UpdateDeps, updateRegistration } from './update.ts';

type Op = typeof registrationOperations.submitSignal;
type Deps = StepLimitDeps & UpdateDeps & ViewDeps & Pick<ApiDeps, 'policy' | 'signalSteps' | 'hashKey' | 'events'>;

/** A request of one registration, as its repeats are recognized. */
interface Submitted {
  registrationId: string;
  requestHash: string;
}

/**
 * Registers the number at the Signal-Server. A repeat with the same body gets the same answer, also after the
 * registration has ended. The password of the new device is derived from the registration token, which only the app has.
 *
 * @throws {Failure} step-not-available, step-blocked, identity-taken, signal-unavailable (the registration continues
 *   automatically), and the refusals of the Signal-Server: signal-refused, signal-keys-refused, signal-locked,
 *   signal-limited
 */
export async function submitSignal(
  deps: Deps,
  { holder: caller, body, authorization }: HandlerInput<Op>,
): Promise<AnswerOf<Op>> {
  const { registrationId } = caller;
  const submitted = {
    registrationId,
    requestHash: keyedHash(deps.hashKey, 'signal', registrationId, JSON.stringify(body)),
  };
  const earlier = await findAnswer(deps, submitted);
  if (earlier !== undefined) return earlier;
  requireStep(deps, caller, 'signal');
  requireUnblocked(caller.status);
  await limitStep(deps, caller, 'signal');
  const request = requestOf(body, deriveDevicePassword(bearerOf(authorization) ?? ''), caller.userAgent);
  const requestRef = await deps.signalSteps.saveRequest(registrationId, request);
  const hasPreKeys = Object.keys(request.preKeys).length > 0;
  const step = { requestRef, requestHash: submitted.requestHash, hasPreKeys };
  const answer = await updateRegistration(deps, registrationId, registerAtSignal, step).catch(
    async (err: unknown): Promise<SignalStepAnswer | undefined> => {
      // the same request, sent in parallel, was faster
      if ((await findAnswer(deps, submitted)) === undefined) throw err;
      return undefined;
    },
  );
  if (answer !== undefined) await requireDone(deps, registrationId, answer);
  const registered = await findAnswer(deps, submitted);
  if (registered === undefined) throw new Failure('unavailable', { message: 'The step was not done; repeat it' });
  deps.events.stepDone(registrationId, 'signal');
  return registered;
}

/**
 * Returns the answer of the completed step to the request that completed it.
 *
 * @throws {Failure} step-not-available: another request completed it
 */
async function findAnswer(
  { signalSteps }: { signalSteps: Pick<SignalSteps, 'readAnswer'> },
  { registrationId, requestHash }: Submitted,
): Promise<AnswerOf<Op> | undefined> {
  const answer = await signalSteps.readAnswer(registrationId);
  if (answer === undefined) return undefined;
  if (answer.requestHash === requestHash) return { status: 200, body: answer.account };
  throw new Failure('step-not-available', { message: 'The step signal was done with other keys' });
}

/** @throws {Failure} unless the step is done */
async function requireDone(deps: Deps, registrationId: string, answer: SignalStepAnswer): Promise<void> {
  if (answer.outcome === 'waiting') throw new Failure('signal-unavailable');
  if (answer.outcome === 'refused' && answer.refusal !== undefined) {
    const { code, context } = signalFailure(answer.refusal);
    throw new Failure(code, context);
  }
  await finalView(deps, registrationId, answer.status);
}

/** Refuses what the published status already rules out; the workflow decides. */
function requireUnblocked({ steps }: HandlerInput<Op>['holder']['status']): void {
  const step = steps.find(({ name }) => name === 'signal');
  if (step?.status !== 'blocked') return;
  const fields = { ...(step.reason !== undefined && { reason: step.reason }) };
  const message =
    step.reason === 'number-not-verified'
      ? 'A Signal server registers a number, and only a code by SMS or call verifies it'
      : 'The step signal requires the step code first';
  throw new Failure('step-blocked', { message, fields });
}

/** Separates the one-time keys, which the server takes in calls of their own. Absent parts stay absent. */
function requestOf(body: SignalRegistration, password: string, userAgent: string): SignalRequest {
  const { aciPreKeys, aciPqPreKeys, pniPreKeys, pniPqPreKeys, ...attributes } = body;
  const aci = { ...(aciPreKeys && { preKeys: aciPreKeys }), ...(aciPqPreKeys && { pqPreKeys: aciPqPreKeys }) };
  const pni = { ...(pniPreKeys && { preKeys: pniPreKeys }), ...(pniPqPreKeys && { pqPreKeys: pniPqPreKeys }) };
  const preKeys = {
    ...(Object.keys(aci).length > 0 && { aci }),
    ...(Object.keys(pni).length > 0 && { pni }),
  };
  return { password, userAgent, attributes: { skipDeviceTransfer: false, ...withoutNulls(attributes) }, preKeys };
}

function withoutNulls(given: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== null && value !== undefined));
}
