/**
 * Log-in: `POST /auth/login/init` and `POST /auth/login/verify`.
 *
 * A request for a code gets the same response whether or not the user exists, is enabled, has an address for the
 * channel or has reached a limit of that address; only the delivered message differs. The same work is done, and
 * responses are sent on the same time steps. Limits of the typed identifier and of the source are shown to every
 * caller.
 */
import type { LogIn } from '../../adapters/redis/logins.ts';
import type { sessionOperations } from '../../contract/auth.ts';
import type { Device } from '../../contract/devices.ts';
import type { AnswerOf } from '../../contract/operation.ts';
import type { CaptchaProof } from '../../contract/registrations.ts';
import type { Tokens } from '../../contract/schemas.ts';
import { type Account, epochOf, type Identifier } from '../../domain/account.ts';
import type { StoredDevice } from '../../domain/device.ts';
import { Failure } from '../../domain/failures.ts';
import { namesOf } from '../../domain/identity.ts';
import { languageFor } from '../../domain/templates/languages.ts';
import type { Channel } from '../../domain/verification.ts';
import { logInWorkflowId } from '../../domain/workflow-ids.ts';
import { padResponseTime } from '../../platform/lifecycle.ts';
import { tooOld } from '../authenticate.ts';
import { type CaptchaDeps, useCaptchaForSend } from '../captchas.ts';
import type { ApiDeps, Caller } from '../deps.ts';
import { countTypedNumber, limitSend, type SendLimitDeps } from '../limits/codes.ts';
import { andConsume, type Consumed, type Limited, orRefund } from '../limits/counting.ts';
import { clearLogInsWithoutCaptcha, limitLogIn, limitLogInWithoutCaptcha } from '../limits/log-ins.ts';
import { checkDevice, type DeviceAddDeps, withDevice } from '../new-devices.ts';
import {
  type Destination,
  isRightCode,
  type NewOtp,
  type OtpCheckDeps,
  type OtpSendDeps,
  reachOf,
  requireEpoch,
  startOtp,
  wrongCode,
} from '../otp.ts';
import { malformed } from '../parse.ts';
import type { HandlerInput, Minted, Once } from '../serve.ts';
import { openSession, type SessionOpenDeps } from '../sessions.ts';
import { nameKeyOf, readIdentifier, usualChannel } from './identifier.ts';
import { type GivenSecrets, type OwnProof, type OwnSecretDeps, requireOwnSecret } from './own-secret.ts';
import { type PasswordDeps, requirePassword } from './password.ts';

type Op = typeof sessionOperations.beginLogIn;
type StartedLogIn = Extract<AnswerOf<Op>, { status: 202 }>['body'];

type SendDeps = OtpSendDeps & SendLimitDeps & CaptchaDeps & Pick<ApiDeps, 'accounts' | 'recoveries'>;
type BeginDeps = SendDeps & PasswordDeps & SessionOpenDeps;
type CodeDeps = OtpCheckDeps & Pick<ApiDeps, 'accounts' | 'logins' | 'rules'>;

/** The dependencies of completing a log-in. */
export type LogInVerifyDeps = CodeDeps & OwnSecretDeps & SessionOpenDeps & DeviceAddDeps & Pick<ApiDeps, 'recoveries'>;

interface LogInRequest {
  identifier: Identifier;
  channel: Channel;
  captcha: CaptchaProof | undefined;
  /** The account whose password was proven before. */
  proven: Account | undefined;
}

/**
 * Begins a log-in: sends a code, or checks a password.
 *
 * @throws {Failure} malformed, rate-limited, credentials-wrong, account-disabled, unavailable, and those of a captcha
 */
