/**
 * Log-in: `POST /auth/login/init` and `POST /auth/login/verify`.
 *
 * Whoever asks for a code is answered alike, whether there is such a person, an account that may log in, an address for the
 * channel, or a limit of that address in the way: what differs is only what arrives there. The same work is done and the
 * answer leaves on the same steps of time. Limits of the name that was typed and of the source are told to everybody.
 */
import { z } from 'zod';
import type { Account } from '../../adapters/mongo/accounts.ts';
import { type PhoneNumber, parsePhoneNumber } from '../../adapters/phone-numbers.ts';
import type { LogIn } from '../../adapters/redis/logins.ts';
import { startWorkflow } from '../../adapters/temporal/client-calls.ts';
import type { Identifier } from '../../domain/account.ts';
import { Failure } from '../../domain/failures.ts';
import { type LimitName, limitKeysOf, limits } from '../../domain/limits.ts';
import { countryOf, type Identity } from '../../domain/registration.ts';
import { languageFor } from '../../domain/templates/languages.ts';
import { type Channel, type CodeSubject, channels, logInWorkflowId } from '../../domain/verification.ts';
import { newId } from '../../platform/crypto.ts';
import { padResponseTime } from '../../platform/lifecycle.ts';
import { userAttributesOf } from '../../workflows/search-attributes.ts';
import { type SendOtpInput, sendOtp } from '../../workflows/send-otp.ts';
import type { ApiDeps, Caller } from '../deps.ts';
import { idempotent } from '../guards.ts';
import { limitCheck, limitLogIn, limitSend } from '../limits.ts';
import { malformed, parse, secretText, type Tokens, text } from '../schemas.ts';
import { beginSession, mintSession } from '../sessions.ts';
import { nameKeyOf, readIdentifier, usualChannel } from './identifier.ts';
import { requirePassword } from './password.ts';

/** Who logs in, and how. */
export const NewLogIn = z.strictObject({
  identifier: text(320).describe('User name, telephone number with country code, or e-mail address'),
  channel: z.enum(channels).optional().describe('Way of the code; by default e-mail for an address, else SMS'),
  password: secretText(1, 1024).optional(),
});

/** A log-in that waits for its code. */
export const StartedLogIn = z
  .object({ loginId: z.string(), channel: z.enum(channels), expiresAt: z.iso.datetime() })
  .meta({ id: 'StartedLogIn' });

/** A code as typed, and the log-in that it is for. */
export const LogInProof = z.strictObject({
  loginId: text(64),
  code: z.string().regex(/^\d{4,10}$/, 'must be 4 to 10 digits'),
});

interface LogInOrder {
  identifier: Identifier;
  channel: Channel;
}

/**
 * Begins a log-in: sends a code, or checks a password.
 *
 * @throws {Failure} malformed, rate-limited, credentials-wrong, idempotency-key-reused, unavailable
 */
export async function beginLogIn(
  deps: ApiDeps,
  body: unknown,
  caller: Caller,
): Promise<z.output<typeof StartedLogIn> | z.output<typeof Tokens>> {
  const given = parse(NewLogIn, body);
  const identifier = readIdentifier(given.identifier);
  const channel = given.channel ?? usualChannel(identifier);
  const { LOGIN_SECOND_STEP: hasSecondStep } = deps.config;
  if (channel === 'voice' && deps.rules.voiceWaitsSeconds === undefined) {
    throw malformed('channel', 'no codes are spoken by this server');
  }
  if (given.password === undefined && hasSecondStep) throw malformed('password', 'is needed');
  const { password } = given;
  const minted = { loginId: newId(), session: mintSession() };
  const scope = ['login', caller.address];
  return idempotent(deps, { scope, caller, body: given }, minted, async ({ loginId, session }) => {
    if (password === undefined) return sendLogInCode(deps, { identifier, channel }, loginId, caller);
    const { account, hash } = await requirePassword(deps, identifier, password, caller);
    if (hasSecondStep) return sendLogInCode(deps, { identifier, channel }, loginId, caller);
    const tokens = await beginSession(deps, account, session, { ...caller, provenBy: { hash } });
    deps.events.loginTried({ method: 'password', userId: account.userId });
    return tokens;
  });
}

/**
 * Ends a log-in with the code that was sent.
 *
 * @throws {Failure} malformed, not-found, code-wrong with `attemptsLeft`, code-expired, session-already-taken, rate-limited
 */
export async function verifyLogIn(deps: ApiDeps, body: unknown, caller: Caller): Promise<z.output<typeof Tokens>> {
  const { loginId, code } = parse(LogInProof, body);
  if (!/^[0-9a-f]{32}$/.test(loginId)) throw new Failure('not-found');
  const scope = ['login-verify', loginId];
  return idempotent(deps, { scope, caller, body: { loginId, code } }, mintSession(), async (session) => {
    const { account, channel } = await requireCode(deps, loginId, code, caller);
    // taken before it exists: of parallel proofs one wins, and a repeat with the same id goes on where it was
    if (!(await deps.logins.takeSession(loginId, session.sessionId))) {
      throw new Failure('session-already-taken', { message: 'This code was used; log in again' });
    }
    const { LOGIN_SECOND_STEP: hadPassword, PIN_RESET_WAIT: waitSeconds } = deps.config;
    // nothing but the mailbox was proven: another code to it proves no more
    if (channel === 'email' && !hadPassword) await deps.recoveries.holdPin(account.userId, channel, waitSeconds);
    const tokens = await beginSession(deps, account, session, caller);
    deps.events.loginTried({ method: 'code', userId: account.userId });
    return tokens;
  });
}

