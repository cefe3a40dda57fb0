/**
 * Verification sessions, independent of the transport: create, read, send a code, check a code.
 *
 * A refusal is part of the answer, next to the session, so that the caller learns what is possible next. Only the
 * failure of a dependency is thrown.
 *
 * The time is that of Redis, so that a process whose clock is wrong neither shortens nor lengthens a session or a code.
 */
import { type PhoneNumber, parsePhoneNumber, phoneRefusal } from '../../adapters/phone-numbers.ts';
import type { Limit } from '../../adapters/redis/rate-limits.ts';
import type { NewVerificationSession, StoredVerificationSession } from '../../adapters/redis/verification-sessions.ts';
import { signalWorkflow, updateWithStart, type WorkflowStart } from '../../adapters/temporal/client-calls.ts';
import { Failure } from '../../domain/failures.ts';
import { countryOf } from '../../domain/identity.ts';
import { limitKeysOf } from '../../domain/limits.ts';
import { readDigits } from '../../domain/text.ts';
import {
  type Channel,
  type CheckRefusal,
  type CheckState,
  keepSessionUntil,
  type RefusalKind,
  refusalKindOf,
  refuseCheck,
  refuseSend,
  type SendRefusal,
  sessionAt,
  type VerificationSessionView,
} from '../../domain/verification.ts';
import { verificationWorkflowId } from '../../domain/workflow-ids.ts';
import { keyedHash, newId } from '../../platform/crypto.ts';
import { codeConfirmed, requestSessionCode, type SendRequest, verification } from '../../workflows/verification.ts';
import type { ApiDeps } from '../deps.ts';
import { type IdentityAct, limitSend, type SendLimitDeps } from '../limits/codes.ts';
import { orRefund } from '../limits/counting.ts';
import { checkOtp, comparisonRefunds, type OtpCheckDeps } from '../otp.ts';

/** Why an action was refused. */
export type RefusalReason =
  | 'number-not-valid'
  | 'limited'
  | 'not-found'
  | 'slow-down'
  | SendRefusal['reason']
  | CheckRefusal['reason']
  | RefusalKind;

/** A refusal; `waitMs` is given when waiting helps. */
export interface Refusal {
  reason: RefusalReason;
  waitMs?: number;
  /** The limit that refused, for the audit log. */
  limit?: string;
}

/** A session after an action. */
export interface VerificationSession extends VerificationSessionView {
  sessionId: string;
  /** E.164. */
  number: string;
  /** When it was read, in milliseconds since the Unix epoch. */
  readAt: number;
}

/** Has both when an action on an existing session was refused. */
export interface SessionAnswer {
  session?: VerificationSession;
  refusal?: Refusal;
}

/** The dependencies of reading a session. */
type SessionReadDeps = Pick<
  ApiDeps,
  'verificationSessions' | 'sessionRules' | 'codes' | 'signalSteps' | 'registrations'
>;
/** The dependencies of creating a session. */
type SessionCreateDeps = SessionReadDeps & Pick<ApiDeps, 'config' | 'hashKey' | 'rateLimits'>;
/** The dependencies of sending a code. */
type SessionSendDeps = SessionReadDeps & SendLimitDeps & Pick<ApiDeps, 'temporal'>;
/** The dependencies of checking a code. */
type SessionCheckDeps = SessionReadDeps & OtpCheckDeps & Pick<ApiDeps, 'temporal'>;
/** The dependencies of all actions. */
export type SessionDeps = SessionCreateDeps & SessionSendDeps & SessionCheckDeps;

interface Found extends StoredVerificationSession, Current {
  sessionId: string;
}

/** What changes about a session without its workflow. */
interface Current {
  checks: CheckState | undefined;
  /** Milliseconds since the Unix epoch. */
  readAt: number;
}

/** Wait after a provider has throttled requests. */
const slowDownMs = 60_000;
/** By then, a send in progress usually has a result. */
const underWayMs = 1000;
/** gRPC callers time out after 15 s; the response is sent before. */
const firstUpdateMs = 12_000;

/**
 * Creates a session for an E.164 number that codes can be sent to. A refused attempt stores nothing.
 *
 * @param collationKey stands for the source of the request, which only the caller knows; empty if it names none
 */
