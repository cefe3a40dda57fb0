/**
 * Log-in: `POST /auth/login/init` and `POST /auth/login/verify`.
 *
 * Whoever asks for a code is answered alike, whether there is such a person, an account that may log in, an address for the
 * channel, or a limit of that address in the way: what differs is only what arrives there. The same work is done and the
 * answer leaves on the same steps of time. Limits of the name that was typed and of the source are told to everybody.
 */
import type { Account } from '../../adapters/mongo/accounts.ts';
import type { sessionOperations } from '../../contract/auth.ts';
import type { AnswerOf } from '../../contract/operation.ts';
import type { Tokens } from '../../contract/schemas.ts';
import type { Identifier } from '../../domain/account.ts';
import { Failure } from '../../domain/failures.ts';
import { languageFor } from '../../domain/templates/languages.ts';
import { type Channel, logInWorkflowId } from '../../domain/verification.ts';
import { padResponseTime } from '../../platform/lifecycle.ts';
import type { ApiDeps, Caller } from '../deps.ts';
import { limitLogIn, limitSend } from '../limits.ts';
import { type Destination, isRightCode, reachOf, startCode, wrongCode } from '../otp.ts';
import { malformed } from '../parse.ts';
import type { HandlerInput, Minted } from '../serve.ts';
import { beginSession } from '../sessions.ts';
import { nameKeyOf, readIdentifier, usualChannel } from './identifier.ts';
import { requirePassword } from './password.ts';

type Op = typeof sessionOperations.beginLogIn;
type StartedLogIn = Extract<AnswerOf<Op>, { status: 202 }>['body'];

interface LogInRequest {
  identifier: Identifier;
  channel: Channel;
}

/**
 * Begins a log-in: sends a code, or checks a password.
 *
 * @throws {Failure} malformed, rate-limited, credentials-wrong, account-disabled, unavailable
 */
export async function beginLogIn(
  deps: ApiDeps,
  { body: given, caller, minted }: HandlerInput<Op>,
): Promise<AnswerOf<Op>> {
  const identifier = readIdentifier(given.identifier);
  const channel = given.channel ?? usualChannel(identifier);
  const { LOGIN_SECOND_STEP: hasSecondStep } = deps.config;
  if (channel === 'voice' && deps.rules.voiceWaitsSeconds === undefined) {
    throw malformed('channel', 'no codes are spoken by this server');
  }
  const { password } = given;
  if (password === undefined && hasSecondStep) throw malformed('password', 'is needed');
  const sendsCode = password === undefined || hasSecondStep;
  const proven = password === undefined ? undefined : await requirePassword(deps, identifier, password, caller);
  if (sendsCode || proven === undefined) {
    return { status: 202, body: await sendLogInCode(deps, { identifier, channel }, minted.id, caller) };
  }
  const { account, hash } = proven;
  const tokens = await beginSession(deps, account, minted, { ...caller, provenBy: { hash } });
  deps.events.loginTried({ method: 'password', userId: account.userId });
  return { status: 200, body: tokens };
}

/**
 * Ends a log-in with the code that was sent. Safe to repeat with the same minted values.
 *
 * @throws {Failure} not-found, code-wrong with `attemptsLeft`, code-expired, session-already-taken, rate-limited
 */
export async function verifyLogIn(
  deps: ApiDeps,
  { loginId, code }: { loginId: string; code: string },
  caller: Caller,
  minted: Minted,
): Promise<Tokens> {
  if (!/^[0-9a-f]{32}$/.test(loginId)) throw new Failure('not-found');
  const { account, channel } = await requireCode(deps, loginId, code, caller);
  // taken before the session exists: of parallel requests one wins, and a repeat with the same id continues where it was
  if (!(await deps.logins.takeSession(loginId, minted.id))) {
    throw new Failure('session-already-taken', { message: 'This code was used; log in again' });
  }
  const { LOGIN_SECOND_STEP: hadPassword, PIN_RESET_WAIT: waitSeconds } = deps.config;
  // only the mailbox was verified: another code to it proves no more
  if (channel === 'email' && !hadPassword) await deps.recoveries.holdPin(account.userId, channel, waitSeconds);
  const tokens = await beginSession(deps, account, minted, caller);
  deps.events.loginTried({ method: 'code', userId: account.userId });
  return tokens;
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
  { identifier, channel }: LogInRequest,
  loginId: string,
  caller: Caller,
): Promise<StartedLogIn> {
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

/** Where a person who may log in is reached, by the channel that was asked for or by the one there is. */
async function destinationOf(deps: ApiDeps, identifier: Identifier, wished: Channel): Promise<Destination | undefined> {
  const account = await deps.accounts.findBy(identifier);
  if (account === undefined || account.disabledAt !== undefined) return undefined;
  return reachOf(deps, account, wished);
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
