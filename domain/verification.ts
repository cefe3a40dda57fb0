/**
 * Proving a number or an address with a one-time code: one pure state machine over instants, for every door.
 *
 * Terminology
 * - subject: what a code is bound to, the id of a registration or of a verification; a code of one is worth nothing in another.
 * - session: a verification that stands alone, as Signal's registration-service has it; it ends by itself.
 * - channel: the way a code takes (`sms`, `voice`, `email`).
 * - send: one request for a code by a channel; numbered from 1 within its subject.
 * - check: one comparison of a typed code with the code that was sent.
 * - refused: the channel cannot reach the person, ever; waiting does not help.
 * - rejected: the provider would not carry this message; it counts as a send of its channel, and another may be carried.
 * - given up: an operator chose another channel while the provider was away; the send is never tried again.
 *
 * All instants are milliseconds since the Unix epoch. `null` for a next instant: that act is not possible by waiting.
 */

/** Channels that carry codes. */
export const channels = ['sms', 'voice', 'email'] as const;
export type Channel = (typeof channels)[number];

/**
 * `register`: an account. `verify`: nothing more than a number, in a session. `login`: a session of an account. `pin-reset`:
 * a new PIN. `contact-change`: another number or address of an account.
 */
export const codePurposes = ['register', 'verify', 'login', 'pin-reset', 'contact-change'] as const;
export type CodePurpose = (typeof codePurposes)[number];

/** What a code proves: one subject, for one purpose. */
export interface CodeSubject {
  subject: string;
  purpose: CodePurpose;
}

/** Kinds of app that ask for codes: on Android, an SMS has a line for the app. */
export const clientKinds = ['ios', 'android', 'desktop', 'web'] as const;
export type ClientKind = (typeof clientKinds)[number];

/** What a send has come to. A send that waits for its provider is still `sending`. */
export type SendState = 'sending' | 'sent' | 'refused' | 'rejected' | 'given-up';

export interface Send {
  number: number;
  channel: Channel;
  requestedAt: number;
  state: SendState;
  sentAt?: number;
  /** Why a provider refused, as a kebab-case state of affairs. */
  reason?: string;
}

/** The bounds of a verification, from the configuration. */
export interface VerificationRules {
  /** Life of a code from its sending, in seconds. */
  codeTtlSeconds: number;
  /** Checks of one code. */
  checksMax: number;
  /** Waits after each check of one code, in seconds; none where absent. */
  checkWaitsSeconds?: readonly number[];
  /** Waits between the sends of one channel, in seconds; one more send than waits is possible. */
  resendWaitsSeconds: readonly number[];
  /** Those of voice, when they are others. */
  voiceWaitsSeconds?: readonly number[];
  /** From the first SMS to the first call, in seconds; voice needs no SMS where absent. */
  voiceAfterSmsSeconds?: number;
}

/** The bounds of a session, which are also those of its verification. */
export interface SessionRules extends VerificationRules {
  /** Life in seconds from the last instant at which something new was possible. */
  sessionTtlSeconds: number;
}

/** Where the checks of the newest code stand, as Redis holds them. */
export interface CheckState {
  /** The code may be in the person's hands since. */
  since: number;
  /** Absent while its provider has not confirmed it: its life has not begun. */
  expiresAt?: number;
  checks: number;
  lastCheckAt?: number;
  /** The right code was typed then. */
  verifiedAt?: number;
}

/** Everything that a session is derived from. */
export interface SessionState {
  createdAt: number;
  sends: readonly Send[];
  /** Undefined before the first code. */
  checks?: CheckState | undefined;
}

/** What may be done with a session, and from when. */
export interface SessionView {
  isVerified: boolean;
  nextSmsAt: number | null;
  nextVoiceAt: number | null;
  nextCheckAt: number | null;
  /** A session past it is gone, whoever still holds a record of it. */
  expiresAt: number;
}

/** Why a session sends nothing now. `under-way`: the last send has not come to anything yet. */
export type SendRefusal =
  | { reason: 'already-verified' | 'exhausted' | 'under-way' }
  | { reason: 'too-early'; nextAt: number };

