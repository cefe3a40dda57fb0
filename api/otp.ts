/** One-time codes: their destination, how they are sent and checked, and what is refunded when they do not count. */

import { type PhoneNumber, parsePhoneNumber } from '../adapters/phone-numbers.ts';
import type { CheckAnswer, CheckOutcome } from '../adapters/redis/codes.ts';
import type { CountedLogIn, LogIn } from '../adapters/redis/logins.ts';
import { startWorkflow } from '../adapters/temporal/client-calls.ts';
import { type Account, epochOf } from '../domain/account.ts';
import { Failure } from '../domain/failures.ts';
import { type ContactIdentity, countryOf, type LimitKeys } from '../domain/identity.ts';
import { limitKeysOf } from '../domain/limits.ts';
import type { Channel, CodeSubject, VerificationRules } from '../domain/verification.ts';
import { userAttributesOf } from '../workflows/search-attributes.ts';
import { sendOtp } from '../workflows/send-otp.ts';
import type { ApiDeps, Caller } from './deps.ts';
import { type ConsumedCheck, limitCheck } from './limits/codes.ts';
import { type Consumed, type LimitDeps, type Limited, orRefund } from './limits/counting.ts';

/** The dependencies of sending a code. */
export type OtpSendDeps = Pick<ApiDeps, 'temporal' | 'logins' | 'rules'>;
/** The dependencies of checking a code. */
export type OtpCheckDeps = LimitDeps & Pick<ApiDeps, 'codes'>;

/** An address of a user, and the keys of the limits of codes to it. */
export interface Destination extends Required<Pick<LogIn, 'limitKeys' | 'channel'>> {
  userId: string;
  to: string;
  country?: string | undefined;
  /** The epoch of the account that the address was read from. */
  epoch: number;
}

/**
 * Returns the address of an account for the wanted channel or, without one, for the channel that it has. Its number was
 * proven, so the limits of blocks of numbers, which strangers can use up, do not apply to it.
 */
export function reachOf(
  { limitHash }: Pick<ApiDeps, 'limitHash'>,
  account: Account,
  wanted: Channel,
): Destination | undefined {
  const { userId, email } = account;
  const number = account.phone === undefined ? undefined : parsePhoneNumber(account.phone);
  const identity: ContactIdentity = { ...(email && { email }), ...(number && identityOfNumber(number)) };
  const { prefix: _, ...limitKeys } = limitKeysOf(identity, limitHash);
  const reached = { userId, epoch: epochOf(account), limitKeys };
  if (email !== undefined && (wanted === 'email' || number === undefined)) {
    return { ...reached, to: email, channel: 'email' };
  }
  if (number === undefined) return undefined;
  const channel = wanted === 'email' ? 'sms' : wanted;
  return { ...reached, to: number.e164, channel, country: countryOf(identity) };
}

function identityOfNumber({ e164, country, callingCode }: PhoneNumber): ContactIdentity {
  return { phone: e164, callingCode, ...(country && { country }) };
}

/** The only code of a log-in, a PIN reset or a change of contact. */
export interface NewOtp {
  of: CodeSubject;
  /** Without `userId` and `to` nothing is sent; the same work is done. */
  destination: Pick<Destination, 'limitKeys' | 'channel'> & Partial<Destination>;
  locale: string | undefined;
  /** The change that the correct code confirms. */
  encrypted?: string;
  /** The password was proven before. */
  hadPassword?: boolean;
  workflowId: string;
  /** Title of the execution for operators. */
  staticSummary: string;
}

/**
 * Stores a code request, then starts the workflow that sends the code. Refunds what was consumed if that fails. Returns
 * the end of the code in milliseconds. Safe to repeat: keyed by the subject.
 *
 * @throws {Failure} unavailable
 */
export function startOtp(deps: OtpSendDeps, consumed: Consumed, otp: NewOtp): Promise<number> {
  const { of, destination, locale, encrypted, hadPassword, workflowId, staticSummary } = otp;
  const { userId, channel, limitKeys, to, country, epoch } = destination;
  const ttlSeconds = deps.rules.codeTtlSeconds;
  return orRefund(consumed, async () => {
    // stored before the code is sent, so that every code that arrives can be verified
    const login = { purpose: of.purpose, userId, channel, limitKeys, ttlSeconds, encrypted, epoch, hadPassword };
    const expiresAt = await deps.logins.create(of.subject, login);
    const input = { ...of, channel, ttlSeconds, until: expiresAt };
    await startWorkflow(deps, sendOtp, {
      taskQueue: 'registration',
      workflowId,
      staticSummary,
      typedSearchAttributes: userAttributesOf(userId),
      args: [{ ...input, ...(to && { to }), ...(country && { country }), ...(locale && { locale }) }],
    });
    return expiresAt;
  });
}

