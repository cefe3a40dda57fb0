/** `vyry audit`: prints the newest audit events and pseudonyms, and verifies the integrity of the audit log. */
import { setTimeout as pause } from 'node:timers/promises';
import { readAuditLog, readLastSequence } from '../adapters/elastic/audit-index.ts';
import { type AuditFilter, readNewest } from '../adapters/elastic/audit-reader.ts';
import type { Elastic } from '../adapters/elastic/connect.ts';
import {
  readAuditCheckpoints,
  readAuditDepth,
  readAuditHead,
  readAuditNext,
  readDeadLetters,
} from '../adapters/redis/audit-stream.ts';
import { connectRedis, type Redis, readRedisPlace } from '../adapters/redis/connect.ts';
import { type AuditAction, type AuditEvent, auditActions } from '../domain/audit.ts';
import { pseudonymOf } from '../platform/audit.ts';
import {
  type AuditLogFault,
  type AuditLogReport,
  completeFrom,
  readCheckpoint,
  type Verification,
  verifyAuditLog,
} from '../platform/audit-verification.ts';
import { outsideBudget } from '../platform/budget.ts';
import { readOperatorKeys, readVariables } from '../platform/config/config.ts';
import { namesFrom } from '../platform/config/variables.ts';
import { keysIn } from '../platform/keyring.ts';
import { notedOutage } from '../platform/outages.ts';
import { type Command, type Invocation, oneOf, readLimit } from './command.ts';
import { openAudit } from './connections.ts';

const pollMs = 2000;
/** How many sequence numbers a poll reads again, because several processes store events slightly out of order. */
const overlap = 1000;

/** Where the log is, for the help. */
const elasticNote =
  'Reads ELASTICSEARCH_URL; npm start -- --elasticsearch starts an Elasticsearch and names it in .vyry/operator.env.';

const tail: Command = {
  positionals: [],
  about: 'Prints the newest audit events in chronological order. With --json, prints one JSON document per event.',
  details: elasticNote,
  options: {
    follow: { about: 'continue with new events until Ctrl-C' },
    action: {
      value: 'action',
      about: 'only this action, such as user-register, otp-verify, operator-act, user-disable',
    },
    user: { value: 'id', about: 'only events by or about this user' },
    registration: { value: 'id', about: 'only events of this registration' },
    limit: { value: 'number', about: 'number of events to start with (20)' },
  },
  budget: 'read',
  async run({ values, flags, env, show }) {
    const filter = readFilter(values);
    const size = readLimit(values.limit);
    await using access = openAudit(env);
    const { elastic, prefix } = access;
    const print = (event: AuditEvent) => show({ json: event, text: lineOf(event) });
    const first = await read(elastic, prefix, { ...filter, size });
    for (const event of first) print(event);
    if (!flags.has('follow')) return;
    const readMore: Ask = (from) => read(elastic, prefix, { ...filter, ...from });
    await outsideBudget(() => follow(first, readMore, print));
  },
};

const verify: Command = {
  positionals: [],
  about: 'Verifies the whole audit log and lists events that were changed or removed after they were written.',
  details: `Removal by retention is not a fault: hourly checkpoints in Redis tell it from any other. Dead letters in Redis are taken into account. The exit code is 1 if there are faults. ${elasticNote}`,
  options: {},
  budget: 'none',
  async run({ env, show }) {
    await using access = openAudit(env);
    const { elastic, prefix } = access;
    const macKeys = keysIn(readOperatorKeys(env, ['AUDIT_KEY']), 'audit');
    const redis = connectRedis(readRedisPlace(readVariables(namesFrom('REDIS_'), env)), () => undefined);
    try {
      const { AUDIT_RETENTION_DAYS: retentionDays } = readVariables(['AUDIT_RETENTION_DAYS'], env);
      const stored = await readLastSequence(elastic, prefix);
      const known = await readKnown(redis, { macKeys, retentionDays, stored });
      await elastic.indices.refresh({ index: `${prefix}-*` });
      const report = await verifyAuditLog(readAuditLog(elastic, prefix), { macKeys, ...known });
      const found = withoutDeadLetters(report.faults, await readDeadLetters(redis));
      const result = { ...report, faults: [...known.faults, ...found] };
      const completeFrom = known.start?.sequence ?? null;
      show({ json: { ...result, completeFrom, waiting: known.waiting }, text: reportOf(result, known) });
      if (result.faults.length > 0) throw new Error('The audit log was changed after it was written.');
    } finally {
      redis.disconnect();
    }
  },
};

const pseudonym: Command = {
  positionals: ['text'],
  about: 'Prints the pseudonym that audit events have in place of a user id, user name, number or address.',
  details:
    'A number has its country code, such as +447700900101. While AUDIT_KEY changes there is one for each key, the current one first. Nothing is looked up, and nothing is stored.',
  options: {},
  async run({ positionals: [text = ''], env, show }) {
    const keys = keysIn(readOperatorKeys(env, ['AUDIT_KEY']), 'pseudonym');
    const [current = '', ...others] = keys.map((key) => pseudonymOf(text, key));
    show({ json: { pseudonym: current, ...(others.length > 0 && { others }) }, text: [current, ...others].join('\n') });
  },
};

/** The commands on the audit log. */
export const audit: Record<string, Command> = { tail, verify, pseudonym };

/** What Redis knows of the log. */
interface Known extends Pick<Verification, 'start' | 'end' | 'next'> {
  waiting: number;
  faults: KnownFault[];
}

