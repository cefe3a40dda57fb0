/** The status of a registration: checks before a step, and the view for clients. */
import type { ReadCheckState } from '../../adapters/redis/codes.ts';
import { keys } from '../../adapters/redis/keys.ts';
import type { Registration } from '../../contract/registrations.ts';
import { Failure } from '../../domain/failures.ts';
import {
  type CarriedProofs,
  canBeCarried,
  isRunning,
  type RegistrationStatus,
  type StepName,
} from '../../domain/registration.ts';
import { checksLeft, nextCheckAt } from '../../domain/verification.ts';
import { newId } from '../../platform/crypto.ts';
import type { ApiDeps, Caller } from '../deps.ts';
import { limited } from '../limits/counting.ts';

/** The dependencies of the view of a registration. */
export type ViewDeps = Pick<ApiDeps, 'registrations' | 'codes' | 'rules'>;
/** The dependencies of the limit of a step. */
export type StepLimitDeps = Pick<ApiDeps, 'config' | 'rateLimits'>;

/** More than a legitimate user needs, and few enough for the history of a workflow. */
const stepTriesMax = 20;

/** A caller with the token of a registration, and the status of the registration when the request arrived. */
export interface RegistrationCaller extends Caller {
  registrationId: string;
  status: RegistrationStatus;
}

/** Requires a registration that has not ended. @throws {Failure} registration-expired, registration-closed */
export function requireRunning(status: RegistrationStatus): void {
  if (status.state === 'expired') throw new Failure('registration-expired');
  if (isRunning(status)) return;
  throw new Failure('registration-closed', {
    message: `The registration is ${status.state}`,
    fields: { state: status.state },
  });
}

/**
 * Requires a running registration that has the step.
 *
 * @throws {Failure} as `requireRunning`, and step-not-available when the policy does not list the step
 */
export function requireStep({ policy }: Pick<ApiDeps, 'policy'>, { status }: RegistrationCaller, name: StepName): void {
  requireRunning(status);
  const step = status.steps.find((known) => known.name === name);
  if (step === undefined) {
    throw new Failure('step-not-available', {
      message: `This registration has no step ${name}`,
      fields: { steps: [...policy] },
    });
  }
}

/** Returns whether a step is done. */
export function isDone(status: RegistrationStatus, name: StepName): boolean {
  return status.steps.some((step) => step.name === name && step.status === 'done');
}

/**
 * Consumes one of the attempts that a registration has for a step, because each is an entry in the workflow history.
 *
 * @throws {Failure} rate-limited
 */
export async function limitStep(
  deps: StepLimitDeps,
  { registrationId, noteLimit }: RegistrationCaller,
  step: StepName,
): Promise<void> {
  const limit = {
    name: `${step}-tries-of-registration`,
    windows: [{ max: stepTriesMax, windowSeconds: deps.config.REGISTRATION_TTL }],
  };
  const state = await deps.rateLimits.consume(limit, registrationId, newId());
  noteLimit?.({ ...state, limit: limit.name });
  if (!state.allowed) throw limited(limit.name, state.resetSeconds);
}

/**
 * Stores the proof of a step for the next update of the workflow, if one must follow anyway: an update costs more than
 * everything else that the step does. Returns false when the workflow must be told at once. Safe to repeat.
 */
export async function carryProof<Name extends keyof CarriedProofs>(
  { registrations }: Pick<ApiDeps, 'registrations'>,
  { registrationId, status }: RegistrationCaller,
  name: Name,
  proof: Required<CarriedProofs>[Name],
): Promise<boolean> {
  return canBeCarried(name, status) && (await registrations.carryProof(registrationId, name, proof));
}

/**
 * Returns the view after a step that may have been the last one, of the given status or the stored one.
 *
 * @throws {Failure} identity-taken, when it was rejected for that
 */
export async function finalView(
  deps: ViewDeps,
  registrationId: string,
  status?: RegistrationStatus,
): Promise<Registration> {
  if (status?.state === 'rejected' && status.reason === 'identity-taken') throw new Failure('identity-taken');
  return currentView(deps, registrationId, status);
}

/**
 * Returns the status of a registration that ended before an update, because the same update was sent in parallel.
 *
 * @throws {Failure} the error of the update, unless the registration was completed or rejected
 */
export async function endOf(
  deps: Pick<ApiDeps, 'registrations'>,
  registrationId: string,
  err: unknown,
): Promise<{ status: RegistrationStatus }> {
  if (!(err instanceof Failure) || err.code !== 'registration-closed') throw err;
  const status = await readStatus(deps, registrationId);
  if (status.state !== 'completed' && status.state !== 'rejected') throw err;
  return { status };
}

/** Returns the current view of a registration, of the given status or the stored one. */
export async function currentView(
  deps: ViewDeps,
  registrationId: string,
  status?: RegistrationStatus,
): Promise<Registration> {
  const [checks, current] = await Promise.all([
    deps.codes.read({ subject: registrationId, purpose: 'register' }),
    status ?? readStatus(deps, registrationId),
  ]);
  return view(deps, registrationId, current, checks);
}

/** The view of a status and of the checks of its code, for clients. */
export function view(
  { rules }: Pick<ApiDeps, 'rules'>,
  registrationId: string,
  status: RegistrationStatus,
  checks: ReadCheckState | undefined,
): Registration {
  const isCodeOpen = status.steps.some((step) => step.name === 'code' && step.status !== 'done');
  const { waitingFor, reason, phone, email, userId } = status;
  // without a code no time matters
  const now = checks?.readAt ?? 0;
  return {
    registrationId,
    state: status.state,
    steps: status.steps,
    expiresAt: new Date(status.expiresAt).toISOString(),
    ...(waitingFor && { waitingFor }),
    // looks like a stop by an operator, because it must not reveal that the identity has an owner
    ...(reason && { reason: reason === 'stopped-by-owner' ? 'operator' : reason }),
    ...(phone && { phone }),
    ...(email && { email }),
    nextSmsAt: instantOf(status.nextSendAt.sms),
    nextVoiceAt: instantOf(status.nextSendAt.voice),
    nextEmailAt: instantOf(status.nextSendAt.email),
    nextCheckAt: isCodeOpen && isRunning(status) ? instantOf(nextCheckAt(checks, rules, now)) : null,
    attemptsLeft: checksLeft(checks, rules.checksMax, now),
    ...(userId && { userId }),
  };
}

/** ISO 8601 UTC, or null. */
export function instantOf(ms: number | null | undefined): string | null {
  return ms === null || ms === undefined ? null : new Date(ms).toISOString();
}

/** Reads the published status of a registration. @throws {Failure} not-found */
export async function readStatus(
  { registrations }: Pick<ApiDeps, 'registrations'>,
  registrationId: string,
): Promise<RegistrationStatus> {
  const stored = await registrations.read(registrationId);
  if (stored === undefined) throw new Failure('not-found');
  return stored.status;
}

/** Waits for a status that is enough; returns the current one after the timeout. */
export async function untilStatus(
  deps: Pick<ApiDeps, 'registrations' | 'listener'>,
  registrationId: string,
  timeoutMs: number,
  isEnough: (status: RegistrationStatus) => boolean,
): Promise<RegistrationStatus> {
  await using listening = await deps.listener.listen(keys.registration({ registrationId }), timeoutMs);
  // read after listening has begun, so that no change is missed
  for (let isOver = false; ; isOver = !(await listening.changed())) {
    const status = await readStatus(deps, registrationId);
    if (isOver || isEnough(status)) return status;
  }
}