export async function beginLogIn(
  deps: BeginDeps,
  { body: given, caller, once }: HandlerInput<Op>,
): Promise<AnswerOf<Op>> {
  const identifier = readIdentifier(given.identifier);
  const channel = given.channel ?? usualChannel(identifier);
  const { LOGIN_SECOND_STEP: hasSecondStep } = deps.config;
  if (channel === 'voice' && deps.rules.voiceWaitsSeconds === undefined) {
    throw malformed('channel', 'is not available: this server makes no calls');
  }
  const { password } = given;
  if (password === undefined && hasSecondStep) throw malformed('password', 'is required');
  const proven = password === undefined ? undefined : await requirePassword(deps, identifier, password, caller);
  if (proven === undefined || hasSecondStep) {
    const request = { identifier, channel, captcha: given.captcha, proven };
    return once(async ({ id }) => ({ status: 202, body: await sendLogInCode(deps, request, id, caller) }));
  }
  return once(async (minted) => {
    const tokens = await openSession(deps, proven, minted, { ...caller, proof: { epoch: epochOf(proven) } });
    const identities = namesOf(proven);
    deps.events.loginTried({ method: 'password', userId: proven.userId, identity: identifier.value, identities });
    return { status: 200, body: tokens };
  });
}

/**
 * Completes a log-in with the code that was sent and, where the account asks for it, with its PIN or password. After the
 * code alone, an account that has more needs a step-up for what requires one. Safe to repeat: the proofs are checked
 * again, then the first answer is returned.
 *
 * @param given.device makes the session one of this device, which needs what a step-up needs
 * @throws {Failure} not-found, code-wrong with `attemptsLeft`, code-expired, session-already-taken, rate-limited,
 *   authentication-too-old, and as `requireOwnSecret` and `withDevice`
 */
export async function verifyLogIn(
  deps: LogInVerifyDeps,
  { loginId, code, device, ...given }: LogInProof,
  caller: Caller,
  once: Once,
): Promise<Tokens> {
  if (!/^[0-9a-f]{32}$/.test(loginId)) throw new Failure('not-found');
  const { account, login } = await requireCode(deps, loginId, code, caller);
  const own = await requireOwnSecret(deps, { account, login }, given, caller);
  if (device !== undefined) {
    if (isCodeAlone(own)) throw tooOld(deps);
    await checkDevice(deps, account.userId, device);
  }
  return once((minted) => completeLogIn(deps, { loginId, account, login, own, device }, caller, minted));
}

/** What completes a log-in: the code, what was proven beside it, and the device of the session. */
interface LogInProof extends GivenSecrets {
  loginId: string;
  code: string;
  device?: Device | undefined;
}

/** A proven log-in. */
interface ProvenLogIn {
  loginId: string;
  account: Account;
  login: LogIn;
  own: OwnProof;
  device: Device | undefined;
}

/** Only the code was proven, and the account has more. */
function isCodeAlone({ hasSecret, isProven }: OwnProof): boolean {
  return hasSecret && !isProven;
}

async function completeLogIn(
  deps: LogInVerifyDeps,
  { loginId, account, login, own, device: body }: ProvenLogIn,
  caller: Caller,
  minted: Minted,
): Promise<Tokens> {
  const { userId } = account;
  // claimed before the session exists: one of several parallel requests wins, and a repeat with the same id continues
  if (!(await deps.logins.takeSession(loginId, minted.id))) {
    throw new Failure('session-already-taken', { message: 'This code was already used; log in again' });
  }
  const { channel, epoch = 0 } = login;
  // only the mailbox was verified: another code to it would prove nothing more
  if (channel === 'email' && !own.isProven) {
    await deps.recoveries.holdPin(userId, channel, deps.config.PIN_RESET_WAIT);
  }
  const proof = { epoch, isCodeAlone: isCodeAlone(own), outdated: 'code-expired' } as const;
  const open = (device?: StoredDevice) =>
    openSession(deps, account, minted, { ...caller, proof, channel, ...(device && { device }) });
  const origin = { addedBy: minted.id, at: minted.at };
  const tokens = body === undefined ? await open() : await withDevice(deps, { userId, body, origin }, open);
  const identity = channel === 'email' ? account.email : account.phone;
  const identities = namesOf(account);
  deps.events.loginTried({ method: 'code', userId, ...(identity && { identity }), identities });
  return tokens;
}

/**
 * Checks a code; returns its account and log-in.
 *
 * @throws {Failure} not-found, code-expired, code-wrong, rate-limited
 */
