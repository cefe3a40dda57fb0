/** `POST /registrations/{id}/codes` and `PUT /registrations/{id}/code`. */
import type { Codes } from '../../adapters/redis/codes.ts';
import type { AnswerOf } from '../../contract/operation.ts';
import type { CodeRequest, Registration, registrationOperations } from '../../contract/registrations.ts';
import { Failure } from '../../domain/failures.ts';
import { type RegistrationStatus, refusedChannels } from '../../domain/registration.ts';
import { type Channel, openChannels } from '../../domain/verification.ts';
import { confirmCode, requestCode } from '../../workflows/registration.ts';
import type { ApiDeps } from '../deps.ts';
import { type Consumed, limitCheck, limited, limitSend, limitUnprovenSends } from '../limits.ts';
import type { HandlerInput } from '../serve.ts';
import { useCaptchaForSend } from './captcha.ts';
import {
  currentView,
  endOf,
  finalView,
  instantOf,
  isDone,
  type RegistrationCaller,
  requireStep,
  untilStatus,
} from './status.ts';
import { updateRegistration } from './update.ts';

type Send = typeof registrationOperations.sendCode;
type Verify = typeof registrationOperations.verifyCode;

/** Longest wait for a provider's first word, so that a refusal can be answered at once. */
const firstWordMs = 1500;

/**
 * Sends a code. Answers as soon as the provider has accepted or refused it, and otherwise before that.
 *
 * @throws {Failure} as `requestCodeOf`
 */
export async function sendCode(deps: ApiDeps, { holder, body, minted }: HandlerInput<Send>): Promise<AnswerOf<Send>> {
  return { status: 202, body: await requestCodeOf(deps, holder, body, minted.id) };
}

/**
 * Has a code of a registration sent. Safe to repeat with the same `updateId`.
 *
 * @throws {Failure} step-blocked, step-not-available, channel-not-available, channel-refused, rate-limited, and those of
 *   a captcha when one is given
 */
export async function requestCodeOf(
  deps: ApiDeps,
  caller: RegistrationCaller,
  { channel, captcha }: CodeRequest,
  updateId: string,
): Promise<Registration> {
  const { registrationId } = caller;
  requireStep(deps, caller, 'code');
  requireSendable(caller.status, channel);
  const consumed = await limitSendBy(deps, caller, { channel, captcha }, updateId);
  const updated = await updateRegistration(deps, registrationId, requestCode, [{ channel }], updateId).catch(
    async (err: unknown) => {
      await consumed.refund();
      throw withLimit(err, deps, caller);
    },
  );
  const own = updated.sends.findLast((send) => send.channel === channel)?.number;
  if (own !== undefined) deps.events.codeRequested({ subject: registrationId, purpose: 'register' }, channel, own);
  const settled = await untilStatus(deps, registrationId, firstWordMs, ({ waitingFor, sends }) => {
    return waitingFor !== undefined || sends.some(({ number, state }) => number === own && state !== 'sending');
  });
  if (settled.sends.some(({ number, state }) => number === own && state === 'refused')) {
    throw channelRefused(settled, channel);
  }
  return currentView(deps, registrationId, settled);
}

/** Counts a send, watched where it comes without a captcha of its own. */
async function limitSendBy(
  deps: ApiDeps,
  caller: RegistrationCaller,
  { channel, captcha }: CodeRequest,
  sendId: string,
): Promise<Consumed> {
  const act = { limitKeys: caller.status.limitKeys, channels: [channel] };
  if (captcha !== undefined) {
    await useCaptchaForSend(deps, caller, captcha, sendId);
    return limitSend(deps, caller, act, sendId);
  }
  const watched = await limitUnprovenSends(deps, caller, act, sendId);
  const consumed = await limitSend(deps, caller, act, sendId).catch(async (err: unknown) => {
    await watched.refund();
    throw err;
  });
  return {
    async refund() {
      await Promise.all([watched.refund(), consumed.refund()]);
    },
  };
}

/** Verifies the code of a registration. @throws {Failure} as `confirmCodeOf` */
export async function verifyCode(
  deps: ApiDeps,
  { holder, body: { code } }: HandlerInput<Verify>,
): Promise<AnswerOf<Verify>> {
  return { status: 200, body: await confirmCodeOf(deps, holder, code) };
}

