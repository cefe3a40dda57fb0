/** `POST /registrations/{id}/codes` and `PUT /registrations/{id}/code`. */
import type { CheckAnswer } from '../../adapters/redis/codes.ts';
import type { AnswerOf } from '../../contract/operation.ts';
import type { CodeRequest, Registration, registrationOperations } from '../../contract/registrations.ts';
import { Failure } from '../../domain/failures.ts';
import { type RegistrationStatus, refusedChannels } from '../../domain/registration.ts';
import { type Channel, openChannels } from '../../domain/verification.ts';
import { confirmCode, requestCode } from '../../workflows/registration-messages.ts';
import { type CaptchaDeps, useCaptchaForSend } from '../captchas.ts';
import type { ApiDeps } from '../deps.ts';
import { limitSend, limitUnprovenSends, type SendLimitDeps } from '../limits/codes.ts';
import { andConsume, type Consumed, limited, orRefund } from '../limits/counting.ts';
import { checkOtp, comparisonRefunds, type OtpCheckDeps } from '../otp.ts';
import type { HandlerInput } from '../serve.ts';
import {
  carryProof,
  currentView,
  endOf,
  finalView,
  instantOf,
  isDone,
  type RegistrationCaller,
  requireStep,
  untilStatus,
  type ViewDeps,
} from './status.ts';
import { type UpdateDeps, updateRegistration } from './update.ts';

type Send = typeof registrationOperations.sendCode;
type Verify = typeof registrationOperations.verifyCode;

type SendLimits = SendLimitDeps & CaptchaDeps;

/** The dependencies of sending the code of a registration. */
export type CodeSendDeps = SendLimits & UpdateDeps & ViewDeps & Pick<ApiDeps, 'policy' | 'listener'>;
/** The dependencies of verifying the code of a registration. */
export type CodeCheckDeps = OtpCheckDeps & UpdateDeps & ViewDeps & Pick<ApiDeps, 'policy'>;

/** Longest wait for the first response of a provider, so that a refusal can be returned at once. */
const firstWordMs = 1500;

/**
 * Sends a code. Returns as soon as the provider has accepted or refused it, and after 1.5 s at the latest.
 *
 * @throws {Failure} as `requestCodeOf`
 */
export async function sendCode(
  deps: CodeSendDeps,
  { holder, body, minted }: HandlerInput<Send>,
): Promise<AnswerOf<Send>> {
  return { status: 202, body: await requestCodeOf(deps, holder, body, minted.id) };
}

/**
 * Requests the code of a registration. Safe to repeat with the same `updateId`.
 *
 * @throws {Failure} step-blocked, step-not-available, channel-not-available, channel-refused, rate-limited, and those
 *   of a captcha when one is given
 */
export async function requestCodeOf(
  deps: CodeSendDeps,
  caller: RegistrationCaller,
  { channel, captcha }: CodeRequest,
  updateId: string,
): Promise<Registration> {
  const { registrationId } = caller;
  requireStep(deps, caller, 'code');
  requireSendable(caller.status, channel);
  const consumed = await limitSendBy(deps, caller, { channel, captcha }, updateId);
  const updated = await orRefund(consumed, () =>
    updateRegistration(deps, registrationId, requestCode, { channel }, updateId),
  ).catch((err: unknown) => {
    throw withLimit(err, deps, caller);
  });
  const own = updated.sends.findLast((send) => send.channel === channel)?.number;
  if (own !== undefined) {
    const { pseudonyms: { number, mailbox } = {}, limitKeys } = updated;
    const pseudonym = channel === 'email' ? mailbox : number;
    const recipient = {
      ...(channel !== 'email' && { country: limitKeys?.country }),
      ...(pseudonym !== undefined && { pseudonyms: [pseudonym] }),
    };
    deps.events.codeRequested({ subject: registrationId, purpose: 'register', channel, send: own, ...recipient });
  }
  const settled = await untilStatus(deps, registrationId, firstWordMs, ({ waitingFor, sends }) => {
    return waitingFor !== undefined || sends.some(({ number, state }) => number === own && state !== 'sending');
  });
  if (settled.sends.some(({ number, state }) => number === own && state === 'refused')) {
    throw channelRefused(settled, channel);
  }
  return currentView(deps, registrationId, settled);
}

/** Counts a send; one without its own captcha is also counted against the unproven sends of its block of numbers. */
async function limitSendBy(
  deps: SendLimits,
  caller: RegistrationCaller,
  { channel, captcha }: CodeRequest,
  sendId: string,
): Promise<Consumed> {
  const act = { limitKeys: caller.status.limitKeys, channels: [channel] };
  if (captcha !== undefined) {
    const { registrationId, address } = caller;
    const use = { holder: `${registrationId} ${sendId}`, subject: registrationId, address };
    await useCaptchaForSend(deps, use, captcha);
    return limitSend(deps, caller, act, sendId);
  }
  const unproven = await limitUnprovenSends(deps, caller, act, sendId);
  return andConsume(unproven, () => limitSend(deps, caller, act, sendId));
}

/** Verifies the code of a registration. @throws {Failure} as `confirmCodeOf` */
export async function verifyCode(
  deps: CodeCheckDeps,
  { holder, body: { code } }: HandlerInput<Verify>,
): Promise<AnswerOf<Verify>> {
  return { status: 200, body: await confirmCodeOf(deps, holder, code) };
}

