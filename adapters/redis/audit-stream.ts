/**
 * The consumer of the stream `audit`: a consumer group, so that any number of processes share the work.
 *
 * Consistency: an entry is acknowledged and deleted in one transaction after it was stored elsewhere, so the length of
 * the stream is the number of waiting events. Entries that a process read and did not finish are claimed by another
 * process. Delivery is at least once; the event id makes storing idempotent. When Redis is unavailable, calls throw.
 */
import type { AuditEvent, AuditProof } from '../../domain/audit.ts';
import { auditKeys } from './audit.ts';
import type { Redis } from './connect.ts';

/** An entry of the stream. */
export interface AuditEntry {
  /** Id of the stream entry, not of the event. */
  entryId: string;
  event: AuditEvent;
}

/** The number and age of events that wait in the stream. */
export interface AuditDepth {
  entries: number;
  /** Age of the oldest entry, in milliseconds. */
  oldestMs: number;
  /** Events that the index refused permanently. */
  deadLetters: number;
}

/** The consumer of audit events in one process. */
export type AuditStream = ReturnType<typeof createAuditStream>;

const group = 'audit';
/** Idle time after which entries are claimed. A healthy process finishes a batch earlier. */
const idleMs = 15_000;
/** Number of dead letters that are kept, approximately; the oldest are removed. */
const deadLettersMax = 10_000;

/**
 * Creates the consumer of one process. Reads block, so it needs its own connection.
 *
 * @param options.takeOverMs idle time after which the entries of another process are claimed; default 15 s
 */
export function createAuditStream(
  redis: Redis,
  consumer: string,
  { takeOverMs = idleMs }: { takeOverMs?: number } = {},
) {
  /** Safe to repeat, but a repeat may store the dead letter twice. */
  async function deadLetters(entryId: string, text: string, reason: string): Promise<void> {
    await redis
      .multi()
      .xadd(auditKeys.deadLetters, 'MAXLEN', '~', deadLettersMax, '*', 'event', text, 'reason', reason)
      .xack(auditKeys.stream, group, entryId)
      .xdel(auditKeys.stream, entryId)
      .exec();
  }

  /** Returns the entries that are audit events, and moves the others to the dead letters. */
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
    /** Creates the consumer group. Safe to repeat. */
    async prepare(): Promise<void> {
      await redis.xgroup('CREATE', auditKeys.stream, group, '0', 'MKSTREAM').catch((err: Error) => {
        if (!err.message.startsWith('BUSYGROUP')) throw err;
      });
    },

    /** Returns new entries, oldest first, or none if none arrives within `blockMs`; without it, at once. */
    async read(count: number, blockMs?: number): Promise<AuditEntry[]> {
      const from = ['STREAMS', auditKeys.stream, '>'] as const;
      const reply = await (blockMs === undefined
        ? redis.xreadgroup('GROUP', group, consumer, 'COUNT', count, ...from)
        : redis.xreadgroup('GROUP', group, consumer, 'COUNT', count, 'BLOCK', blockMs, ...from));
      const [[, entries] = []] = (reply ?? []) as [string, RawEntry[]][];
      return readable(entries ?? []);
    },

    /** Claims entries that another process read and did not finish in time. */
    async takeOver(count: number): Promise<AuditEntry[]> {
      const reply = await redis.xautoclaim(
        ...([auditKeys.stream, group, consumer, takeOverMs, '0', 'COUNT', count] as const),
      );
      const [, entries] = reply as [string, RawEntry[]];
      return readable(entries.filter(([, fields]) => fields !== null));
    },

    /** Acknowledges and deletes entries that were stored. */
    async finish(entries: readonly AuditEntry[]): Promise<void> {
      const ids = entries.map(({ entryId }) => entryId);
      if (ids.length === 0) return;
      await redis
        .multi()
        .xack(auditKeys.stream, group, ...ids)
        .xdel(auditKeys.stream, ...ids)
        .exec();
    },

    /** Moves an entry to the dead letters, with the reason. */
    deadLetters: ({ entryId, event }: AuditEntry, reason: string): Promise<void> =>
      deadLetters(entryId, JSON.stringify(event), reason),

    /** Returns the number and age of waiting events. */
    depth: (now: number): Promise<AuditDepth> => readAuditDepth(redis, now),
  };
}

/** Returns the number and age of the events that wait in the stream. It needs no consumer. */
export async function readAuditDepth(redis: Redis, now: number): Promise<AuditDepth> {
  const [entries, deadLetters, [oldest]] = await Promise.all([
    redis.xlen(auditKeys.stream),
    redis.xlen(auditKeys.deadLetters),
    redis.xrange(auditKeys.stream, '-', '+', 'COUNT', 1),
  ]);
  const since = oldest === undefined ? now : Number(oldest[0].split('-')[0]);
  return { entries, deadLetters, oldestMs: Math.max(0, now - since) };
}

/** Returns the sequence number of the oldest waiting event, or undefined if none waits. */
export async function readAuditOldest(redis: Redis): Promise<number | undefined> {
  const [oldest] = await redis.xrange(auditKeys.stream, '-', '+', 'COUNT', 1);
  return oldest === undefined ? undefined : Number(namesOf(oldest[1]).sequence);
}

/** Returns the oldest waiting event by its place in the hash chain, or undefined if none waits. */
export async function readAuditNext(redis: Redis): Promise<Required<Omit<AuditProof, 'erasure'>> | undefined> {
  const [oldest] = await redis.xrange(auditKeys.stream, '-', '+', 'COUNT', 1);
  const { sequence, chain, mac } = (oldest && entryOf(oldest)?.event.vyry.audit) ?? {};
  return sequence === undefined || chain === undefined || mac === undefined ? undefined : { sequence, chain, mac };
}

/** Returns whether a checkpoint of the log is stored. */
export async function hasAuditCheckpoint(redis: Redis): Promise<boolean> {
  return (await redis.llen(auditKeys.checkpoints)) > 0;
}

/** Adds a checkpoint, and keeps the newest. */
export async function addAuditCheckpoint(redis: Redis, checkpoint: string, kept: number): Promise<void> {
  await redis.multi().rpush(auditKeys.checkpoints, checkpoint).ltrim(auditKeys.checkpoints, -kept, -1).exec();
}

/** Returns the checkpoints, the oldest first. */
export async function readAuditCheckpoints(redis: Redis): Promise<string[]> {
  return await redis.lrange(auditKeys.checkpoints, 0, -1);
}

/** Returns whether the consumer group exists: an audit worker has run before, so one is expected to run. */
export async function isAuditShipped(redis: Redis): Promise<boolean> {
  return (
    (await redis.exists(auditKeys.stream)) === 1 && ((await redis.xinfo('GROUPS', auditKeys.stream)) as []).length > 0
  );
}

/** Returns the sequence numbers of the dead letters. */
export async function readDeadLetters(redis: Redis): Promise<Set<number>> {
  const entries = await redis.xrange(auditKeys.deadLetters, '-', '+');
  const events = entries.map(([, fields]) => /"sequence":(\d+)/.exec(namesOf(fields).event ?? '')?.[1]);
  return new Set(events.map(Number));
}

/** Returns the end of the hash chain: the sequence number and chain value that the newest event must have. */
export async function readAuditHead(redis: Redis): Promise<Required<Pick<AuditProof, 'sequence' | 'chain'>>> {
  const { sequence = '0', chain = '' } = await redis.hgetall(auditKeys.head);
  return { sequence: Number(sequence), chain };
}

type RawEntry = [entryId: string, fields: string[]];

/** Parses an entry; undefined if it is not an audit event with an id and a timestamp. */
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