/** Whose the right code is, and how it came. @throws {Failure} not-found, code-expired, code-wrong, rate-limited */
async function requireCode(
  deps: ApiDeps,
  loginId: string,
  code: string,
  caller: Caller,
): Promise<{ account: Account; channel: Channel }> {
  // counted before it is compared: parallel guesses never exceed the bound
  const begun = await deps.logins.countTry(loginId);
  if (begun === undefined) throw new Failure('not-found');
  if (begun.expiresAt <= Date.now()) throw new Failure('code-expired');
  const left = deps.rules.checksMax - begun.tries;
  const isRight = left >= 0 && (await isRightCode(deps, { subject: loginId, purpose: 'login' }, begun, code, caller));
  const account = isRight && begun.userId !== undefined ? await deps.accounts.read(begun.userId) : undefined;
  if (account !== undefined && account.disabledAt === undefined) return { account, channel: begun.channel };
  const reason = isRight ? 'account-disabled' : 'otp-mismatch';
  deps.events.loginTried({ method: 'code', loginId, userId: begun.userId, reason });
  throw wrongCode(Math.max(0, left));
}

async function sendLogInCode(
  deps: ApiDeps,
  { identifier, channel }: LogInOrder,
  loginId: string,
  caller: Caller,
): Promise<z.output<typeof StartedLogIn>> {
  const consumed = await limitLogIn(deps, caller, nameKeyOf(deps, identifier), loginId);
  const beganAt = performance.now();
  const expiresAt = Date.now() + deps.rules.codeTtlSeconds * 1000;
  const destination = await destinationOf(deps, identifier, channel);
  const isAllowed = await isSendable(deps, destination ?? nowhere(deps, channel, loginId), loginId, caller);
  const sendable = isAllowed ? destination : undefined;
  // stored before it is sent: whoever has a code can prove it; safe to repeat, by id
  await deps.logins.create(loginId, {
    userId: sendable?.userId,
    channel: sendable?.channel ?? channel,
    limitKeys: sendable?.limitKeys ?? {},
    expiresAt,
  });
  const locale = languageFor(undefined, caller.acceptLanguage);
  const { to, country } = sendable ?? {};
  await startCode(
    deps,
    { workflowId: logInWorkflowId(loginId), staticSummary: 'Code for a log-in', userId: sendable?.userId },
    {
      subject: loginId,
      purpose: 'login',
      channel: sendable?.channel ?? channel,
      ttlSeconds: deps.rules.codeTtlSeconds,
      until: expiresAt,
      ...(to && { to }),
      ...(country && { country }),
      ...(locale && { locale }),
    },
  ).catch(async (err: unknown) => {
    await consumed.refund();
    throw err;
  });
  deps.events.loginBegun({ loginId, channel, identity: identifier.value, userId: sendable?.userId });
  await padResponseTime(beganAt);
  return { loginId, channel, expiresAt: new Date(expiresAt).toISOString() };
}

/** An address of a person, and what a code to it counts under. */
export interface Destination extends Required<Pick<LogIn, 'limitKeys' | 'channel'>> {
  userId: string;
  to: string;
  country?: string | undefined;
}

/** Where a person who may log in is reached, by the channel that was asked for or by the one there is. */
async function destinationOf(deps: ApiDeps, identifier: Identifier, wished: Channel): Promise<Destination | undefined> {
  const account = await deps.accounts.findBy(identifier);
  if (account === undefined || account.disabledAt !== undefined) return undefined;
  return reachOf(deps, account, wished);
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

/** In place of the address of somebody who is not there: no one else counts under its keys. */
function nowhere(
  { limitHash }: Pick<ApiDeps, 'limitHash'>,
  channel: Channel,
  loginId: string,
): Pick<Destination, 'limitKeys' | 'channel'> {
  const own = (kind: string) => limitHash(kind, loginId);
  return { channel, limitKeys: { number: own('number'), prefix: own('prefix'), mailbox: own('mailbox') } };
}

/**
 * Takes the limits of the address itself. Who asks is not told: that would tell who is behind a name. For nobody the same is
 * asked, so that it takes as long, and given back.
 */
async function isSendable(
  deps: ApiDeps,
  { limitKeys, channel, userId }: Pick<Destination, 'limitKeys' | 'channel'> & Partial<Destination>,
  loginId: string,
  { address }: Caller,
): Promise<boolean> {
  try {
    const consumed = await limitSend(deps, { address }, { limitKeys, channels: [channel] }, loginId);
    // nobody waits for it; what is lost leaves the window with the rest
    if (userId === undefined) consumed.refund().catch(() => undefined);
    return true;
  } catch (err) {
    if (!(err instanceof Failure) || err.code !== 'rate-limited') throw err;
    deps.events.loginTried({ method: 'code', loginId, userId, reason: String(err.context.fields?.limit) });
    return false;
  }
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
async function isRightCode(
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
function wrongCode(attemptsLeft: number): Failure {
  return new Failure('code-wrong', {
    fields: { attemptsLeft, ...(attemptsLeft === 0 && { nextCodeAt: new Date().toISOString() }) },
    ...(attemptsLeft === 0 && { message: 'The code is wrong and has no tries left; log in again for a new one' }),
  });
}
