/**
 * What a registration refuses, by its state. Each rule returns the failure code and its context, or undefined when the
 * update is accepted. Workflow validators call these rules before an update enters the history.
 */
import type { Refusal } from './failures.ts';
import {
  channelsOf,
  currentStep,
  isApprovalNeeded,
  isNumberVerified,
  isOver,
  openNeeds,
  type RegistrationState,
  type StepName,
} from './registration.ts';
import { type Channel, nextSendAt, type Send } from './verification.ts';

/** A send that an operator may give up, and the dependencies that are unavailable. */
interface StuckContext {
  sends: readonly Send[];
  unavailable: ReadonlySet<string>;
}

/** Refuses an update after the end: registration-expired, registration-closed. */
export function refuseUpdate(state: Pick<RegistrationState, 'outcome' | 'isCancelled'>): Refusal | undefined {
  if (state.outcome === 'expired') return { code: 'registration-expired' };
  return isOver(state) ? { code: 'registration-closed' } : undefined;
}

/** Refuses a step as `refuseUpdate`, and when it is not in the policy or all steps are done: step-not-available. */
export function refuseStep(name: StepName, state: RegistrationState): Refusal | undefined {
  const isOpen = state.policy.includes(name) && currentStep(state) !== 'finish';
  return refuseUpdate(state) ?? (isOpen ? undefined : { code: 'step-not-available' });
}

/** Refuses the proof of a step as `refuseUpdate`. A step that is already done is accepted again, also after the end. */
export function refuseProof(name: StepName, state: RegistrationState): Refusal | undefined {
  return state.done.has(name) ? undefined : refuseUpdate(state);
}

/** Refuses an approval as `refuseProof`, or because no approval is required: step-not-available. */
export function refuseApproval(state: RegistrationState): Refusal | undefined {
  return refuseProof('approval', state) ?? (isApprovalNeeded(state) ? undefined : { code: 'step-not-available' });
}

/** Refuses to ask devices for an approval, as `refuseUpdate`, and when none is required: step-not-available. */
export function refuseAsking(state: RegistrationState): Refusal | undefined {
  const isOpen = isApprovalNeeded(state) && !state.done.has('approval');
  return refuseUpdate(state) ?? (isOpen ? undefined : { code: 'step-not-available' });
}

/**
 * Refuses a registration at the Signal server: as `refuseStep`, and step-blocked until the number is verified. A code to
 * an e-mail address verifies no number.
 */
export function refuseSignal(state: RegistrationState): Refusal | undefined {
  const refused = refuseStep('signal', state);
  if (refused !== undefined) return refused;
  if (openNeeds('signal', state).length > 0) return { code: 'step-blocked' };
  if (isNumberVerified(state)) return undefined;
  const message = 'A Signal server registers a number, and only a code by SMS or call verifies it';
  return { code: 'step-blocked', context: { message, fields: { reason: 'number-not-verified' } } };
}

/**
 * Refuses a code that cannot be sent by a channel now: as `refuseStep`, and step-blocked, channel-not-available,
 * channel-refused, rate-limited.
 */
export function refuseCode(channel: Channel, state: RegistrationState, now: number): Refusal | undefined {
  const refused = refuseStep('code', state);
  if (refused !== undefined) return refused;
  if (state.done.has('code')) return { code: 'step-not-available' };
  if (openNeeds('code', state).length > 0) return { code: 'step-blocked' };
  if (!channelsOf(state.identity, state.rules).includes(channel)) return { code: 'channel-not-available' };
  const hasSend = (wanted: Send['state']) =>
    state.sends.some((send) => send.channel === channel && send.state === wanted);
  if (hasSend('refused')) return { code: 'channel-refused' };
  const next = nextSendAt(state.sends, channel, state.rules, state.startedAt);
  if (next === null) return { code: 'rate-limited' };
  if (next <= now && !hasSend('sending')) return undefined;
  return { code: 'rate-limited', context: { retryAfterSeconds: Math.max(1, Math.ceil((next - now) / 1000)) } };
}

/**
 * Refuses a cancellation as `refuseUpdate`, and with an operator name that is malformed. A repeated cancellation is
 * accepted, also while compensations run.
 */
export function refuseCancellation(by: unknown, state: RegistrationState): Refusal | undefined {
  return refuseOperatorName(by) ?? (state.isCancelled ? undefined : refuseUpdate(state));
}

/** Refuses an operator's retry when no call has failed: malformed, nothing-waiting. */
export function refuseRetry(by: unknown, { hasFailed }: { hasFailed: boolean }): Refusal | undefined {
  return refuseOperatorName(by) ?? (hasFailed ? undefined : { code: 'nothing-waiting' });
}

/**
 * Refuses an operator's switch to another channel when no send waits or was refused: as `refuseCode`, and malformed,
 * nothing-waiting.
 */
export function refuseSwitch(
  { channel, by }: { channel: Channel; by?: unknown },
  state: RegistrationState,
  { unavailable, now }: { unavailable: ReadonlySet<string>; now: number },
): Refusal | undefined {
  const refused = refuseOperatorName(by) ?? refuseStep('code', state);
  if (refused !== undefined) return refused;
  if (stuckSend(channel, { sends: state.sends, unavailable }) === undefined) {
    return { code: 'nothing-waiting', context: { message: 'No code sent by another channel waits or was refused' } };
  }
  return refuseCode(channel, state, now);
}

/**
 * Refuses to send by another channel after the last attempt of a send that was given up: as `refuseCode`, and
 * nothing-waiting when its provider has accepted that attempt.
 */
export function refuseReplacement(
  channel: Channel,
  state: RegistrationState,
  { givenUp, now }: { givenUp: Send; now: number },
): Refusal | undefined {
  if (givenUp.state === 'sent') {
    return { code: 'nothing-waiting', context: { message: 'The provider has accepted the code in the meantime' } };
  }
  return refuseCode(channel, state, now);
}

/** Returns the newest send that an operator may give up to use the target channel instead. */
export function stuckSend(target: Channel, { sends, unavailable }: StuckContext): Send | undefined {
  return sends.findLast(
    ({ channel, state }) =>
      channel !== target && (state === 'refused' || (state === 'sending' && unavailable.has(channel))),
  );
}

/** The operator name is shown as Markdown and logged, so its length and characters are restricted. */
function refuseOperatorName(name: unknown): Refusal | undefined {
  if (name === undefined || (typeof name === 'string' && /^[\w.-]{1,64}$/.test(name))) return undefined;
  const message = 'An operator name has up to 64 letters, digits, dots, dashes and underscores';
  return { code: 'malformed', context: { message } };
}