export async function createSession(
  deps: SessionCreateDeps,
  text: string,
  collationKey: string,
): Promise<SessionAnswer> {
  const number = parsePhoneNumber(text);
  const isServed = number !== undefined && phoneRefusal(number, deps.config.COUNTRIES_ALLOWED) === undefined;
  if (!isServed) return { refusal: { reason: 'number-not-valid' } };
  const limited = await limitCreation(deps, number.e164, collationKey);
  if (limited !== undefined) return { refusal: limited };
  const sessionId = newId();
  const createdAt = await deps.verificationSessions.time();
  const created = newSession(number, createdAt);
  await deps.verificationSessions.create(
    sessionId,
    created,
    keepSessionUntil({ ...created, sends: [] }, deps.sessionRules),
  );
  return viewOf(deps, { ...created, sessionId, sends: [], checks: undefined, readAt: createdAt });
}

/**
 * Returns the current state of a session, without counting against a limit or extending its life. A registration whose
 * number is verified is a verified session of the same id: a Signal-Server asks for it during the step `signal`.
 */
export async function readSession(deps: SessionReadDeps, sessionId: string): Promise<SessionAnswer> {
  const found = await find(deps, sessionId);
  if (found !== undefined) return viewOf(deps, found);
  const session = await findRegistration(deps, sessionId);
  return session === undefined ? { refusal: { reason: 'not-found' } } : { session };
}

/** Finds a running registration with a verified number. It expires as the registration, which may wait beyond that. */
async function findRegistration(
  { signalSteps, registrations }: SessionReadDeps,
  sessionId: string,
): Promise<VerificationSession | undefined> {
  const number = await signalSteps.readNumber(sessionId);
  const stored = number === undefined ? undefined : await registrations.read(sessionId);
  if (number === undefined || stored === undefined) return undefined;
  const { state, expiresAt } = stored.status;
  if (state !== 'waiting' && (state !== 'pending' || expiresAt <= Date.now())) return undefined;
  const nothingNext = { nextSmsAt: null, nextVoiceAt: null, nextCheckAt: null };
  return { sessionId, number, isVerified: true, ...nothingNext, expiresAt, readAt: Date.now() };
}

/**
 * Sends a code by SMS or call, and returns when the provider has accepted or refused it.
 *
 * @throws {Failure} unavailable: the provider is unavailable, and the send continues automatically
 */
export async function sendSessionCode(
  deps: SessionSendDeps,
  sessionId: string,
  request: SendRequest,
): Promise<SessionAnswer> {
  const found = await find(deps, sessionId);
  if (found === undefined) return { refusal: { reason: 'not-found' } };
  const refused = refuseSend(found, request.channel, deps.sessionRules, found.readAt);
  if (refused !== undefined) {
    if (found.waitingFor === request.channel && refused.reason !== 'already-verified') throw new Failure('unavailable');
    return viewOf(deps, found, refusalOf(refused, found));
  }
  const consumed = await limitSend(deps, {}, limitedActOf(deps, found, request.channel), newId()).catch(refusalOfLimit);
  if ('reason' in consumed) return viewOf(deps, found, consumed);
  const send = () => sendUpdate(deps, found, request);
  const answer = await orRefund(consumed, send, isRefusedByWorkflow).catch((err: unknown) => {
    if (isRefusedByWorkflow(err)) return undefined;
    throw err;
  });
  if (answer === undefined) return refusedMeanwhile(deps, sessionId, request.channel);
  const { sends, away } = answer;
  const own = sends.findLast(({ channel }) => channel === request.channel);
  if (own !== undefined) {
    const { channel } = request;
    const recipient = { identity: found.number, country: found.country };
    deps.events.codeRequested({ subject: sessionId, purpose: 'verify', channel, send: own.number, ...recipient });
  }
  if (away !== undefined && away !== 'limited') throw new Failure('unavailable');
  const now = { ...found, sends, ...(await readCurrent(deps, sessionId)) };
  if (away !== undefined) return viewOf(deps, now, { reason: 'slow-down', waitMs: slowDownMs });
  if (own?.state === 'sent') return viewOf(deps, now);
  return viewOf(deps, now, { reason: refusalKindOf(own?.reason) });
}

