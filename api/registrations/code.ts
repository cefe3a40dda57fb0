/** `POST /registrations/{id}/codes` and `PUT /registrations/{id}/code`. */
import { z } from 'zod';
import type { Codes } from '../../adapters/redis/codes.ts';
import { Failure } from '../../domain/failures.ts';
import { type RegistrationStatus, refusedChannels } from '../../domain/registration.ts';
import { type Channel, channels, openChannels } from '../../domain/verification.ts';
import { newId } from '../../platform/crypto.ts';
import { confirmCode, requestCode } from '../../workflows/registration.ts';
import type { ApiDeps } from '../deps.ts';
import { idempotent } from '../guards.ts';
import { type Consumed, limitCheck, limited, limitSend, limitUnprovenSends } from '../limits.ts';
import { parse, type Registration } from '../schemas.ts';
import { CaptchaProof, useCaptchaForSend } from './captcha.ts';
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

/** The way a code is asked for; with a captcha of its own where a limit asks for it. */
export const CodeRequest = z.strictObject({ channel: z.enum(channels), captcha: CaptchaProof.optional() });
/** A code as typed. */
export const CodeProof = z.strictObject({ code: z.string().regex(/^\d{4,10}$/, 'must be 4 to 10 digits') });

/** Longest wait for a provider's first word, so that a refusal can be answered at once. */
const firstWordMs = 1500;

/**
 * Sends a code. Answers as soon as the provider has it or has refused it, and otherwise before that.
 *
 * @throws {Failure} step-blocked, step-not-available, channel-not-available, channel-refused, rate-limited, and those of
 *   a captcha when one is given
 */
export async function sendCode(deps: ApiDeps, caller: RegistrationCaller, body: unknown): Promise<Registration> {
  const { channel, captcha } = parse(CodeRequest, body);
  const { registrationId } = caller;
  const scope = ['codes', registrationId];
  return idempotent(deps, { scope, caller, body: { channel } }, { updateId: newId() }, async ({ updateId }) => {
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
  });
}

/** Counts a send, watched where it comes without a captcha of its own. */
async function limitSendBy(
  deps: ApiDeps,
  caller: RegistrationCaller,
  { channel, captcha }: z.infer<typeof CodeRequest>,
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

/**
 * Compares a code and, when it is right, moves the registration on.
 *
 * @throws {Failure} rate-limited, code-wrong with `attemptsLeft`, code-not-sent, code-expired, identity-taken
 */
export async function verifyCode(deps: ApiDeps, caller: RegistrationCaller, body: unknown): Promise<Registration> {
  const { code } = parse(CodeProof, body);
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
