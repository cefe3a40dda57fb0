/**
 * The reading end of the stream `audit`: a consumer group, so that any number of processes share the work.
 *
 * Consistency: an entry leaves the stream when it is stored elsewhere, in one step with its acknowledgement; the length of
 * the stream is what still waits. What a process took and did not finish is taken over by another after a while: at
 * least once, and the id of the event makes it once. Away: throws.
 */
import type { AuditEvent, AuditProof } from '../../domain/audit.ts';
import { auditKeys } from './audit.ts';
import type { Redis } from './connect.ts';

/** An entry of the stream. */
export interface AuditEntry {
  /** Of the entry in the stream; that of the event is in the event. */
  entryId: string;
  event: AuditEvent;
}

/** How much waits. */
export interface AuditDepth {
  entries: number;
  /** Milliseconds since the oldest entry came. */
  oldestMs: number;
  /** Events that the index refuses for good. */
  deadLetters: number;
}

export type AuditStream = ReturnType<typeof createAuditStream>;

const group = 'audit';
/** Longer than a process holds a batch while all is well. */
const idleMs = 15_000;
/** The newest events that were moved to the dead letters are kept. */
const deadLettersMax = 10_000;

/**
 * Creates the reading end for one process; reads block its connection, so it needs one of its own.
 *
 * @param options.takeOverMs how long another process may hold entries that it does not finish; fifteen seconds without it
 */
export function createAuditStream(
  redis: Redis,
  consumer: string,
  { takeOverMs = idleMs }: { takeOverMs?: number } = {},
) {
  /** Safe to repeat: what is moved to the dead letters may then be kept twice. */
  async function deadLetters(entryId: string, text: string, reason: string): Promise<void> {
    await redis
      .multi()
      .xadd(auditKeys.deadLetters, 'MAXLEN', '~', deadLettersMax, '*', 'event', text, 'reason', reason)
      .xack(auditKeys.stream, group, entryId)
      .xdel(auditKeys.stream, entryId)
      .exec();
  }

  /** The entries that are events; the others are moved to the dead letters, so that nobody stumbles over them again. */
  async function readable(raw: RawEntry[]): Promise<AuditEntry[]> {
    const entries: AuditEntry[] = [];
    for (const [entryId, fields] of raw) {
      const entry = entryOf([entryId, fields]);
      if (entry === undefined) await deadLetters(entryId, namesOf(fields).event ?? '', 'not an audit event');
      else entries.push(entry);
    }
    return entries;
  }

  return {
    /** Makes the group; safe to repeat. */
    async prepare(): Promise<void> {
      await redis.xgroup('CREATE', auditKeys.stream, group, '0', 'MKSTREAM').catch((err: Error) => {
        if (!err.message.startsWith('BUSYGROUP')) throw err;
      });
    },

    /** New entries, oldest first; empty when none comes within the time. */
    async read(count: number, blockMs: number): Promise<AuditEntry[]> {
      const reply = await redis.xreadgroup(
        ...(['GROUP', group, consumer, 'COUNT', count, 'BLOCK', blockMs, 'STREAMS', auditKeys.stream, '>'] as const),
      );
      const [[, entries] = []] = (reply ?? []) as [string, RawEntry[]][];
      return readable(entries ?? []);
    },

    /** Entries that a process took long ago and did not finish. */
    async takeOver(count: number): Promise<AuditEntry[]> {
      const reply = await redis.xautoclaim(
        ...([auditKeys.stream, group, consumer, takeOverMs, '0', 'COUNT', count] as const),
      );
      const [, entries] = reply as [string, RawEntry[]];
      return readable(entries.filter(([, fields]) => fields !== null));
    },

    /** Takes entries off the stream: they are stored. */
    async finish(entries: readonly AuditEntry[]): Promise<void> {
      const ids = entries.map(({ entryId }) => entryId);
      if (ids.length === 0) return;
      await redis
        .multi()
        .xack(auditKeys.stream, group, ...ids)
        .xdel(auditKeys.stream, ...ids)
        .exec();
    },

    /** Puts an entry where it is kept with the reason, and off the stream. */
    deadLetters: ({ entryId, event }: AuditEntry, reason: string): Promise<void> =>
      deadLetters(entryId, JSON.stringify(event), reason),

    /** What waits. */
    depth: (now: number): Promise<AuditDepth> => readAuditDepth(redis, now),
  };
}

/** What waits in the stream, for a process that does not read it. */
export async function readAuditDepth(redis: Redis, now: number): Promise<AuditDepth> {
  const [entries, deadLetters, [oldest]] = await Promise.all([
    redis.xlen(auditKeys.stream),
    redis.xlen(auditKeys.deadLetters),
    redis.xrange(auditKeys.stream, '-', '+', 'COUNT', 1),
  ]);
  const since = oldest === undefined ? now : Number(oldest[0].split('-')[0]);
  return { entries, deadLetters, oldestMs: Math.max(0, now - since) };
}

/** The place in the order of the oldest event that waits; undefined when none does. */
export async function readAuditOldest(redis: Redis): Promise<number | undefined> {
  const [oldest] = await redis.xrange(auditKeys.stream, '-', '+', 'COUNT', 1);
  return oldest === undefined ? undefined : Number(namesOf(oldest[1]).sequence);
}

/** Whether anybody ever shipped events: from then on somebody should. */
export async function isAuditShipped(redis: Redis): Promise<boolean> {
  return (
    (await redis.exists(auditKeys.stream)) === 1 && ((await redis.xinfo('GROUPS', auditKeys.stream)) as []).length > 0
  );
}

/** The places in the order of what was moved to the dead letters. */
export async function readDeadLetters(redis: Redis): Promise<Set<number>> {
  const entries = await redis.xrange(auditKeys.deadLetters, '-', '+');
  const events = entries.map(([, fields]) => /"sequence":(\d+)/.exec(namesOf(fields).event ?? '')?.[1]);
  return new Set(events.map(Number));
}

/** The end of the chain, which the newest event must carry. */
export async function readAuditHead(redis: Redis): Promise<Required<Pick<AuditProof, 'sequence' | 'chain'>>> {
  const { sequence = '0', chain = '' } = await redis.hgetall(auditKeys.head);
  return { sequence: Number(sequence), chain };
}

type RawEntry = [entryId: string, fields: string[]];

/** An entry as it was written; undefined for one that is no event, or names neither id nor day. */
function entryOf([entryId, fields]: RawEntry): AuditEntry | undefined {
  const { event: text = '', sequence, chain = '' } = namesOf(fields);
  try {
    const event = JSON.parse(text) as AuditEvent;
    if (typeof event.event.id !== 'string' || typeof event.timestamp !== 'string') return undefined;
    event.vyry = { ...event.vyry, audit: { ...event.vyry?.audit, sequence: Number(sequence), chain } };
    return { entryId, event };
  } catch {
    return undefined;
  }
}

function namesOf(fields: string[]): Record<string, string> {
  const named: Record<string, string> = {};
  for (let i = 0; i < fields.length; i += 2) named[fields[i] ?? ''] = fields[i + 1] ?? '';
  return named;
}