/**
 * Checks a typed code without its blanks and dashes. A text that cannot be a code is wrong, and costs no try. A code is
 * also compared after the session was verified, so that only a
 * caller that knows the code learns that. A wrong code is not a refusal: the session in the answer is not verified.
 */
export async function checkSessionCode(
  deps: SessionCheckDeps,
  sessionId: string,
  typed: string,
): Promise<SessionAnswer> {
  const found = await find(deps, sessionId);
  if (found === undefined) return { refusal: { reason: 'not-found' } };
  const refused = refuseCheck(found, deps.sessionRules, found.readAt);
  if (refused !== undefined) return viewOf(deps, found, refusalOf(refused, found));
  const code = readDigits(typed);
  if (!/^\d{4,10}$/.test(code)) return notVerified(viewOf(deps, found));
  const { number: send = 0, channel = 'sms' } = found.sends.at(-1) ?? {};
  const checked = await checkOtp(
    deps,
    {},
    {
      of: { subject: sessionId, purpose: 'verify' },
      send,
      code,
      ...limitedActOf(deps, found, channel),
      rules: deps.sessionRules,
      refunds: comparisonRefunds,
    },
  ).catch(refusalOfLimit);
  if ('reason' in checked) return viewOf(deps, found, checked);
  const { outcome, waitMs } = checked;
  const after = { ...found, ...(await readCurrent(deps, sessionId)) };
  if (outcome === 'verified') await tellVerified(deps, after);
  const answer = viewOf(deps, after, refusalOfCheck(outcome, waitMs));
  return outcome === 'wrong' ? notVerified(answer) : answer;
}

/** A wrong code is answered as not verified, also after another code has verified the session. */
function notVerified(answer: SessionAnswer): SessionAnswer {
  return answer.session === undefined ? answer : { session: { ...answer.session, isVerified: false } };
}

/** The limit keys of a send or a check, which are shared with the other operations. */
function limitedActOf({ limitHash }: Pick<ApiDeps, 'limitHash'>, { number, country }: Found, channel: Channel) {
  const identity = { phone: number, ...(country !== undefined && { country }) };
  return { limitKeys: limitKeysOf(identity, limitHash), channels: [channel] } satisfies IdentityAct;
}

/** @throws {unknown} every error that is not `rate-limited` */
function refusalOfLimit(err: unknown): Refusal {
  if (!(err instanceof Failure) || err.code !== 'rate-limited') throw err;
  const { retryAfterSeconds = 0, fields } = err.context;
  return { reason: 'limited', waitMs: retryAfterSeconds * 1000, limit: String(fields?.limit) };
}

/** Sessions of one number from all sources within a minute: more than people begin, and few enough to store. */
const perNumber: Limit = { name: 'sessions-of-number', windows: [{ max: 30, windowSeconds: 60 }] };

/**
 * Counts a creation by number and source, so that a stranger does not use up the sessions of a number, and by number for
 * a minute. Callers without a collation key cannot be told apart, so only the minute applies to them. The codes to a
 * number, which cost money, have limits of their own. Fails closed.
 */
async function limitCreation(
  { config, hashKey, rateLimits }: SessionCreateDeps,
  number: string,
  collationKey: string,
): Promise<Refusal | undefined> {
  const { SIGNAL_SESSIONS_PER_DAY: max, SIGNAL_SESSION_SPACING: spacingSeconds } = config;
  const spacing = spacingSeconds === 0 ? [] : [{ max: 1, windowSeconds: spacingSeconds }];
  const perSource = { name: 'sessions-of-source', windows: [...spacing, { max, windowSeconds: 86_400 }] };
  const ofSource = { limit: perSource, key: keyedHash(hashKey, 'sessions', number, collationKey) };
  const ofNumber = { limit: perNumber, key: keyedHash(hashKey, 'sessions', number) };
  const { state } = await rateLimits.consumeAll(collationKey === '' ? [ofNumber] : [ofSource, ofNumber], newId());
  return state.allowed ? undefined : { reason: 'limited', waitMs: state.resetSeconds * 1000, limit: state.limit };
}