/** Why a session compares nothing now. */
export type CheckRefusal =
  | { reason: 'no-code-sent' | 'exhausted' | 'code-expired' }
  | { reason: 'too-early'; nextAt: number };

/**
 * The instant from which a channel may send again: in the past when it may send now, `null` when it never may.
 *
 * @param notBefore start of the verification; the first send is possible from then
 */
export function nextSendAt(
  sends: readonly Send[],
  channel: Channel,
  rules: VerificationRules,
  notBefore: number,
): number | null {
  const own = sends.filter((send) => send.channel === channel);
  const last = own.at(-1);
  if (own.some(({ state }) => state === 'refused')) return null;
  if (last === undefined) return channel === 'voice' ? voiceOpensAt(sends, rules, notBefore) : notBefore;
  const waitSeconds = waitsOf(channel, rules)[own.length - 1];
  return waitSeconds === undefined ? null : handedAt(last) + waitSeconds * 1000;
}

/**
 * The first instant of a call: a while after the first SMS that the provider took or rejected, at once when SMS cannot
 * reach the number.
 */
function voiceOpensAt(
  sends: readonly Send[],
  { voiceAfterSmsSeconds }: VerificationRules,
  notBefore: number,
): number | null {
  if (voiceAfterSmsSeconds === undefined) return notBefore;
  const tried = sends.filter(({ channel, state }) => channel === 'sms' && !['sending', 'given-up'].includes(state));
  const first = tried[0];
  if (first === undefined) return null;
  const refused = tried.find(({ state }) => state === 'refused');
  const opensAt = handedAt(first) + voiceAfterSmsSeconds * 1000;
  return refused === undefined ? opensAt : Math.min(opensAt, handedAt(refused));
}

function waitsOf(channel: Channel, rules: VerificationRules): readonly number[] {
  return (channel === 'voice' ? rules.voiceWaitsSeconds : undefined) ?? rules.resendWaitsSeconds;
}

function handedAt({ sentAt, requestedAt }: Send): number {
  return sentAt ?? requestedAt;
}

/**
 * The channels whose codes a typed code may be compared with: that of the newest code that is known to be sent, and those
 * of newer ones that a provider may have.
 */
export function openChannels(sends: readonly Send[]): Channel[] {
  const current = sends.findLastIndex(({ state }) => state === 'sent');
  const open = sends.slice(Math.max(0, current)).filter(({ state }) => state !== 'refused');
  return [...new Set(open.map(({ channel }) => channel))];
}

/** Checks that the newest code has left, or that the first will have; 0 when it is over. */
export function checksLeft(state: CheckState | undefined, checksMax: number, now: number): number {
  if (state === undefined) return checksMax;
  return isOver(state, now) ? 0 : Math.max(0, checksMax - state.checks);
}

/** The instant from which a code may be checked, `null` when only a new code helps. */
export function nextCheckAt(
  state: CheckState | undefined,
  rules: Pick<VerificationRules, 'checksMax' | 'checkWaitsSeconds'>,
  now: number,
): number | null {
  return state !== undefined && checksLeft(state, rules.checksMax, now) > 0 ? checkableAt(state, rules) : null;
}

function checkableAt(state: CheckState, { checkWaitsSeconds }: Pick<VerificationRules, 'checkWaitsSeconds'>): number {
  if (state.lastCheckAt === undefined) return state.since;
  return state.lastCheckAt + (checkWaitsSeconds?.[state.checks - 1] ?? 0) * 1000;
}

function isOver(state: CheckState, now: number): boolean {
  return state.expiresAt !== undefined && state.expiresAt <= now;
}

/**
 * The one expiry of a session, reported and obeyed: derived from what was stored, it never depends on when it is asked for.
 * A verified session lives on for a while after its right code; another until nothing has been done, and nothing new been
 * possible, for as long.
 */
