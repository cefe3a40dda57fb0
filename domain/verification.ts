/**
 * Proving a number or an address with a one-time code: one pure state machine over instants.
 *
 * Terminology
 * - subject: what a code is bound to, here the id of a registration; a code of one subject is worth nothing in another.
 * - channel: the way a code takes (`sms`, `email`).
 * - send: one request for a code by a channel; numbered from 1 within its subject.
 * - check: one comparison of a typed code with the code that was sent.
 * - refused: the provider will not deliver by this channel, ever; waiting does not help.
 * - given up: an operator chose another channel while the provider was away; the send is never tried again.
 *
 * All instants are milliseconds since the Unix epoch. `null` for a next instant: that act is not possible by waiting.
 */

/** Channels that carry codes today. */
export const channels = ['sms', 'email'] as const;
export type Channel = (typeof channels)[number];

/** What a send has come to. A send that waits for its provider is still `sending`. */
export type SendState = 'sending' | 'sent' | 'refused' | 'given-up';

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
  checksMax: number;
  /** Waits between the sends of one channel, in seconds; one more send than waits is possible. */
  resendWaitsSeconds: number[];
}

/** Where the checks of the newest code stand, as Redis holds them. */
export interface CheckState {
  /** The code may be in the person's hands since. */
  since: number;
  /** Absent while its provider has not confirmed it: its life has not begun. */
  expiresAt?: number;
  checks: number;
}

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
  if (last === undefined) return notBefore;
  if (last.state === 'refused') return null;
  const waitSeconds = rules.resendWaitsSeconds[own.length - 1];
  return waitSeconds === undefined ? null : (last.sentAt ?? last.requestedAt) + waitSeconds * 1000;
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
export function nextCheckAt(state: CheckState | undefined, checksMax: number, now: number): number | null {
  return state !== undefined && checksLeft(state, checksMax, now) > 0 ? state.since : null;
}

function isOver(state: CheckState, now: number): boolean {
  return state.expiresAt !== undefined && state.expiresAt <= now;
}
