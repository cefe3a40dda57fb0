/**
 * Verification of a number or address by a one-time code: a pure state machine that every API shares.
 *
 * Terminology
 * - subject: what a code is bound to, such as the id of a registration or verification. A code is valid for one subject
 *   only.
 * - session: a stand-alone verification, as in Signal's registration-service; it expires on its own.
 * - channel: how a code is sent (`sms`, `voice`, `email`).
 * - send: one request for a code by a channel, numbered from 1 within its subject.
 * - check: one comparison of a typed code with the code that was sent.
 * - refused: the channel can never reach the recipient; waiting does not help.
 * - rejected: the provider did not accept this message. It counts as a send of its channel; another one may be
 *   accepted.
 * - given up: an operator chose another channel while the provider was unavailable; the send is never retried.
 *
 * Instants are milliseconds since the Unix epoch. A next instant of `null` means that waiting does not help.
 */
import type { Refusal } from './failures.ts';

/** Channels for codes. */
export const channels = ['sms', 'voice', 'email'] as const;
/** A channel for codes. */
export type Channel = (typeof channels)[number];

/**
 * What a code is for. `register`: creating an account. `verify`: proving a number, in a session. `login`: starting a
 * session of an account. `pin-reset`: setting a new PIN. `contact-change`: changing the number or address of an
 * account.
 */
export const codePurposes = ['register', 'verify', 'login', 'pin-reset', 'contact-change'] as const;
/** What a code is for. */
export type CodePurpose = (typeof codePurposes)[number];

/** The subject and purpose that a code is bound to. */
export interface CodeSubject {
  subject: string;
  purpose: CodePurpose;
}

/** Kinds of apps that request codes. For `android`, an SMS ends with the app hash. */
export const clientKinds = ['ios', 'android', 'desktop', 'web'] as const;
/** A kind of app. */
export type ClientKind = (typeof clientKinds)[number];

/** The state of a send. A send that waits for its provider is still `sending`. */
export type SendState = 'sending' | 'sent' | 'refused' | 'rejected' | 'given-up';

/** A send of a code. */
export interface Send {
  number: number;
  channel: Channel;
  requestedAt: number;
  state: SendState;
  sentAt?: number;
  /** Kebab-case reason why a provider refused. */
  reason?: string;
}

/** The configured limits of a verification. */
export interface VerificationRules {
  /** Lifetime of a code from its sending, in seconds. */
  codeTtlSeconds: number;
  /** Maximum number of checks of one code. */
  checksMax: number;
  /** Waits after each check of one code, in seconds. Default: none. */
  checkWaitsSeconds?: readonly number[];
  /** Waits between the sends of one channel, in seconds. The number of sends is one more than the number of waits. */
  resendWaitsSeconds: readonly number[];
  /** Waits between calls, if different from `resendWaitsSeconds`. */
  voiceWaitsSeconds?: readonly number[];
  /** Seconds from the first SMS to the first call. When absent, a call requires no SMS. */
  voiceAfterSmsSeconds?: number;
}

/** The limits of a session, including those of its verification. */
export interface VerificationSessionRules extends VerificationRules {
  /** Lifetime in seconds, from the last instant at which an action was done or became possible. */
  sessionTtlSeconds: number;
}

/** The state of the checks of the newest code, as stored in Redis. */
export interface CheckState {
  /** From when on the recipient may have the code. */
  since: number;
  /** Absent until the provider has confirmed the send, which starts the lifetime of the code. */
  expiresAt?: number;
  checks: number;
  lastCheckAt?: number;
  /** When the right code was typed. */
  verifiedAt?: number;
}

/** The state that a session is derived from. */
export interface VerificationSessionState {
  createdAt: number;
  sends: readonly Send[];
  /** Undefined before the first code. */
  checks?: CheckState | undefined;
}

/** The view of a session: which actions are possible, and from when. */
export interface VerificationSessionView {
  isVerified: boolean;
  nextSmsAt: number | null;
  nextVoiceAt: number | null;
  nextCheckAt: number | null;
  /** After this instant the session does not exist, even if a record of it remains. */
  expiresAt: number;
}

/** Why a session cannot send a code now. `under-way`: the last send of the channel has no result yet. */
export type SendRefusal =
  | { reason: 'already-verified' | 'exhausted' | 'under-way' }
  | { reason: 'too-early'; nextAt: number };

/** Why a session cannot check a code now. */
export type CheckRefusal =
  | { reason: 'no-code-sent' | 'exhausted' | 'code-expired' }
  | { reason: 'too-early'; nextAt: number };

/**
 * Returns the instant from which a channel may send: in the past when it may send now, `null` when waiting does not
 * help.
 *
 * @param notBefore start of the verification, from which the first send is possible
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
 * The first instant of a call: `voiceAfterSmsSeconds` after the first SMS that the provider accepted or rejected,
 * immediately when SMS cannot reach the number.
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
 * Returns the channels whose codes a typed code may match: that of the newest code known to be sent, and those of newer
 * sends that a provider may have accepted.
 */