/**
 * Checks a code and, when it is correct, completes the step of the registration.
 *
 * @throws {Failure} rate-limited, code-wrong with `attemptsLeft`, code-not-sent, code-expired, identity-taken
 */
export async function confirmCodeOf(
  deps: CodeCheckDeps,
  caller: RegistrationCaller,
  code: string,
): Promise<Registration> {
  const { registrationId, status } = caller;
  if (status.state !== 'completed') requireStep(deps, caller, 'code');
  const { outcome, left, send } = await check(deps, caller, code);
  if (outcome === 'none') throw new Failure('code-not-sent');
  const nextCodeAt = nextCodeAtOf(status);
  if (outcome === 'expired') throw new Failure('code-expired', { fields: { nextCodeAt } });
  if (outcome === 'wrong' || outcome === 'exhausted') {
    throw new Failure('code-wrong', {
      fields: { attemptsLeft: left, ...(left === 0 && { nextCodeAt }) },
      ...(left === 0 && { message: spentSentence(status, { outcome, nextCodeAt }) }),
    });
  }
  if (isDone(status, 'code')) return currentView(deps, registrationId);
  // the script has marked the code: a repeat after a crash gets `already` and goes on here
  const isCarried = await carryProof(deps, caller, 'code', { at: Date.now(), ...(send !== undefined && { send }) });
  const answer = isCarried ? undefined : await confirm(deps, registrationId, send);
  deps.events.stepDone(registrationId, 'code');
  return finalView(deps, registrationId, answer?.status);
}

function confirm(
  deps: UpdateDeps,
  registrationId: string,
  send: number | undefined,
): Promise<{ status: RegistrationStatus }> {
  const updateId = send === undefined ? undefined : `code-${send}`;
  return updateRegistration(deps, registrationId, confirmCode, { send }, updateId).catch((err: unknown) =>
    endOf(deps, registrationId, err),
  );
}

function check(
  deps: OtpCheckDeps & Pick<ApiDeps, 'rules'>,
  caller: RegistrationCaller,
  code: string,
): Promise<CheckAnswer> {
  const { registrationId, status } = caller;
  const { limitKeys, sends } = status;
  const of = { subject: registrationId, purpose: 'register' } as const;
  const channels = openChannels(sends);
  const typed = { of, send: sends.length, code, limitKeys, channels, rules: deps.rules, refunds: comparisonRefunds };
  return checkOtp(deps, caller, typed).catch((err: unknown) => {
    throw withOtherChannels(err, status, channels);
  });
}

/** Adds the channels that a victim of guesses can still use. Calls share the limits of the SMS to a number. */
function withOtherChannels(err: unknown, status: RegistrationStatus, channels: readonly Channel[]): unknown {
  if (!(err instanceof Failure) || err.code !== 'rate-limited') return err;
  const otherChannels = Object.entries(status.nextSendAt).flatMap(([other, next]) =>
    next === null || channels.some((channel) => (channel === 'email') === (other === 'email')) ? [] : [other],
  );
  return limited(String(err.context.fields?.limit), err.context.retryAfterSeconds, { otherChannels });
}

/** Refuses what the published status already rules out; the workflow decides. */
function requireSendable(status: RegistrationStatus, channel: Channel): void {
  const step = status.steps.find(({ name }) => name === 'code');
  if (step?.status === 'done') throw new Failure('step-not-available', { message: 'The code step is already done' });
  if (step?.status === 'blocked') {
    throw new Failure('step-blocked', { message: `The code requires another step first (${step.reason})` });
  }
  if (refusedChannels(status.sends).includes(channel)) throw channelRefused(status, channel);
  const available = Object.keys(status.nextSendAt);
  if (!available.includes(channel)) throw new Failure('channel-not-available', { fields: { channels: available } });
}

function channelRefused(status: RegistrationStatus, channel: Channel): Failure {
  const otherChannels = Object.entries(status.nextSendAt).flatMap(([other, next]) =>
    other !== channel && next !== null ? [other] : [],
  );
  return new Failure('channel-refused', { fields: { otherChannels } });
}

/** Adds the limit to a refusal of the workflow. */
function withLimit(err: unknown, { rules }: Pick<ApiDeps, 'rules'>, { noteLimit }: RegistrationCaller): unknown {
  if (!(err instanceof Failure) || err.code !== 'rate-limited') return err;
  noteLimit?.({
    limit: 'code-resend',
    allowed: false,
    max: rules.resendWaitsSeconds.length + 1,
    remaining: 0,
    resetSeconds: err.context.retryAfterSeconds ?? rules.ttlSeconds,
  });
  return limited('code-resend', err.context.retryAfterSeconds);
}

/** What a caller learns of a code that has no attempts left. One that was not compared is not called wrong. */
function spentSentence(
  status: RegistrationStatus,
  { outcome, nextCodeAt }: { outcome: 'wrong' | 'exhausted'; nextCodeAt: string | null },
): string {
  if (isDone(status, 'code')) return 'Another code was accepted already; continue with the next step';
  const what = outcome === 'wrong' ? 'The code is wrong and has no attempts left' : 'This code has no attempts left';
  return `${what}; ${nextCodeAt === null ? 'no other can be sent, so start a new registration' : 'request a new one'}`;
}

function nextCodeAtOf(status: RegistrationStatus): string | null {
  const instants = Object.values(status.nextSendAt).filter((next) => next !== null && next !== undefined);
  return instants.length === 0 ? null : instantOf(Math.max(Date.now(), Math.min(...instants)));
}
