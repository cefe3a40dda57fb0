/**
 * Verification of the audit log: which events were changed or removed after they were written.
 *
 * Three things prove that an event is missing: the hash chain from each event to the next; the end of the chain, which Redis
 * remembers; and checkpoints, which the role `audit` signs every hour and which are kept apart from the events. A checkpoint
 * says how far the log had come at an instant and how long events were kept then, so that the removal of old events by
 * retention differs from any other.
 */
import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import type { AuditEvent } from '../domain/audit.ts';
import { isUnchanged } from './audit.ts';

/** How far the audit log had come at an instant. */
export interface AuditPosition {
  /** The sequence number that was given last. */
  sequence: number;
  /** The chain value of the newest event. */
  chain: string;
}

/** A position of the log, and for how long its events were to be kept. */
export interface AuditCheckpoint extends AuditPosition {
  /** Milliseconds since the Unix epoch. */
  at: number;
  retentionDays: number;
}

/** Returns a checkpoint as text with its HMAC-SHA-256 (RFC 2104). */
export function signCheckpoint({ at, sequence, chain, retentionDays }: AuditCheckpoint, macKey: Buffer): string {
  const body = `${at} ${sequence} ${retentionDays} ${chain}`;
  return `${body} ${checkpointMac(body, macKey)}`;
}

/** Reads a checkpoint; undefined if no key has signed it. */
export function readCheckpoint(text: string, macKeys: readonly Buffer[]): AuditCheckpoint | undefined {
  const [, body = '', mac = ''] = /^(.*) (\S+)$/.exec(text) ?? [];
  const isSigned = macKeys.some((key) => isEqual(checkpointMac(body, key), mac));
  if (!isSigned) return undefined;
  const [at, sequence, retentionDays, chain = ''] = body.split(' ');
  return { at: Number(at), sequence: Number(sequence), retentionDays: Number(retentionDays), chain };
}

function checkpointMac(body: string, macKey: Buffer): string {
  return createHmac('sha256', macKey).update(`checkpoint ${body}`).digest('base64url');
}

function isEqual(one: string, other: string): boolean {
  const [a, b] = [Buffer.from(one), Buffer.from(other)];
  return a.length === b.length && timingSafeEqual(a, b);
}

const dayMs = 86_400_000;
/** How much later than it happened an event may be appended: Redis was away, or a clock is wrong. */
const lateMs = 3_600_000;

/**
 * Returns the position from which on no event may be missing: the first checkpoint after the last day that retention has
 * removed. Undefined without one: nothing can be said of the beginning of the log then.
 *
 * @param checkpoints in the order of their time
 * @param now milliseconds since the Unix epoch
 */
export function completeFrom(
  checkpoints: readonly AuditCheckpoint[],
  { retentionDays, now }: { retentionDays: number; now: number },
): AuditPosition | undefined {
  // each day has an index, which goes as a whole
  const removedUntil = [...checkpoints, { at: now, retentionDays }].reduce(
    (latest, one) => Math.max(latest, Math.floor((one.at - one.retentionDays * dayMs) / dayMs) * dayMs),
    0,
  );
  return checkpoints.find(({ at }) => at >= removedUntil + lateMs);
}

/**
 * A fault of an audit log. `missing`: the first and last sequence number of events removed after writing, and the instants
 * (ISO 8601) of the events before and after them, where there are such. `repeated`: two events have the same sequence
 * number, because Redis lost its data or one was added.
 */
export type AuditLogFault =
  | { fault: 'changed' | 'repeated'; id: string; sequence: number }
  | { fault: 'missing'; from: number; to: number; after?: string; before?: string }
  | { fault: 'unproven'; id: string };

/** The result of `verifyAuditLog`. */
export interface AuditLogReport {
  events: number;
  /** Events dropped because the stream was full. They are no fault; `audit-gap` events report them. */
  dropped: number;
  faults: AuditLogFault[];
}