function newSession({ e164, country, callingCode }: PhoneNumber, createdAt: number): NewVerificationSession {
  const shown = countryOf({ callingCode, ...(country && { country }) });
  return { number: e164, createdAt, ...(shown && { country: shown }) };
}

/** Finds a session; undefined once it has expired, even if it is still stored. */
async function find(deps: SessionReadDeps, sessionId: string): Promise<Found | undefined> {
  const [stored, current] = await Promise.all([
    deps.verificationSessions.read(sessionId),
    readCurrent(deps, sessionId),
  ]);
  if (stored === undefined) return undefined;
  const found = { ...stored, sessionId, ...current };
  return sessionAt(found, deps.sessionRules, found.readAt) === undefined ? undefined : found;
}

async function readCurrent({ codes, verificationSessions }: SessionReadDeps, sessionId: string): Promise<Current> {
  const [checks, readAt] = await Promise.all([
    codes.read({ subject: sessionId, purpose: 'verify' }),
    verificationSessions.time(),
  ]);
  return { checks, readAt };
}

/** Sends the update, which starts the workflow if it is the first one. */
function sendUpdate(deps: Pick<ApiDeps, 'sessionRules' | 'temporal'>, found: Found, request: SendRequest) {
  const { sessionId, number, country, createdAt } = found;
  const start: WorkflowStart<typeof verification> = {
    workflow: verification,
    workflowId: verificationWorkflowId(sessionId),
    staticSummary: 'Verification of a number',
    args: [{ sessionId, number, createdAt, rules: deps.sessionRules, ...(country && { country }) }],
    waitMs: firstUpdateMs,
  };
  return updateWithStart(deps, start, requestSessionCode, [request]);
}

/**
 * Returns whether the workflow refused: a parallel request was faster. After any other error a code may still be sent.
 */
function isRefusedByWorkflow(err: unknown): boolean {
  return err instanceof Failure && ['rate-limited', 'registration-closed'].includes(err.code);
}

async function refusedMeanwhile(deps: SessionReadDeps, sessionId: string, channel: Channel): Promise<SessionAnswer> {
  const found = await find(deps, sessionId);
  if (found === undefined) return { refusal: { reason: 'not-found' } };
  const refused = refuseSend(found, channel, deps.sessionRules, found.readAt) ?? { reason: 'under-way' };
  return viewOf(deps, found, refusalOf(refused, found));
}

/**
 * Signals the workflow, for operators only. The verification is stored already, so an outage of Temporal is not thrown.
 */
async function tellVerified(
  deps: Pick<ApiDeps, 'temporal' | 'events'>,
  { sessionId, checks, readAt }: Found,
): Promise<void> {
  const at = checks?.verifiedAt ?? readAt;
  await signalWorkflow(deps, verificationWorkflowId(sessionId), codeConfirmed, { at }).catch((err: unknown) =>
    deps.events.dependencyFailed(err),
  );
}

function viewOf({ sessionRules }: Pick<ApiDeps, 'sessionRules'>, found: Found, refusal?: Refusal): SessionAnswer {
  const { sessionId, number, readAt } = found;
  const view = sessionAt(found, sessionRules, readAt);
  if (view === undefined) return { refusal: { reason: 'not-found' } };
  return { session: { ...view, sessionId, number, readAt }, ...(refusal && { refusal }) };
}

function refusalOf(refused: SendRefusal | CheckRefusal, { readAt }: Found): Refusal {
  if (refused.reason === 'too-early') {
    return { reason: 'too-early', waitMs: Math.max(0, refused.nextAt - readAt), limit: 'session-waits' };
  }
  return refused.reason === 'under-way' ? { reason: 'under-way', waitMs: underWayMs } : refused;
}

function refusalOfCheck(outcome: string, waitMs: number | undefined): Refusal | undefined {
  const refusals: Record<string, Refusal> = {
    none: { reason: 'no-code-sent' },
    expired: { reason: 'code-expired' },
    exhausted: { reason: 'exhausted', limit: 'session-checks' },
    early: { reason: 'too-early', waitMs: waitMs ?? 0, limit: 'session-waits' },
  };
  return refusals[outcome];
}