export function sessionExpiresAt({ createdAt, sends, checks }: SessionState, rules: SessionRules): number {
  const life = rules.sessionTtlSeconds * 1000;
  if (checks?.verifiedAt !== undefined) return checks.verifiedAt + life;
  // so that no act ends the session it belongs to, whatever it uses up
  const done = [createdAt, ...sends.map(handedAt), checks?.lastCheckAt ?? createdAt];
  const possible = [...done, ...(['sms', 'voice'] as const).map((way) => nextSendAt(sends, way, rules, createdAt))];
  if (checks !== undefined && checks.checks < rules.checksMax) {
    const at = checkableAt(checks, rules);
    if (!isOver(checks, at)) possible.push(at);
  }
  const codesEnd = sends
    .filter(({ state }) => state === 'sent' || state === 'sending')
    .map((send) => handedAt(send) + rules.codeTtlSeconds * 1000);
  return Math.max(...possible.flatMap((at) => (at === null ? [] : [at + life])), ...codesEnd);
}

/** A session as it stands; undefined when its time is over. */
export function sessionAt(state: SessionState, rules: SessionRules, now: number): SessionView | undefined {
  const expiresAt = sessionExpiresAt(state, rules);
  if (expiresAt <= now) return undefined;
  if (state.checks?.verifiedAt !== undefined) {
    return { isVerified: true, nextSmsAt: null, nextVoiceAt: null, nextCheckAt: null, expiresAt };
  }
  return {
    isVerified: false,
    nextSmsAt: nextSendAt(state.sends, 'sms', rules, state.createdAt),
    nextVoiceAt: nextSendAt(state.sends, 'voice', rules, state.createdAt),
    nextCheckAt: nextCheckAt(state.checks, rules, now),
    expiresAt,
  };
}

/** Why a session may not send by a channel now; undefined when it may. */
export function refuseSend(
  state: SessionState,
  channel: Channel,
  rules: SessionRules,
  now: number,
): SendRefusal | undefined {
  if (state.checks?.verifiedAt !== undefined) return { reason: 'already-verified' };
  const nextAt = nextSendAt(state.sends, channel, rules, state.createdAt);
  if (nextAt !== null && nextAt > now) return { reason: 'too-early', nextAt };
  if (state.sends.some((send) => send.channel === channel && send.state === 'sending')) return { reason: 'under-way' };
  return nextAt === null ? { reason: 'exhausted' } : undefined;
}

/** Why a session may not check a code now; undefined when it may, also after it was verified. */
export function refuseCheck({ checks }: SessionState, rules: SessionRules, now: number): CheckRefusal | undefined {
  if (checks === undefined) return { reason: 'no-code-sent' };
  if (checks.verifiedAt !== undefined) return undefined;
  if (isOver(checks, now)) return { reason: 'code-expired' };
  if (checks.checks >= rules.checksMax) return { reason: 'exhausted' };
  const nextAt = checkableAt(checks, rules);
  return nextAt > now ? { reason: 'too-early', nextAt } : undefined;
}

/** How long a session's record is kept: longer than it can live by what may be done until it is next written. */
export function keepSessionUntil(state: SessionState, rules: SessionRules): number {
  const longestWait = Math.max(0, ...(rules.checkWaitsSeconds ?? []));
  return sessionExpiresAt(state, rules) + (longestWait + rules.sessionTtlSeconds) * 1000;
}

/** The id of the workflow of a session: a noun and a random id, never a number. */
export function verificationWorkflowId(sessionId: string): string {
  return `verification:${sessionId}`;
}

/** What a refusal means for what may be done next. `no-sender`: nobody is configured to carry it. */
export type RefusalKind = 'unreachable' | 'no-sender' | 'fraud' | 'rejected';

const refusalKinds: Record<string, RefusalKind | undefined> = {
  'country-not-enabled': 'unreachable',
  'number-not-mobile': 'unreachable',
  'number-not-reachable': 'unreachable',
  'not-configured': 'no-sender',
  'fraud-suspected': 'fraud',
};

/** The kind of a provider's reason; one that is not known means that it would not carry the message. */
export function refusalKindOf(reason: string | undefined): RefusalKind {
  return refusalKinds[reason ?? ''] ?? 'rejected';
}

/** The id of the workflow that sends the code of a log-in. */
export function logInWorkflowId(loginId: string): string {
  return `login:${loginId}`;
}