/** What a log is verified with. */
export interface Verification {
  macKeys: readonly Buffer[];
  /** From here on every event must be there; see `completeFrom`. Undefined: events may be missing at the beginning. */
  start?: AuditPosition | undefined;
  /**
   * The last position when the verification began: no later event is read, and every one before it must be there. Undefined
   * if Redis has lost it.
   */
  end: AuditPosition | undefined;
  /** The first event that waits to be stored, if one does: the last stored one is chained to it, and not to `end`. */
  next?: (AuditPosition & { mac: string }) | undefined;
}

/**
 * Verifies that no event was changed or removed: the HMAC of each event, and the hash chain from one to the next, from
 * `start` to `end`.
 *
 * @param events in the order of their sequence
 */
export async function verifyAuditLog(
  events: AsyncIterable<AuditEvent>,
  { macKeys, start, end, next }: Verification,
): Promise<AuditLogReport> {
  const chain = new Chain(start);
  const last = next === undefined ? (end?.sequence ?? Number.POSITIVE_INFINITY) : next.sequence - 1;
  for await (const event of events) {
    const { sequence } = event.vyry?.audit ?? {};
    // written after the verification began
    if (sequence !== undefined && sequence > last) break;
    chain.add(event, macKeys);
  }
  if (next !== undefined) chain.close(last, (known) => chainOf(known, next.sequence, next.mac) === next.chain);
  else if (end !== undefined) chain.close(last, (known) => known === end.chain);
  return chain.report;
}

/** The chain up to the event that was read last. */
class Chain {
  readonly report: AuditLogReport = { events: 0, dropped: 0, faults: [] };
  readonly #start: AuditPosition | undefined;
  #last: AuditPosition & { time?: string } = { sequence: 0, chain: '' };
  #isStarted: boolean;

  constructor(start: AuditPosition | undefined) {
    this.#start = start;
    this.#isStarted = start === undefined;
  }

  add(event: AuditEvent, macKeys: readonly Buffer[]): void {
    const { report } = this;
    const { sequence, chain, mac } = event.vyry?.audit ?? {};
    report.events++;
    if (sequence === undefined || chain === undefined || mac === undefined) {
      report.faults.push({ fault: 'unproven', id: event.event?.id });
      return;
    }
    const { id } = event.event;
    if (!macKeys.some((key) => isUnchanged(event, key))) report.faults.push({ fault: 'changed', id, sequence });
    if (sequence === this.#last.sequence) {
      report.faults.push({ fault: 'repeated', id, sequence });
      return;
    }
    this.#begin(sequence);
    const isLinked = chainOf(this.#last.chain, sequence, mac) === chain;
    if (isLinked) report.dropped += sequence - this.#last.sequence - 1;
    else if (sequence === this.#last.sequence + 1) report.faults.push({ fault: 'changed', id, sequence });
    // a gap before the start, or before the first event without one, is retention
    else if (this.#isStarted && (this.#start !== undefined || report.events > 1))
      this.#miss(sequence - 1, event.timestamp);
    this.#last = { sequence, chain, time: event.timestamp };
  }

  /** Ends the chain at the position up to which every event must be there. */
  close(sequence: number, isLinked: (chain: string) => boolean): void {
    this.#begin(Number.POSITIVE_INFINITY);
    if (isLinked(this.#last.chain)) this.report.dropped += Math.max(0, sequence - this.#last.sequence);
    else this.#miss(sequence);
  }

  /** Takes the start as the last position, once events after it are read: retention may have removed those before. */
  #begin(sequence: number): void {
    if (this.#isStarted || this.#start === undefined || sequence <= this.#start.sequence) return;
    this.#isStarted = true;
    if (this.#last.sequence < this.#start.sequence) this.#last = this.#start;
  }

  #miss(to: number, before?: string): void {
    const { sequence, time: after } = this.#last;
    const times = { ...(after !== undefined && { after }), ...(before !== undefined && { before }) };
    this.report.faults.push({ fault: 'missing', from: sequence + 1, to, ...times });
  }
}

/** The same hash chain as in `adapters/redis/audit-append.lua`. */
function chainOf(previous: string, sequence: number, mac: string): string {
  return createHash('sha1').update(`${previous}:${sequence}:${mac}`).digest('hex');
}
