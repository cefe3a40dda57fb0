/** `PUT /registrations/{id}/approval`: the registration lock of the account that has the identity. */
import type { AnswerOf, BodyOf } from '../../contract/operation.ts';
import type { registrationOperations } from '../../contract/registrations.ts';
import { Failure } from '../../domain/failures.ts';
import type { ExistingAccount, RegistrationLock, RegistrationStatus } from '../../domain/registration.ts';
import { approve, askApproval } from '../../workflows/registration-messages.ts';
import { type ApprovalLinkDeps, createApprovalLink } from '../approval-link.ts';
import { type CredentialCheckDeps, requireCredential } from '../credentials.ts';
import type { HandlerInput, Minted } from '../serve.ts';
import {
  finalView,
  isDone,
  limitStep,
  type RegistrationCaller,
  requireRunning,
  type StepLimitDeps,
  type ViewDeps,
} from './status.ts';
import { type UpdateDeps, updateRegistration } from './update.ts';

type Op = typeof registrationOperations.submitApproval;
type Deps = CredentialCheckDeps & StepLimitDeps & UpdateDeps & ViewDeps & ApprovalLinkDeps;

/**
 * Opens the lock by the PIN of the account, or asks its devices for an approval. All other steps are done by then, so
 * only a holder of the number or address can consume the attempts of its owner and ask the owner's devices.
 *
 * @throws {Failure} malformed, step-not-available, registration-locked, link-locked, rate-limited, identity-taken
 */
export async function submitApproval(
  deps: Deps,
  { holder: caller, body, minted }: HandlerInput<Op>,
): Promise<AnswerOf<Op>> {
  const { registrationId, status } = caller;
  if (isDone(status, 'approval')) return { status: 200, body: await finalView(deps, registrationId, status) };
  requireRunning(status);
  const { existing } = status;
  if (existing?.lock === undefined) {
    throw new Failure('step-not-available', { message: 'This registration needs no approval' });
  }
  if (body.publicKey !== undefined) return ask(deps, caller, { existing, body, minted });
  if (body.pin === undefined || !existing.lock.hasPin) throw locked(status, existing.lock);
  return openByPin(deps, caller, { ...existing, lock: existing.lock, pin: body.pin });
}

async function openByPin(
  deps: Deps,
  caller: RegistrationCaller,
  { userId, lock, pin }: { userId: string; lock: RegistrationLock; pin: string },
): Promise<AnswerOf<Op>> {
  const { registrationId, status } = caller;
  await limitStep(deps, caller, 'approval');
  await requireCredential(deps, { userId, kind: 'pin', secret: pin }, caller).catch((err: unknown) => {
    throw err instanceof Failure && err.code === 'credentials-wrong' ? locked(status, lock, 'The PIN is wrong') : err;
  });
  const answer = await updateRegistration(deps, registrationId, approve, {});
  deps.events.stepDone(registrationId, 'approval');
  return { status: 200, body: await finalView(deps, registrationId, answer.status) };
}

/** The workflow knows the question before the devices do, so that it misses no answer. */
async function ask(
  deps: Deps,
  caller: RegistrationCaller,
  { existing, body, minted }: { existing: ExistingAccount; body: BodyOf<Op>; minted: Minted },
): Promise<AnswerOf<Op>> {
  const { registrationId, status } = caller;
  const { deviceName = '', publicKey = '', nonceHash = '' } = body;
  if (!existing.lock?.hasDevices) {
    throw locked(status, existing.lock, 'The account has no device that could approve; type its PIN');
  }
  await limitStep(deps, caller, 'approval');
  const offer = { registrationId, userId: existing.userId, deviceName, client: 'registration', publicKey, nonceHash };
  await updateRegistration(deps, registrationId, askApproval, { linkId: minted.id });
  const { linkId, linkToken, expiresAt } = await createApprovalLink(deps, { ...offer, caller, minted });
  return { status: 202, body: { linkId, linkToken, expiresAt: new Date(expiresAt).toISOString() } };
}

/** The failure with the seconds until the lock ends, or else those that are left to open it in this registration. */
function locked({ expiresAt }: RegistrationStatus, lock: RegistrationLock | undefined, message?: string): Failure {
  const until = lock?.endsAt ?? expiresAt;
  const timeRemainingSeconds = Math.max(0, Math.ceil((until - Date.now()) / 1000));
  const asks = [...(lock?.hasPin ? ['pin'] : []), ...(lock?.hasDevices ? ['device'] : [])];
  return new Failure('registration-locked', { ...(message && { message }), fields: { timeRemainingSeconds, asks } });
}
