/**
 * What operators read of a registration in the Temporal Web UI, as Markdown: first where it stands and why, in words, then
 * its timeline. Encrypted like every payload; still, it names nobody.
 */
import type { RegistrationStatus, WaitingFor } from '../domain/registration.ts';

/** Something a flow asks of an outside system, again and again until it is answered. */
export interface DependencyCall {
  system: WaitingFor;
  askedAt: number;
  /** Tries that failed. */
  tries: number;
  /** The first failure; undefined before. */
  waitingSince: number | undefined;
  /** Undefined while a try is under way. */
  nextTryAt: number | undefined;
  /** The next pause is left out, or ends now. */
  isRetryRequested: boolean;
  /** Why the last try failed, as a kebab-case state of affairs. */
  why: string | undefined;
}

/** What the details are made of. */
export interface DetailState {
  status: RegistrationStatus;
  startedAt: number;
  dependencyCalls: Iterable<DependencyCall>;
  /** Oldest first. */
  timeline: readonly { at: number; text: string }[];
}

/** Lines of the timeline that are shown: the latest. */
const timelineLinesMax = 40;

/** The details of a registration. */
export function detailsOf({ status, startedAt, dependencyCalls, timeline }: DetailState): string {
  const timeOf = (at: number) => instantText(at, startedAt);
  const lines = timeline.slice(-timelineLinesMax).map(({ at, text }) => `- ${timeOf(at)} ${text}`);
  return [...summaryLines(status, [...dependencyCalls], timeOf), '', ...lines].join('\n');
}

function summaryLines(
  status: RegistrationStatus,
  dependencyCalls: DependencyCall[],
  timeOf: (at: number) => string,
): string[] {
  const { state, reason } = status;
  const outside = dependencyCalls.map((dependencyCall) => askingLine(dependencyCall, timeOf));
  if (state !== 'pending' && state !== 'waiting') {
    // what is taken back may wait too
    return [`**${state}**${reason === undefined ? '' : `: ${readable(reason)}`}`, ...outside];
  }
  const inside = personLine(status, timeOf);
  return outside.length > 0 ? [...outside, ...(inside ? ['', inside] : [])] : [inside ?? '**finishing**'];
}

function askingLine(asked: DependencyCall, timeOf: (at: number) => string): string {
  const { system, askedAt, tries, waitingSince, nextTryAt, why } = asked;
  if (waitingSince === undefined) return `**asking ${system}** since ${timeOf(askedAt)}, no answer yet`;
  const next = nextTryAt === undefined ? 'trying now' : `next at ${timeOf(nextTryAt)}`;
  const count = tries === 1 ? '1 try' : `${tries} tries`;
  return `**waiting for ${system}** since ${timeOf(waitingSince)}, ${count}, ${next}, why: ${readable(why ?? 'unavailable')}`;
}

/** What the person has to do, when there is something. */
function personLine({ steps, sends }: RegistrationStatus, timeOf: (at: number) => string): string | undefined {
  const open = steps.filter((step) => step.status === 'open').map(({ name }) => name);
  if (open.length === 0) return undefined;
  const last = sends.at(-1);
  if (!open.includes('code') || last === undefined) return `**waiting for the person**: ${open.join(', ')}`;
  return `**waiting for the person**: ${open.join(', ')} (code ${last.number} by ${last.channel}: ${sendText(last, timeOf)})`;
}

function sendText(send: RegistrationStatus['sends'][number], timeOf: (at: number) => string): string {
  if (send.state === 'sent') return `sent at ${timeOf(send.sentAt ?? send.requestedAt)}`;
  return send.state === 'refused' ? `refused, ${readable(send.reason ?? 'no reason')}` : readable(send.state);
}

function readable(stateOfAffairs: string): string {
  return stateOfAffairs.replaceAll('-', ' ');
}

/** The time of day in UTC, with the day when it is not that of the start. */
function instantText(at: number, startedAt: number): string {
  const [day = '', time = ''] = new Date(at).toISOString().slice(0, 19).split('T');
  return new Date(startedAt).toISOString().startsWith(day) ? time : `${day} ${time}`;
}
