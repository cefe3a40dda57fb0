/**
 * Verification sessions, as every door offers them: create, read, send a code, check a code.
 *
 * What the caller may not do is an answer, with the session it belongs to, and no failure: whoever asks learns what may be
 * done next. Thrown is only that something is away.
 */
import { type PhoneNumber, parsePhoneNumber, phoneRefusal } from '../../adapters/phone-numbers.ts';
import type { NewSession, StoredSession } from '../../adapters/redis/verification-sessions.ts';
import { signalWorkflow, updateWithStart, type WorkflowStart } from '../../adapters/temporal/client-calls.ts';
import { Failure } from '../../domain/failures.ts';
import { limitKeysOf } from '../../domain/limits.ts';
import { countryOf } from '../../domain/registration.ts';
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
  type SessionView,
  sessionAt,
  verificationWorkflowId,
} from '../../domain/verification.ts';
import { keyedHash, newId } from '../../platform/crypto.ts';
import { codeConfirmed, requestSessionCode, type SendRequest, verification } from '../../workflows/verification.ts';
import type { ApiDeps } from '../deps.ts';
import { type IdentityAct, limitCheck, limitSend } from '../limits.ts';

/** Why something was not done. */
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

/** A session as it stands after what was asked. */
export interface VerificationSession extends SessionView {
  sessionId: string;
  /** E.164. */
  number: string;
}

/** Both are there when something about a session that exists was refused. */
export interface SessionAnswer {
  session?: VerificationSession;
  refusal?: Refusal;
}

export type SessionDeps = Pick<
  ApiDeps,
  | 'verificationSessions'
  | 'sessionRules'
  | 'codes'
  | 'temporal'
  | 'rateLimits'
  | 'smsBudget'
  | 'limitHash'
  | 'events'
  | 'hashKey'
  | 'config'
>;

interface Found extends StoredSession {
  sessionId: string;
  checks: CheckState | undefined;
}

/** A provider that slows us down is left alone this long. */
const slowDownMs = 60_000;
/** A send that is under way has come to something by then. */
const underWayMs = 1000;
/** Callers on this door give up after 15 s; they are answered before. */
const firstOrderMs = 12_000;

/** Creates a session for a number in E.164 that codes go to at any door. A refused try stores nothing. */
export async function createSession(deps: SessionDeps, text: string): Promise<SessionAnswer> {
  const number = parsePhoneNumber(text);
  const isServed = number !== undefined && phoneRefusal(number, deps.config.COUNTRIES_ALLOWED) === undefined;
  if (!isServed) return { refusal: { reason: 'number-not-valid' } };
  const limited = await limitCreation(deps, number.e164);
  if (limited !== undefined) return { refusal: limited };
  const sessionId = newId();
  const created = newSession(number);
  await deps.verificationSessions.create(
    sessionId,
    created,
    keepSessionUntil({ ...created, sends: [] }, deps.sessionRules),
  );
  return viewOf(deps, { ...created, sessionId, sends: [], checks: undefined });
}

/** A session as it stands; costs nothing and prolongs nothing. */
export async function readSession(deps: SessionDeps, sessionId: string): Promise<SessionAnswer> {
  const found = await find(deps, sessionId);
  return found === undefined ? { refusal: { reason: 'not-found' } } : viewOf(deps, found);
}

/**
 * Sends a code by SMS or call and answers when the provider has taken or refused it.
 *
 * @throws {Failure} unavailable: the provider is away and the send goes on by itself
 */
export async function sendSessionCode(
  deps: SessionDeps,
  sessionId: string,
  request: SendRequest,
): Promise<SessionAnswer> {
  const found = await find(deps, sessionId);
  if (found === undefined) return { refusal: { reason: 'not-found' } };
  const refused = refuseSend(found, request.channel, deps.sessionRules, Date.now());
  if (refused !== undefined) {
    if (found.waitingFor === request.channel && refused.reason !== 'already-verified') throw new Failure('unavailable');
    return viewOf(deps, found, refusalOf(refused));
  }
  const consumed = await limitSend(deps, {}, limitedActOf(deps, found, request.channel), newId()).catch(refusalOfLimit);
  if ('reason' in consumed) return viewOf(deps, found, consumed);
  const answer = await sendUpdate(deps, found, request);
  if (answer === undefined) {
    await consumed.refund();
    return refusedMeanwhile(deps, sessionId, request.channel);
  }
  const { sends, away } = answer;
  const own = sends.findLast(({ channel }) => channel === request.channel);
  if (own !== undefined)
    deps.events.codeRequested({ subject: sessionId, purpose: 'verify' }, request.channel, own.number);
  if (away !== undefined && away !== 'limited') throw new Failure('unavailable');
  const now = { ...found, sends, checks: await readChecks(deps, sessionId) };
  if (away !== undefined) return viewOf(deps, now, { reason: 'slow-down', waitMs: slowDownMs });
  if (own?.state === 'sent') return viewOf(deps, now);
  return viewOf(deps, now, { reason: refusalKindOf(own?.reason) });
}

/**
 * Compares a code as typed, blanks and dashes aside; also after the right one was typed, so that only who knows it is told
 * so. A wrong code is no refusal: the session in the answer is not verified.
 */