async function requireCode(
  deps: CodeDeps,
  loginId: string,
  code: string,
  caller: Caller,
): Promise<{ account: Account; login: LogIn }> {
  // counted before the comparison, so that parallel guesses never exceed the limit
  const of = { subject: loginId, purpose: 'login' } as const;
  const begun = await deps.logins.countTry(loginId, of);
  if (begun === undefined) throw new Failure('not-found');
  if (begun.isExpired) throw new Failure('code-expired');
  const isRight = await isRightCode(deps, of, begun, code, caller);
  const account = isRight && begun.userId !== undefined ? await deps.accounts.read(begun.userId) : undefined;
  if (account !== undefined && account.disabledAt === undefined) {
    requireEpoch(account, begun);
    if (begun.limitKeys.name !== undefined) await clearLogInsWithoutCaptcha(deps, begun.limitKeys.name);
    return { account, login: begun };
  }
  const reason = isRight ? 'account-disabled' : 'otp-mismatch';
  deps.events.loginTried({ method: 'code', loginId, userId: begun.userId, reason });
  throw wrongCode(deps.rules.checksMax - begun.tries);
}

async function sendLogInCode(
  deps: SendDeps,
  { identifier, channel, captcha, proven }: LogInRequest,
  loginId: string,
  caller: Caller,
): Promise<StartedLogIn> {
  const name = nameKeyOf(deps, identifier);
  const gate = await limitLogInBy(deps, caller, { name, captcha }, loginId);
  const typed = await orRefund(gate, () => countTyped(deps, { identifier, channel }, loginId));
  const consumed = await andConsume(gate, async () => typed);
  const beganAt = performance.now();
  const found = proven ? await secondStepOf(deps, proven, channel) : await destinationOf(deps, identifier, channel);
  const isProven = proven !== undefined;
  const destination = await orRefund(consumed, () => sendableOf(deps, { channel, found, isProven }, loginId, caller));
  const expiresAt = await startOtp(deps, consumed, {
    of: { subject: loginId, purpose: 'login' },
    destination: { ...destination, limitKeys: { ...destination.limitKeys, name } },
    locale: languageFor(undefined, caller.acceptLanguage),
    hadPassword: proven !== undefined,
    workflowId: logInWorkflowId(loginId),
    staticSummary: 'Code for a log-in',
  });
  deps.events.loginBegun({ loginId, channel, identity: identifier.value, userId: destination.userId });
  await padResponseTime(beganAt);
  // who has proven the password may know the channel that the account has
  const told = proven && found ? found[0].channel : channel;
  return {
    loginId,
    channel: told,
    expiresAt: new Date(expiresAt).toISOString(),
    ...(typed.nextCodeAt !== undefined && { nextCodeAt: typed.nextCodeAt }),
  };
}

/**
 * Counts a code to the typed number. `nextCodeAt` is when it can get one, if it has had its codes. Only a typed number is
 * told: for a name or address that would reveal whose number it is.
 */
async function countTyped(
  deps: SendDeps,
  { identifier: { kind, value }, channel }: Pick<LogInRequest, 'identifier' | 'channel'>,
  loginId: string,
): Promise<Consumed & { nextCodeAt?: string }> {
  if (kind !== 'phone' || channel === 'email') return { refund: async () => {} };
  const { allowed, resetSeconds, refund } = await countTypedNumber(deps, deps.limitHash('number', value), loginId);
  return { refund, ...(!allowed && { nextCodeAt: new Date(Date.now() + resetSeconds * 1000).toISOString() }) };
}

/**
 * Counts a log-in by the typed identifier and by source. One with a captcha is not counted by the identifier, so that
 * its owner can log in however often strangers have tried; how many codes are sent to an address is limited anyway.
 */
async function limitLogInBy(
  deps: SendDeps,
  caller: Caller,
  { name, captcha }: { name: string; captcha: CaptchaProof | undefined },
  loginId: string,
): Promise<Consumed> {
  if (captcha !== undefined) {
    await useCaptchaForSend(deps, { holder: loginId, subject: loginId, address: caller.address }, captcha);
    return limitLogIn(deps, caller, undefined, loginId);
  }
  const gate = await limitLogInWithoutCaptcha(deps, caller, name, loginId);
  return andConsume(gate, () => limitLogIn(deps, caller, name, loginId));
}