/** Faults of what Redis knows: it has lost the end of the log, or a checkpoint was not signed by us. */
type KnownFault = { fault: 'reset'; stored: number; known: number } | { fault: 'unsigned'; checkpoint: number };

/** `stored`: the highest sequence number that was stored before. */
async function readKnown(
  redis: Redis,
  { macKeys, retentionDays, stored }: { macKeys: readonly Buffer[]; retentionDays: number; stored: number },
): Promise<Known> {
  const head = await readAuditHead(redis);
  const [next, { entries: waiting }, texts] = await Promise.all([
    readAuditNext(redis),
    readAuditDepth(redis, Date.now()),
    readAuditCheckpoints(redis),
  ]);
  const read = texts.map((text) => readCheckpoint(text, macKeys));
  const isReset = stored > head.sequence;
  const faults: KnownFault[] = [
    ...read.flatMap((one, at): KnownFault[] => (one === undefined ? [{ fault: 'unsigned', checkpoint: at + 1 }] : [])),
    ...(isReset ? [{ fault: 'reset', stored, known: head.sequence } as const] : []),
  ];
  const checkpoints = read.filter((one) => one !== undefined);
  return {
    start: completeFrom(checkpoints, { retentionDays, now: Date.now() }),
    end: isReset ? undefined : head,
    // an event that came after the head was read is none of those that are verified
    next: next !== undefined && next.sequence <= head.sequence ? next : undefined,
    waiting,
    faults,
  };
}

/** Drops gaps in which every sequence number is a dead letter. */
function withoutDeadLetters(faults: AuditLogFault[], deadLetters: ReadonlySet<number>): AuditLogFault[] {
  const isExplained = ({ from, to }: { from: number; to: number }) =>
    Array.from({ length: to - from + 1 }, (_, at) => from + at).every((sequence) => deadLetters.has(sequence));
  return faults.filter((fault) => fault.fault !== 'missing' || !isExplained(fault));
}

function reportOf(
  { events, dropped, faults }: Omit<AuditLogReport, 'faults'> & { faults: (AuditLogFault | KnownFault)[] },
  { start, waiting }: Known,
): string {
  const from =
    start === undefined
      ? 'There is no checkpoint after the last removal by retention: events that are missing at the beginning are not noticed'
      : `Complete from event ${start.sequence + 1} on, by a checkpoint, if no fault is listed`;
  const tail = waiting > 0 ? `, ${waiting} waiting to be stored` : '';
  const counts = `${events} events read, ${dropped} dropped before writing, ${faults.length} faults${tail}`;
  return [...faults.map(sentenceOf), from, counts].join('\n');
}

function sentenceOf(fault: AuditLogFault | KnownFault): string {
  switch (fault.fault) {
    case 'missing': {
      const { from, to, after = 'the beginning', before = 'the end' } = fault;
      return `missing: events ${from} to ${to} were removed, ${to - from + 1} of them, between ${after} and ${before}`;
    }
    case 'repeated':
      return `repeated: another event has the number ${fault.sequence} of event ${fault.id}`;
    case 'reset':
      return `reset: Redis knows ${fault.known} events and ${fault.stored} are stored: it has lost its data, so the end of the log cannot be proven`;
    case 'unsigned':
      return `unsigned: checkpoint ${fault.checkpoint} was not written by Vyry, or AUDIT_KEY is another`;
    default:
      return `${fault.fault}: event ${fault.id}`;
  }
}

type Ask = (from: { fromSequence: number; size: number }) => Promise<AuditEvent[]>;

/** Polls for new events until the process is stopped. Each event is printed once. */
async function follow(first: AuditEvent[], ask: Ask, print: (event: AuditEvent) => void): Promise<never> {
  const seen = new Set(first.map(({ event }) => event.id));
  const oldest = first.at(0)?.vyry.audit?.sequence ?? 0;
  let last = first.at(-1)?.vyry.audit?.sequence ?? 0;
  for (;;) {
    await pause(pollMs);
    const events = await ask({ fromSequence: Math.max(oldest, last - overlap), size: 2 * overlap });
    for (const event of events.filter(({ event: { id } }) => !seen.has(id))) {
      seen.add(event.event.id);
      last = Math.max(last, event.vyry.audit?.sequence ?? 0);
      print(event);
    }
  }
}

async function read(elastic: Elastic, prefix: string, wanted: AuditFilter & { size: number }): Promise<AuditEvent[]> {
  try {
    return await readNewest(elastic, prefix, wanted);
  } catch (err) {
    if (notedOutage(err)?.reason !== 'credentials-refused') throw err;
    throw new Error(`Elasticsearch refuses the API key; it needs read on ${prefix}-*. Run vyry doctor for details.`);
  }
}

function readFilter(values: Invocation['values']): AuditFilter {
  const action = oneOf('--action', Object.keys(auditActions) as AuditAction[], values.action);
  return { action, userId: values.user, registrationId: values.registration?.replace(/^registration:/, '') };
}

function lineOf({ timestamp, action, status, message, event, userId, user, vyry }: AuditEvent): string {
  const context = [
    event.reason && `reason ${event.reason}`,
    vyry.operator && `operator ${vyry.operator.name}`,
    vyry.registration && `registration ${vyry.registration.id}`,
    (user?.target?.id ?? userId) && `user ${user?.target?.id ?? userId}`,
  ].filter(Boolean);
  return [timestamp, action.padEnd(18), status.padEnd(7), message, ...context.map((fact) => `· ${fact}`)].join(' ');
}