/** What is refunded after a check, by its outcome. Other outcomes count as a wrong code. */
type RefundRules = Partial<Record<CheckOutcome, keyof ConsumedCheck>>;

/** Only a comparison with a wrong result counts. */
export const comparisonRefunds: RefundRules = {
  verified: 'refundProven',
  already: 'refund',
  early: 'refund',
  exhausted: 'refund',
  expired: 'refund',
  none: 'refund',
};

/** Everything but the correct code counts: unknown users have no code, and a refund for them would reveal that. */
const logInRefunds: RefundRules = { verified: 'refundProven', already: 'refundProven' };

/** A typed code and the send that it is compared with. */
interface OtpCheck {
  of: CodeSubject;
  /** Number of the newest send. */
  send: number;
  code: string;
  limitKeys: LimitKeys | undefined;
  channels: readonly Channel[];
  rules: Pick<VerificationRules, 'checksMax' | 'checkWaitsSeconds'>;
  refunds: RefundRules;
}

/**
 * Checks a code. It is counted as wrong before the comparison, so that parallel guesses never exceed the limits, and
 * refunded afterwards by the rules of the check.
 *
 * @throws {Failure} rate-limited
 */
export async function checkOtp(deps: OtpCheckDeps, caller: Limited, check: OtpCheck): Promise<CheckAnswer> {
  const { of, send, code, limitKeys, channels, rules, refunds } = check;
  const guess = deps.limitHash('guess', `${of.subject} ${send} ${code}`);
  const consumed = await limitCheck(deps, caller, { limitKeys, channels }, guess);
  const checked = await deps.codes.check(of, code, rules);
  deps.events.codeChecked(of, checked.outcome, checked.left);
  const refund = refunds[checked.outcome];
  if (refund !== undefined) await consumed[refund]();
  return checked;
}

/** Checks the code of an attempt that was counted. @throws {Failure} code-wrong, rate-limited */
export async function requireRightCode(
  deps: OtpCheckDeps & Pick<ApiDeps, 'rules'>,
  of: CodeSubject,
  begun: CountedLogIn,
  code: string,
  caller: Caller,
): Promise<void> {
  if (!(await isRightCode(deps, of, begun, code, caller))) throw wrongCode(deps.rules.checksMax - begun.tries);
}

/**
 * Returns whether a code of `startOtp` is correct. Strangers can cause wrong codes under the number or mailbox of a user,
 * so those do not count here: every code has its own few attempts, and the codes to a number and mailbox are limited.
 *
 * @throws {Failure} rate-limited, by a limit of the source or of all users
 */
export async function isRightCode(
  deps: OtpCheckDeps & Pick<ApiDeps, 'rules'>,
  of: CodeSubject,
  { channel }: Pick<LogIn, 'channel'>,
  code: string,
  caller: Caller,
): Promise<boolean> {
  const check = { of, send: 1, code, limitKeys: {}, channels: [channel], rules: deps.rules, refunds: logInRefunds };
  const { outcome } = await checkOtp(deps, caller, check);
  // `already` is a repeat after a crash: the script had marked the code as verified
  return outcome === 'verified' || outcome === 'already';
}

/**
 * Requires that the account is in the epoch for which a code was requested. Call it after the code was found correct:
 * others learn nothing about the account.
 *
 * @throws {Failure} code-expired
 */
export function requireEpoch(account: Account | undefined, { epoch = 0 }: Pick<LogIn, 'epoch'>): void {
  if (account === undefined || epochOf(account) !== epoch) throw outdatedCode();
}

/** The failure for a correct code that was requested before the account changed. */
export function outdatedCode(): Failure {
  return new Failure('code-expired', {
    message: 'The account has changed since this code was sent; request another code',
  });
}

/**
 * The failure for a code that is not accepted. Below 0, the attempts had been used up before: then the code was not
 * compared and is not called wrong.
 */
export function wrongCode(left: number): Failure {
  if (left > 0) return new Failure('code-wrong', { fields: { attemptsLeft: left } });
  const message =
    left === 0
      ? 'The code is wrong and has no attempts left; request a new one'
      : 'This code has no attempts left; request a new one';
  return new Failure('code-wrong', { message, fields: { attemptsLeft: 0, nextCodeAt: new Date().toISOString() } });
}