export async function checkSessionCode(deps: SessionDeps, sessionId: string, typed: string): Promise<SessionAnswer> {
  const found = await find(deps, sessionId);
  if (found === undefined) return { refusal: { reason: 'not-found' } };
  const refused = refuseCheck(found, deps.sessionRules, Date.now());
  if (refused !== undefined) return viewOf(deps, found, refusalOf(refused));
  const subject = { subject: sessionId, purpose: 'verify' } as const;
  const code = typed.replaceAll(/[\s-]/gu, '');
  const { number: send = 0, channel = 'sms' } = found.sends.at(-1) ?? {};
  const guess = deps.limitHash('guess', `${sessionId} ${send} ${code}`);
  const consumed = await limitCheck(deps, {}, limitedActOf(deps, found, channel), guess).catch(refusalOfLimit);
  if ('reason' in consumed) return viewOf(deps, found, consumed);
  const { outcome, left, waitMs } = await deps.codes.check(subject, code, deps.sessionRules, Date.now());
  deps.events.codeChecked(subject, outcome, left);
  if (outcome === 'verified') await consumed.refundProven();
  else if (outcome !== 'wrong') await consumed.refund();
  const after = { ...found, checks: await readChecks(deps, sessionId) };
  if (outcome === 'verified') await tellVerified(deps, sessionId, after.checks);
  const answer = viewOf(deps, after, refusalOfCheck(outcome, waitMs));
  if (outcome !== 'wrong' || answer.session === undefined) return answer;
  return { session: { ...answer.session, isVerified: false } };
}

/** What the limits count a send or a check under: the same as at every other door. */
function limitedActOf(deps: SessionDeps, { number, country }: Found, channel: Channel): IdentityAct {
  const identity = { phone: number, ...(country !== undefined && { country }) };
  return { limitKeys: limitKeysOf(identity, deps.limitHash), channels: [channel] };
}

/** @throws {unknown} anything but a limit */
function refusalOfLimit(err: unknown): Refusal {
  if (!(err instanceof Failure) || err.code !== 'rate-limited') throw err;
  const { retryAfterSeconds = 0, fields } = err.context;
  return { reason: 'limited', waitMs: retryAfterSeconds * 1000, limit: String(fields?.limit) };
}

/** The only limit of creation: by number alone, so that many sources are not many tries. Fails closed. */
async function limitCreation(deps: SessionDeps, number: string): Promise<Refusal | undefined> {
  const limit = {
    name: 'sessions-of-number',
    windows: [{ max: deps.config.SIGNAL_SESSIONS_PER_DAY, windowSeconds: 86_400 }],
  };
  const key = keyedHash(deps.hashKey, 'sessions', number);
  const { allowed, resetSeconds } = await deps.rateLimits.consume(limit, key, newId(), Date.now());
  return allowed ? undefined : { reason: 'limited', waitMs: resetSeconds * 1000, limit: limit.name };
}

function newSession({ e164, country, callingCode }: PhoneNumber): NewSession {
  const shown = countryOf({ callingCode, ...(country && { country }) });
  return { number: e164, createdAt: Date.now(), ...(shown && { country: shown }) };
}

/** A session whose time is over is not found, whatever is still stored of it. */
async function find(deps: SessionDeps, sessionId: string): Promise<Found | undefined> {
  const [stored, checks] = await Promise.all([deps.verificationSessions.read(sessionId), readChecks(deps, sessionId)]);
  if (stored === undefined) return undefined;
  const found = { ...stored, sessionId, checks };
  return sessionAt(found, deps.sessionRules, Date.now()) === undefined ? undefined : found;
}

function readChecks({ codes }: SessionDeps, sessionId: string): Promise<CheckState | undefined> {
  return codes.read({ subject: sessionId, purpose: 'verify' });
}

/** The first order starts the workflow. Undefined when the workflow refused: something else was ordered at the same time. */
async function sendUpdate(deps: SessionDeps, found: Found, request: SendRequest) {
  const { sessionId, number, country, createdAt } = found;
  const start: WorkflowStart<typeof verification> = {
    workflow: verification,
    workflowId: verificationWorkflowId(sessionId),
    staticSummary: 'Verification of a number',
    args: [{ sessionId, number, createdAt, rules: deps.sessionRules, ...(country && { country }) }],
    waitMs: firstOrderMs,
  };
  try {
    return await updateWithStart(deps, start, requestSessionCode, [request]);
  } catch (err) {
    if (err instanceof Failure && ['rate-limited', 'registration-closed'].includes(err.code)) return undefined;
    throw err;
  }
}

async function refusedMeanwhile(deps: SessionDeps, sessionId: string, channel: Channel): Promise<SessionAnswer> {
  const found = await find(deps, sessionId);
  if (found === undefined) return { refusal: { reason: 'not-found' } };
  const refused = refuseSend(found, channel, deps.sessionRules, Date.now()) ?? { reason: 'under-way' };
  return viewOf(deps, found, refusalOf(refused));
}

/** For operators alone: what proves it is stored already, so an outage of Temporal is not the caller's. */
async function tellVerified(deps: SessionDeps, sessionId: string, checks: CheckState | undefined): Promise<void> {
  const at = checks?.verifiedAt ?? Date.now();
  await signalWorkflow(deps, verificationWorkflowId(sessionId), codeConfirmed, { at }).catch((err: unknown) =>
    deps.events.dependencyFailed(err),
  );
}

function viewOf(deps: SessionDeps, found: Found, refusal?: Refusal): SessionAnswer {
  const view = sessionAt(found, deps.sessionRules, Date.now());
  if (view === undefined) return { refusal: { reason: 'not-found' } };
  const { sessionId, number } = found;
  return { session: { ...view, sessionId, number }, ...(refusal && { refusal }) };
}

function refusalOf(refused: SendRefusal | CheckRefusal): Refusal {
  if (refused.reason === 'too-early') {
    return { reason: 'too-early', waitMs: Math.max(0, refused.nextAt - Date.now()), limit: 'session-waits' };
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
