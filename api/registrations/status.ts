/** Where a registration stands, as operations ask it and as clients see it. */
import type { Registration } from '../../contract/registrations.ts';
import { Failure } from '../../domain/failures.ts';
import type { RegistrationStatus, StepName } from '../../domain/registration.ts';
import { checksLeft, nextCheckAt } from '../../domain/verification.ts';
import { newId } from '../../platform/crypto.ts';
import type { ApiDeps, Caller } from '../deps.ts';
import { limited } from '../limits.ts';

/** More than an honest person needs, and few enough for the history of a workflow. */
const stepTriesMax = 20;

/** A caller that holds the token of a registration, and how it stood when the request came. */
export interface RegistrationCaller extends Caller {
  registrationId: string;
  status: RegistrationStatus;
}

/** @throws {Failure} registration-expired, registration-closed */
export function requireRunning(status: RegistrationStatus): void {
  if (status.state === 'expired') throw new Failure('registration-expired');
  if (status.state === 'pending' || status.state === 'waiting') return;
  throw new Failure('registration-closed', {
    message: `The registration is ${status.state}`,
    fields: { state: status.state },
  });
}

/** @throws {Failure} as `requireRunning`, and step-not-available when the policy does not list the step */
export function requireStep({ policy }: ApiDeps, { status }: RegistrationCaller, name: StepName): void {
  requireRunning(status);
  const step = status.steps.find((known) => known.name === name);
  if (step === undefined) {
    throw new Failure('step-not-available', {
      message: `This registration has no step ${name}`,
      fields: { steps: [...policy] },
    });
  }
}

/** Tells whether a step is done. */
export function isDone(status: RegistrationStatus, name: StepName): boolean {
  return status.steps.some((step) => step.name === name && step.status === 'done');
}

/**
 * Takes one of the tries that a registration has for a step, in all: each is an entry of its workflow's history.
 *
 * @throws {Failure} rate-limited
 */
export async function limitStep(
  deps: ApiDeps,
  { registrationId, noteLimit }: RegistrationCaller,
  step: StepName,
): Promise<void> {
  const limit = {
    name: `${step}-tries-of-registration`,
    windows: [{ max: stepTriesMax, windowSeconds: deps.config.REGISTRATION_TTL }],
  };
  const state = await deps.rateLimits.consume(limit, registrationId, newId(), Date.now());
  noteLimit?.({ ...state, limit: limit.name });
  if (!state.allowed) throw limited(limit.name, state.resetSeconds);
}

/** The view after a step that may have been the last: what a registration was rejected for is a failure. */
export async function finalView(
  deps: ApiDeps,
  registrationId: string,
  status: RegistrationStatus,
): Promise<Registration> {
  if (status.state === 'rejected' && status.reason === 'identity-taken') throw new Failure('identity-taken');
  return currentView(deps, registrationId, status);
}

/**
 * What an order came to that found the registration over, because the same order was given at the same time: the end
 * it came to, when that is an end of all steps.
 *
 * @throws {Failure} what the order was refused with, otherwise
 */
export async function endOf(
  deps: ApiDeps,
  registrationId: string,
  err: unknown,
): Promise<{ status: RegistrationStatus }> {
  if (!(err instanceof Failure) || err.code !== 'registration-closed') throw err;
  const status = await readStatus(deps, registrationId);
  if (status.state !== 'completed' && status.state !== 'rejected') throw err;
  return { status };
}

/** The view of today, of a status that is given or read. */
export async function currentView(
  deps: ApiDeps,
  registrationId: string,
  status?: RegistrationStatus,
): Promise<Registration> {
  const [checks, current] = await Promise.all([
    deps.codes.read({ subject: registrationId, purpose: 'register' }),
    status ?? readStatus(deps, registrationId),
  ]);
  return view(deps, registrationId, current, checks);
}

/** A status and where the checks of its code stand, as clients see them. */
export function view(
  { rules }: Pick<ApiDeps, 'rules'>,
  registrationId: string,
  status: RegistrationStatus,
  checks: Parameters<typeof checksLeft>[0],
): Registration {
  const isCodeOpen = status.steps.some((step) => step.name === 'code' && step.status !== 'done');
  const isRunning = status.state === 'pending' || status.state === 'waiting';
  const { waitingFor, reason, phone, email, userId } = status;
  const now = Date.now();
  return {
    registrationId,
    state: status.state,
    steps: status.steps,
    expiresAt: new Date(status.expiresAt).toISOString(),
    ...(waitingFor && { waitingFor }),
    // that there is an owner is nobody's to know: it looks like the end by an operator
    ...(reason && { reason: reason === 'stopped-by-owner' ? 'operator' : reason }),
    ...(phone && { phone }),
    ...(email && { email }),
    nextSmsAt: instantOf(status.nextSendAt.sms),
    nextVoiceAt: instantOf(status.nextSendAt.voice),
    nextEmailAt: instantOf(status.nextSendAt.email),
    nextCheckAt: isCodeOpen && isRunning ? instantOf(nextCheckAt(checks, rules, now)) : null,
    attemptsLeft: checksLeft(checks, rules.checksMax, now),
    ...(userId && { userId }),
  };
}

/** ISO 8601 UTC, or null. */
export function instantOf(ms: number | null | undefined): string | null {
  return ms === null || ms === undefined ? null : new Date(ms).toISOString();
}

async function readStatus({ registrations }: ApiDeps, registrationId: string): Promise<RegistrationStatus> {
  const stored = await registrations.read(registrationId);
  if (stored === undefined) throw new Failure('not-found');
  return stored.status;
}

/** The first status that is enough, or the newest one when the time is over. */
export async function untilStatus(
  deps: ApiDeps,
  registrationId: string,
  timeoutMs: number,
  isEnough: (status: RegistrationStatus) => boolean,
): Promise<RegistrationStatus> {
  await using listening = await deps.listener.listen(registrationId, timeoutMs);
  // read after the listening has begun: no change is missed in between
  for (let isOver = false; ; isOver = !(await listening.changed())) {
    const status = await readStatus(deps, registrationId);
    if (isOver || isEnough(status)) return status;
  }
}
