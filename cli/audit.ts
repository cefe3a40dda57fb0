/** `vyry audit`: prints the newest audit events and pseudonyms, and verifies the integrity of the audit log. */
import { setTimeout as pause } from 'node:timers/promises';
import { readAuditLog } from '../adapters/elastic/audit-index.ts';
import { type AuditFilter, readNewest } from '../adapters/elastic/audit-reader.ts';
import type { Elastic } from '../adapters/elastic/connect.ts';
import { readAuditDepth, readAuditHead, readDeadLetters } from '../adapters/redis/audit-stream.ts';
import { connectRedis, readRedisPlace } from '../adapters/redis/connect.ts';
import { type AuditAction, type AuditEvent, auditActions } from '../domain/audit.ts';
import { type AuditLogFault, type AuditLogReport, pseudonymOf, verifyAuditLog } from '../platform/audit.ts';
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
  details: `Removal by retention is not a fault. Dead letters in Redis are taken into account. The exit code is 1 if there are faults. ${elasticNote}`,
  options: {},
  budget: 'none',
  async run({ env, show }) {
    await using access = openAudit(env);
    const { elastic, prefix } = access;
    const macKeys = keysIn(readOperatorKeys(env, ['AUDIT_KEY']), 'audit');
    const redis = connectRedis(readRedisPlace(readVariables(namesFrom('REDIS_'), env)), () => undefined);
    try {
      const { entries } = await readAuditDepth(redis, Date.now());
      const end = entries === 0 ? await readAuditHead(redis) : undefined;
      await elastic.indices.refresh({ index: `${prefix}-*` });
      const report = await verifyAuditLog(readAuditLog(elastic, prefix), macKeys, end);
      const faults = withoutDeadLetters(report.faults, await readDeadLetters(redis));
      show({ json: { ...report, faults, waiting: entries }, text: reportOf({ ...report, faults }, entries) });
      if (faults.length > 0) throw new Error('The audit log was changed after it was written.');
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

/** Drops gaps in which every sequence number is a dead letter. */
function withoutDeadLetters(faults: AuditLogFault[], deadLetters: ReadonlySet<number>): AuditLogFault[] {
  const isExplained = ({ from, to }: { from: number; to: number }) =>
    Array.from({ length: to - from + 1 }, (_, at) => from + at).every((sequence) => deadLetters.has(sequence));
  return faults.filter((fault) => fault.fault !== 'missing' || !isExplained(fault));
}

function reportOf({ events, dropped, faults }: AuditLogReport, waiting: number): string {
  const words = faults.map((fault) =>
    fault.fault === 'missing'
      ? `missing: events ${fault.from} to ${fault.to} were removed`
      : `${fault.fault}: event ${fault.id}`,
  );
  const tail = waiting > 0 ? `; ${waiting} are waiting to be stored, so the end of the log was not checked` : '';
  return [...words, `${events} events read, ${dropped} dropped before writing, ${faults.length} faults${tail}`].join(
    '\n',
  );
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