/**
 * Returns where the code goes, within the limits of the address. Where they are reached, it goes to the other channel of
 * the user, whose owner so learns of the log-in. For an unknown user nothing is sent, and the same work is done.
 *
 * @throws {Failure} rate-limited, for a user who has proven the password: others must not learn of the account
 */
async function sendableOf(
  deps: SendDeps,
  { channel, found, isProven }: { channel: Channel; found: Found | undefined; isProven: boolean },
  loginId: string,
  caller: Caller,
): Promise<NewOtp['destination']> {
  // others do not see the state of these limits either
  const limitedAs: Limited = isProven ? caller : { address: caller.address };
  for (const one of found ?? [nowhere(deps, channel, loginId)]) {
    const refused = await refusalOf(deps, one, loginId, limitedAs);
    if (refused === undefined) return found === undefined ? { channel, limitKeys: {} } : one;
    if (isProven) throw refused;
  }
  return { channel, limitKeys: {} };
}

/** The addresses of a user: the first one for the wanted channel or, without one, the channel that the account has. */
type Found = [Destination, ...Destination[]];

/** Returns the addresses of a user who may log in. */
async function destinationOf(
  deps: Pick<ApiDeps, 'accounts' | 'limitHash'>,
  identifier: Identifier,
  wanted: Channel,
): Promise<Found | undefined> {
  const account = await deps.accounts.findBy(identifier);
  if (account === undefined || account.disabledAt !== undefined) return undefined;
  const first = reachOf(deps, account, wanted);
  const other = reachOf(deps, account, wanted === 'email' ? 'sms' : 'email');
  if (first === undefined) return undefined;
  return other === undefined || other.to === first.to ? [first] : [first, other];
}

/**
 * Returns the address for the code of a second step. While another channel exists, it is not the one by which the account
 * was recovered during the last `PIN_RESET_WAIT` seconds: both steps would prove the same mailbox or number.
 */
async function secondStepOf(
  deps: Pick<ApiDeps, 'limitHash' | 'recoveries'>,
  account: Account,
  wanted: Channel,
): Promise<[Destination] | undefined> {
  const usual = reachOf(deps, account, wanted);
  const isHeld = async (channel: Channel) =>
    (await deps.recoveries.pinHeldSeconds(account.userId, channel === 'email' ? 'email' : 'sms')) > 0;
  if (usual === undefined) return undefined;
  if (!(await isHeld(usual.channel))) return [usual];
  const other = reachOf(deps, account, usual.channel === 'email' ? 'sms' : 'email');
  return [other === undefined || (await isHeld(other.channel)) ? usual : other];
}

/** Stands for the address of an unknown user: nothing else counts under its limit keys. */
function nowhere(
  { limitHash }: Pick<ApiDeps, 'limitHash'>,
  channel: Channel,
  loginId: string,
): Pick<Destination, 'limitKeys' | 'channel'> {
  const own = (kind: string) => limitHash(kind, loginId);
  return { channel, limitKeys: { number: own('number'), mailbox: own('mailbox') } };
}

/**
 * Consumes the limits of the address. Returns their refusal. For an unknown user the same limits are consumed, so that it
 * takes as long, and refunded.
 */
async function refusalOf(
  deps: SendLimitDeps,
  { limitKeys, channel, userId }: Pick<Destination, 'limitKeys' | 'channel'> & Partial<Destination>,
  loginId: string,
  caller: Limited,
): Promise<Failure | undefined> {
  try {
    const consumed = await limitSend(deps, caller, { limitKeys, channels: [channel] }, loginId);
    // the response does not wait for it; an attempt that is not refunded leaves the window with the others
    if (userId === undefined) consumed.refund().catch(() => undefined);
    return undefined;
  } catch (err) {
    if (!(err instanceof Failure) || err.code !== 'rate-limited') throw err;
    deps.events.loginTried({ method: 'code', loginId, userId, reason: String(err.context.fields?.limit) });
    return err;
  }
}
