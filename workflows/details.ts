/**
 * The current details of a workflow in the Temporal Web UI, as Markdown: its timeline, and for a registration its state
 * and the reason first. They are encrypted like every payload, and contain no personal data even so.
 */
import type { AwaitedSystem, RegistrationStatus } from '../domain/registration.ts';

/**
 * A call from a workflow to a dependency, retried until it succeeds. Instants are in milliseconds since the Unix epoch.
 */
export interface DependencyCall {
  system: AwaitedSystem;
  askedAt: number;
  /** Failed attempts. */
  tries: number;
  /** Instant of the first failure; undefined before it. */
  waitingSince: number | undefined;
  /** Undefined while an attempt is running. */
  nextTryAt: number | undefined;
  /** The current or next pause is skipped. */
  isRetryRequested: boolean;
  /** Kebab-case reason why the last attempt failed. */
  why: string | undefined;
}

/** A line of a timeline. `at` is in milliseconds since the Unix epoch. */
export interface TimelineLine {
  at: number;
  text: string;
}

/** The data that the details are built from. */
export interface DetailState {
  status: RegistrationStatus;
  startedAt: number;
  dependencyCalls: Iterable<DependencyCall>;
  /** Oldest first. */
  timeline: readonly TimelineLine[];
}

/** The timeline shows its latest lines, up to this number. */
const timelineLinesMax = 40;

/** Returns the details of a registration as Markdown. */
export function detailsOf({ status, startedAt, dependencyCalls, timeline }: DetailState): string {
  const timeOf = (at: number) => instantText(at, startedAt);
  return [...summaryLines(status, [...dependencyCalls], timeOf), '', timelineOf(timeline, startedAt)].join('\n');
}

/** Returns a timeline as Markdown: its latest lines, each with its time of day, and its date when it is another day. */
export function timelineOf(timeline: readonly TimelineLine[], startedAt = timeline[0]?.at ?? 0): string {
  const lines = timeline.slice(-timelineLinesMax).map(({ at, text }) => `- ${instantText(at, startedAt)} ${text}`);
  return lines.join('\n');
}

function summaryLines(
  status: RegistrationStatus,
  dependencyCalls: DependencyCall[],
  timeOf: (at: number) => string,
): string[] {
  const { state, reason } = status;
  const outside = dependencyCalls.map((dependencyCall) => askingLine(dependencyCall, timeOf));
  if (state !== 'pending' && state !== 'waiting') {
    // compensations may wait for a dependency too
    return [`**${state}**${reason === undefined ? '' : `: ${readable(reason)}`}`, ...outside];
  }
  const inside = personLine(status, timeOf);
  return outside.length > 0 ? [...outside, ...(inside ? ['', inside] : [])] : [inside ?? '**finishing**'];
}

function askingLine(asked: DependencyCall, timeOf: (at: number) => string): string {
  const { system, askedAt, tries, waitingSince, nextTryAt, why } = asked;
  if (waitingSince === undefined) return `**calling ${system}** since ${timeOf(askedAt)}, no response yet`;
  const next = nextTryAt === undefined ? 'attempt running' : `next at ${timeOf(nextTryAt)}`;
  const count = tries === 1 ? '1 attempt' : `${tries} attempts`;
  return `**waiting for ${system}** since ${timeOf(waitingSince)}, ${count}, ${next}, reason: ${readable(why ?? 'unavailable')}`;
}

/** The steps that the user still has to complete, if any. */
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

/** Time of day in UTC, with the date when it differs from the date of the start. */
function instantText(at: number, startedAt: number): string {
  const [day = '', time = ''] = new Date(at).toISOString().slice(0, 19).split('T');
  return new Date(startedAt).toISOString().startsWith(day) ? time : `${day} ${time}`;
}
