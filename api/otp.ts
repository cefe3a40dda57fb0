/** One-time codes of log-ins, PIN resets and changes: where they go, how they are sent, and how they are checked. */
import type { Account } from '../adapters/mongo/accounts.ts';
import { type PhoneNumber, parsePhoneNumber } from '../adapters/phone-numbers.ts';
import type { LogIn } from '../adapters/redis/logins.ts';
import { startWorkflow } from '../adapters/temporal/client-calls.ts';
import { Failure } from '../domain/failures.ts';
import { type LimitName, limitKeysOf, limits } from '../domain/limits.ts';
import { countryOf, type Identity } from '../domain/registration.ts';
import type { Channel, CodeSubject } from '../domain/verification.ts';
import { userAttributesOf } from '../workflows/search-attributes.ts';
import { type SendOtpInput, sendOtp } from '../workflows/send-otp.ts';
import type { ApiDeps, Caller } from './deps.ts';
import { limitCheck } from './limits.ts';

/** An address of a person, and what a code to it counts under. */
export interface Destination extends Required<Pick<LogIn, 'limitKeys' | 'channel'>> {
  userId: string;
  to: string;
  country?: string | undefined;
}

/** Where a person is reached, by the channel that is wished or by the one there is. */
export function reachOf(
  { limitHash }: Pick<ApiDeps, 'limitHash'>,
  account: Account,
  wished: Channel,
): Destination | undefined {
  const { userId, email } = account;
  const number = account.phone === undefined ? undefined : parsePhoneNumber(account.phone);
  const identity: Identity = { ...(email && { email }), ...(number && identityOfNumber(number)) };
  const reached = { userId, limitKeys: limitKeysOf(identity, limitHash) };
  if (email !== undefined && (wished === 'email' || number === undefined)) {
    return { ...reached, to: email, channel: 'email' };
  }
  if (number === undefined) return undefined;
  const channel = wished === 'email' ? 'sms' : wished;
  return { ...reached, to: number.e164, channel, country: countryOf(identity) };
}

function identityOfNumber({ e164, country, callingCode }: PhoneNumber): Identity {
  return { phone: e164, callingCode, ...(country && { country }) };
}

/** How the workflow that sends a code is known to operators; `userId` is absent where there is nobody. */
interface SendingExecution {
  workflowId: string;
  staticSummary: string;
  userId: string | undefined;
}

/** Has the one code of a log-in, a PIN reset or a change sent, or nothing where there is nobody. Safe to repeat: by its id. */
export function startCode(deps: ApiDeps, { userId, ...flow }: SendingExecution, input: SendOtpInput): Promise<void> {
  return startWorkflow(deps, sendOtp, {
    ...flow,
    taskQueue: 'registration',
    typedSearchAttributes: userAttributesOf(userId),
    args: [input],
  });
}

/** Limits of the source and of all people, which everybody hears of; others would tell that there is one behind the name. */
function isTold({ context: { fields } }: Failure): boolean {
  const key = limits[fields?.limit as LimitName].key;
  return key === 'address' || key === 'all';
}

/** Judges the code of a try that was counted. @throws {Failure} code-wrong, rate-limited */
export async function requireRightCode(
  deps: ApiDeps,
  of: CodeSubject,
  begun: LogIn & { tries: number },
  code: string,
  caller: Caller,
): Promise<void> {
  const left = deps.rules.checksMax - begun.tries;
  const isRight = left >= 0 && (await isRightCode(deps, of, begun, code, caller));
  if (!isRight) throw wrongCode(Math.max(0, left));
}

/** Tells whether a code is right; counted as wrong before it is compared. @throws {Failure} rate-limited */
export async function isRightCode(
  deps: ApiDeps,
  of: CodeSubject,
  { channel, limitKeys }: LogIn,
  code: string,
  caller: Caller,
): Promise<boolean> {
  const guess = deps.limitHash('guess', `${of.subject} 1 ${code}`);
  const consumed = await limitCheck(deps, caller, { limitKeys, channels: [channel] }, guess).catch((err: unknown) => {
    if (err instanceof Failure && err.code === 'rate-limited' && !isTold(err)) return undefined;
    throw err;
  });
  if (consumed === undefined) return false;
  const { outcome, left } = await deps.codes.check(of, code, deps.rules, Date.now());
  deps.events.codeChecked(of, outcome, left);
  // the script has marked it: a repeat after a crash answers `already` and comes here again
  const isRight = outcome === 'verified' || outcome === 'already';
  if (isRight) await consumed.refundProven();
  return isRight;
}

/** The refusal of a code. */
export function wrongCode(attemptsLeft: number): Failure {
  return new Failure('code-wrong', {
    fields: { attemptsLeft, ...(attemptsLeft === 0 && { nextCodeAt: new Date().toISOString() }) },
    ...(attemptsLeft === 0 && { message: 'The code is wrong and has no tries left; log in again for a new one' }),
  });
}
