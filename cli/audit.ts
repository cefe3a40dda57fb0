/** `vyry audit`: the newest events of the audit trail. */
import { setTimeout as pause } from 'node:timers/promises';
import { type AuditFilter, readNewest } from '../adapters/elastic/audit-reader.ts';
import { connectElastic, type Elastic } from '../adapters/elastic/connect.ts';
import { type AuditAction, type AuditEvent, auditActions } from '../domain/audit.ts';
import { readVariables } from '../platform/config.ts';
import { type Command, type Invocation, oneOf, readLimit } from './command.ts';

const pollMs = 2000;
/** Events are stored by several processes, a little out of order: so far back a later look reads again. */
const overlap = 1000;

const tail: Command = {
  positionals: [],
  about: 'Prints the newest audit events, the oldest of them first. With --json, one document after the other.',
  options: {
    follow: { about: 'goes on with what comes, until Ctrl-C' },
    action: { value: 'action', about: 'such as user-register, otp-verify, operator-act, user-disable' },
    user: { value: 'id', about: 'what a user did, or what was done to them' },
    registration: { value: 'id', about: 'of one registration' },
    limit: { value: 'number', about: 'so many to begin with (20)' },
  },
  async run({ values, flags, env, show }) {
    const filter = readFilter(values);
    const size = readLimit(values.limit);
    const names = ['ELASTICSEARCH_URL', 'ELASTICSEARCH_API_KEY', 'ELASTICSEARCH_CA', 'AUDIT_INDEX'] as const;
    const { ELASTICSEARCH_URL: url, AUDIT_INDEX: prefix, ...config } = readVariables(names, env);
    const elastic = connectElastic({ url, apiKey: config.ELASTICSEARCH_API_KEY, ca: config.ELASTICSEARCH_CA });
    const print = (event: AuditEvent) => show({ json: event, text: lineOf(event) });
    try {
      const first = await read(elastic, prefix, { ...filter, size });
      for (const event of first) print(event);
      if (flags.has('follow')) await follow(first, (from) => read(elastic, prefix, { ...filter, ...from }), print);
    } finally {
      await elastic.close();
    }
  },
};

/** The commands on the audit trail. */
export const audit: Record<string, Command> = { tail };

type Ask = (from: { fromSequence: number; size: number }) => Promise<AuditEvent[]>;

/** Never ends by itself; what was printed is not printed again. */
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
    const { statusCode } = err as { statusCode?: number };
    const isLogin = statusCode === 401 || statusCode === 403;
    const why = isLogin ? `refuses the API key (${statusCode}); it needs read on ${prefix}-*` : 'does not answer';
    throw new Error(`Elasticsearch ${why}. vyry doctor tells more.`);
  }
}

function readFilter(values: Invocation['values']): AuditFilter {
  const action = oneOf('--action', Object.keys(auditActions) as AuditAction[], values.action);
  return { action, userId: values.user, registrationId: values.registration?.replace(/^registration:/, '') };
}

function lineOf({ timestamp, action, status, message, event, userId, user, vyry }: AuditEvent): string {
  const facts = [
    event.reason && `reason ${event.reason}`,
    vyry.operator && `operator ${vyry.operator.name}`,
    vyry.registration && `registration ${vyry.registration.id}`,
    (user?.target?.id ?? userId) && `user ${user?.target?.id ?? userId}`,
  ].filter(Boolean);
  return [timestamp, action.padEnd(18), status.padEnd(7), message, ...facts.map((fact) => `· ${fact}`)].join(' ');
}
