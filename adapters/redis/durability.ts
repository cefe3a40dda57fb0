/**
 * Whether Redis keeps what `MESSAGE_DURABILITY` promises, as it is configured and connected now.
 *
 * Consistency: a reading of the moment. When Redis is unavailable, calls throw.
 */
import { primariesOf, type Redis } from './connect.ts';
import type { MessageDurability } from './inbox-sends.ts';

/** What was found of the durability of messages. */
export interface DurabilityReport {
  /** Why the setting is not true. Empty if it is. */
  problems: string[];
  /** What costs memory or cannot be checked; the setting may be true. */
  warnings: string[];
  /** Connected replicas, of the primary that has the fewest. */
  replicas: number;
}

/** Bytes per node of a stream above which an inbox with few messages takes several times their size. */
const nodeBytesMax = 4096;

const settings = ['appendonly', 'appendfsync', 'stream-node-max-bytes'] as const;
type Settings = Partial<Record<(typeof settings)[number], string>>;

/**
 * Compares Redis with what a setting promises: in a Redis Cluster each primary. `replica` needs a single one, because WAIT
 * covers the server that it is sent to, and no other.
 */
export async function checkDurability(redis: Redis, durability: MessageDurability): Promise<DurabilityReport> {
  if (redis.isCluster && durability === 'replica') {
    return {
      problems: ['MESSAGE_DURABILITY is replica, which a Redis Cluster does not offer'],
      warnings: [],
      replicas: 0,
    };
  }
  const reports = await Promise.all((await primariesOf(redis)).map((primary) => checkServer(primary, durability)));
  const distinct = (texts: string[]) => [...new Set(texts)];
  return {
    problems: distinct(reports.flatMap(({ problems }) => problems)),
    warnings: distinct(reports.flatMap(({ warnings }) => warnings)),
    replicas: Math.min(...reports.map(({ replicas }) => replicas)),
  };
}

async function checkServer(redis: Redis, durability: MessageDurability): Promise<DurabilityReport> {
  const [configured, replication] = await Promise.all([readSettings(redis), redis.info('replication')]);
  const replicas = onlineReplicas(replication);
  const warnings = nodeWarnings(configured);
  if (durability === 'replica') {
    const problems = replicas > 0 ? [] : ['MESSAGE_DURABILITY is replica, and Redis has no replica that is connected'];
    return { problems, warnings, replicas };
  }
  if (durability === 'memory') return { problems: [], warnings, replicas };
  if (configured !== undefined) return { problems: diskProblems(configured), warnings, replicas };
  // the user of a role may not read the settings; the operator's tool can
  const hasFile = /^aof_enabled:1/m.test(await redis.info('persistence'));
  const unknown = 'when Redis writes to disk is unknown: it does not allow CONFIG GET; vyry doctor tells';
  return { problems: hasFile ? [] : [noFile], warnings: [unknown, ...warnings], replicas };
}

const noFile = 'MESSAGE_DURABILITY is disk, and Redis has no append-only file: set appendonly yes';

function diskProblems({ appendonly, appendfsync }: Settings): string[] {
  if (appendonly !== 'yes') return [noFile];
  if (appendfsync === 'always') return [];
  return [`MESSAGE_DURABILITY is disk, and Redis has appendfsync ${appendfsync}: set it to always`];
}

function nodeWarnings(configured: Settings | undefined): string[] {
  const bytes = Number(configured?.['stream-node-max-bytes']);
  // 0 is no limit
  if (Number.isNaN(bytes) || (bytes > 0 && bytes < nodeBytesMax)) return [];
  return [`stream-node-max-bytes of Redis is ${bytes}: 384 saves most of the memory of inboxes`];
}

/** Returns the settings, or undefined where the command is not allowed, as by some providers of Redis. */
async function readSettings(redis: Redis): Promise<Settings | undefined> {
  try {
    // one call for each name, because several need Redis 7
    const found = await Promise.all(settings.map((name) => redis.config('GET', name)));
    return Object.fromEntries((found as [string, string][]).filter(([name]) => name !== undefined));
  } catch (err) {
    if (err instanceof Error && /NOPERM|unknown command|unknown subcommand/i.test(err.message)) return undefined;
    throw err;
  }
}

function onlineReplicas(replication: string): number {
  return replication.match(/^slave\d+:.*state=online/gm)?.length ?? 0;
}