/**
 * Compares a code and, when it is right, moves the registration on.
 *
 * @throws {Failure} rate-limited, code-wrong with `attemptsLeft`, code-not-sent, code-expired, identity-taken
 */
export async function confirmCodeOf(deps: ApiDeps, caller: RegistrationCaller, code: string): Promise<Registration> {
  const { registrationId, status } = caller;
  if (status.state !== 'completed') requireStep(deps, caller, 'code');
  const { outcome, left, send } = await compare(deps, caller, code);
  if (outcome === 'none') throw new Failure('code-not-sent');
  const nextCodeAt = nextCodeAtOf(status);
  if (outcome === 'expired') throw new Failure('code-expired', { fields: { nextCodeAt } });
  if (outcome === 'wrong' || outcome === 'exhausted') {
    throw new Failure('code-wrong', {
      fields: { attemptsLeft: left, ...(left === 0 && { nextCodeAt }) },
      ...(left === 0 && { message: 'The code is wrong and has no tries left; ask for a new one' }),
    });
  }
  if (isDone(status, 'code')) return currentView(deps, registrationId);
  // the script has marked it: a repeat after a crash answers `already` and comes here again; all of them are one order
  const updateId = send === undefined ? undefined : `code-${send}`;
  const answer = await updateRegistration(deps, registrationId, confirmCode, [{ send }], updateId).catch(
    (err: unknown) => endOf(deps, registrationId, err),
  );
  deps.events.stepDone(registrationId, 'code');
  return finalView(deps, registrationId, answer.status);
}

/** Compares a code, counted as a wrong one before, so that parallel guesses never exceed the limits. */
async function compare(
  deps: ApiDeps,
  caller: RegistrationCaller,
  code: string,
): Promise<Awaited<ReturnType<Codes['check']>>> {
  const { registrationId, status } = caller;
  const channels = openChannels(status.sends);
  const guess = deps.limitHash('guess', `${registrationId} ${status.sends.length} ${code}`);
  const act = { limitKeys: status.limitKeys, channels };
  const consumed = await limitCheck(deps, caller, act, guess).catch((err: unknown) => {
    throw withOtherChannels(err, status, channels);
  });
  const subject = { subject: registrationId, purpose: 'register' } as const;
  const checked = await deps.codes.check(subject, code, deps.rules, Date.now());
  deps.events.codeChecked(subject, checked.outcome, checked.left);
  if (checked.outcome === 'verified') await consumed.refundProven();
  else if (checked.outcome !== 'wrong') await consumed.refund();
  return checked;
}

/** A victim of somebody's guesses is told the ways that are still open: calls are limited with the SMS of a number. */
function withOtherChannels(err: unknown, status: RegistrationStatus, channels: readonly Channel[]): unknown {
  if (!(err instanceof Failure) || err.code !== 'rate-limited') return err;
  const otherChannels = Object.entries(status.nextSendAt).flatMap(([other, next]) =>
    next === null || channels.some((channel) => (channel === 'email') === (other === 'email')) ? [] : [other],
  );
  return limited(String(err.context.fields?.limit), err.context.retryAfterSeconds, { otherChannels });
}

/** What the published status already refuses; the workflow has the last word. */
function requireSendable(status: RegistrationStatus, channel: Channel): void {
  const step = status.steps.find(({ name }) => name === 'code');
  if (step?.status === 'done') throw new Failure('step-not-available', { message: 'The code step is done' });
  if (step?.status === 'blocked') {
    throw new Failure('step-blocked', { message: `The code needs another step first (${step.reason})` });
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

/** Names the limit behind a refusal of the workflow. */
function withLimit(err: unknown, { rules }: ApiDeps, { noteLimit }: RegistrationCaller): unknown {
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

function nextCodeAtOf(status: RegistrationStatus): string | null {
  const instants = Object.values(status.nextSendAt).filter((next) => next !== null && next !== undefined);
  return instants.length === 0 ? null : instantOf(Math.max(Date.now(), Math.min(...instants)));
}