export function openChannels(sends: readonly Send[]): Channel[] {
  const current = sends.findLastIndex(({ state }) => state === 'sent');
  const open = sends.slice(Math.max(0, current)).filter(({ state }) => state !== 'refused');
  return [...new Set(open.map(({ channel }) => channel))];
}

/** Returns how many checks the newest code has left, or the first one will have; 0 when the code has expired. */
export function checksLeft(state: CheckState | undefined, checksMax: number, now: number): number {
  if (state === undefined) return checksMax;
  return isOver(state, now) ? 0 : Math.max(0, checksMax - state.checks);
}

/** Returns the instant from which a code may be checked; `null` when a new code is required. */
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
 * Returns when a session expires. Derived from stored state only, so it does not depend on the time of the call. A
 * verified session expires `sessionTtlSeconds` after the right code; any other session that long after the last action
 * that was done or became possible.
 */
export function sessionExpiresAt(
  { createdAt, sends, checks }: VerificationSessionState,
  rules: VerificationSessionRules,
): number {
  const life = rules.sessionTtlSeconds * 1000;
  if (checks?.verifiedAt !== undefined) return checks.verifiedAt + life;
  // includes past actions, so that no action can expire its own session by using up what was possible
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

/** Returns the view of a session at an instant; undefined once it has expired. */
export function sessionAt(
  state: VerificationSessionState,
  rules: VerificationSessionRules,
  now: number,
): VerificationSessionView | undefined {
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

/** Returns why a session may not send by a channel now; undefined when it may. */
export function refuseSend(
  state: VerificationSessionState,
  channel: Channel,
  rules: VerificationSessionRules,
  now: number,
): SendRefusal | undefined {
  if (state.checks?.verifiedAt !== undefined) return { reason: 'already-verified' };
  const nextAt = nextSendAt(state.sends, channel, rules, state.createdAt);
  if (nextAt !== null && nextAt > now) return { reason: 'too-early', nextAt };
  if (state.sends.some((send) => send.channel === channel && send.state === 'sending')) return { reason: 'under-way' };
  return nextAt === null ? { reason: 'exhausted' } : undefined;
}

/**
 * Refuses a request for a code in the workflow of a session: `rate-limited` for every reason. The api has read the same
 * state before and reports the reason.
 *
 * @param state `isOver`: the workflow has seen the session expire
 */
export function refuseSessionCode(
  state: VerificationSessionState & { isOver: boolean },
  channel: Channel,
  rules: VerificationSessionRules,
  now: number,
): Refusal | undefined {
  const isRefused = state.isOver || refuseSend(state, channel, rules, now) !== undefined;
  return isRefused ? { code: 'rate-limited' } : undefined;
}

/** Returns why a session may not check a code now; undefined when it may, also after it was verified. */
export function refuseCheck(
  { checks }: VerificationSessionState,
  rules: VerificationSessionRules,
  now: number,
): CheckRefusal | undefined {
  if (checks === undefined) return { reason: 'no-code-sent' };
  if (checks.verifiedAt !== undefined) return undefined;
  if (isOver(checks, now)) return { reason: 'code-expired' };
  if (checks.checks >= rules.checksMax) return { reason: 'exhausted' };
  const nextAt = checkableAt(checks, rules);
  return nextAt > now ? { reason: 'too-early', nextAt } : undefined;
}

/**
 * Returns until when to keep a session's record: longer than the session can live before the record is next written.
 */
export function keepSessionUntil(state: VerificationSessionState, rules: VerificationSessionRules): number {
  const longestWait = Math.max(0, ...(rules.checkWaitsSeconds ?? []));
  return sessionExpiresAt(state, rules) + (longestWait + rules.sessionTtlSeconds) * 1000;
}

/** The kind of a provider's refusal. `no-sender`: no provider is configured for the message. */
export type RefusalKind = 'unreachable' | 'no-sender' | 'fraud' | 'rejected';

const refusalKinds: Record<string, RefusalKind | undefined> = {
  'country-not-enabled': 'unreachable',
  'number-not-mobile': 'unreachable',
  'number-not-reachable': 'unreachable',
  'not-configured': 'no-sender',
  'fraud-suspected': 'fraud',
};

/** Returns the kind of a provider's reason; an unknown reason is `rejected`. */
export function refusalKindOf(reason: string | undefined): RefusalKind {
  return refusalKinds[reason ?? ''] ?? 'rejected';
}

/**
 * Returns the state of a session's send that its provider refused. `refused` ends a channel that cannot reach the
 * number. After `rejected`, another code may be sent by it.
 */
export function refusedStateOf(reason: string): 'refused' | 'rejected' {
  return ['unreachable', 'no-sender'].includes(refusalKindOf(reason)) ? 'refused' : 'rejected';
}
