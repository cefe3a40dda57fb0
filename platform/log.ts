/** The logger: one JSON object per line on standard output, with the ids of its request and trace. */
import { AsyncLocalStorage } from 'node:async_hooks';
import { destination, type Logger, pino, stdSerializers, stdTimeFunctions } from 'pino';
import type { Role } from './config/roles.ts';

export type { Logger };

/** The time that a request or a command may take as a whole; see platform/budget.ts. */
export interface Budget {
  /** By `performance.now()`. */
  endsAt: number;
  isOver: boolean;
  /** Waits in progress, and when the first of them began. */
  waits: number;
  waitsSince: number;
}

/** The context of a request, carried through the API, the workflow and its activities. */
export interface Trace {
  requestId: string;
  /** W3C Trace Context, https://www.w3.org/TR/trace-context/ */
  traceparent: string;
  /** IP address of the client. Personal data: encrypted in Temporal, never logged. */
  ip?: string;
  /** User agent of the client, treated like `ip`. */
  userAgent?: string;
  /** Set when the request is authenticated. */
  userId?: string;
  registrationId?: string;
  /** Of this process: it is carried nowhere. */
  budget?: Budget | undefined;
  /** Whom the request is about, as far as it has become known. Of this process. */
  about?: TracePerson;
}

/** A person by their names: personal data, which audit events have as pseudonyms only. */
export interface TracePerson {
  /** The normalized user name, number or address that the request names. */
  identity?: string;
  /** Pseudonyms of names of the same person. */
  pseudonyms?: readonly string[] | undefined;
  /** The country of their number: ISO 3166, or a calling code such as `+44`. */
  country?: string | undefined;
}

/** The trace of the running request or activity. */
export const traces = new AsyncLocalStorage<Trace>();

/** Adds what has become known of a person to the audit events of the running request. */
export function notePerson(person: TracePerson): void {
  const trace = traces.getStore();
  if (trace?.about !== undefined) Object.assign(trace.about, person);
}

/** Fields that are redacted at any depth of an object. */
const secretFields = new Set(['password', 'pin', 'otp', 'token', 'authorization', 'registrationToken', 'refreshToken']);

/** Objects are printed to this depth, because the error of a driver may contain a whole connection. */
const depthMax = 5;

/**
 * Creates the logger of a process. Every line contains the role and, within a request, the request id and trace id.
 *
 * @param file written to instead of standard output
 */
export function createLog(role: Role, level: string, file?: string): Logger {
  return pino(
    {
      level,
      base: { role, pid: process.pid },
      timestamp: stdTimeFunctions.isoTime,
      formatters: {
        level: (label) => ({ level: label }),
        // the `redact` option of pino needs a path for each depth, and each path slows every line down
        log: (fields) => withoutSecrets(fields) as Record<string, unknown>,
      },
      serializers: { err: (err: Error) => withoutSecrets(stdSerializers.err(err)) },
      mixin: () => traceFields(),
    },
    destination({ dest: file ?? 1, sync: true }),
  );
}

/**
 * Returns a copy with `[secret]` in place of secret fields. Errors have their own serializer; `Secret` redacts itself.
 */
function withoutSecrets(value: unknown, depth = 0): unknown {
  if (typeof value !== 'object' || value === null || value instanceof Error || 'toJSON' in value) return value;
  if (depth > depthMax) return '[deep]';
  if (Array.isArray(value)) return value.map((item) => withoutSecrets(item, depth + 1));
  const entries = Object.entries(value).map(([name, item]) =>
    secretFields.has(name) ? [name, '[secret]'] : [name, withoutSecrets(item, depth + 1)],
  );
  return Object.fromEntries(entries);
}

/** Logs that a process is ready, at any log level, because supervisors wait for this line. */
export function logReady(log: Logger, fields: Record<string, unknown> = {}): void {
  log.child({}, { level: 'info' }).info({ event: 'process.started', ...fields });
}

/** Returns the log fields of the current trace. */
function traceFields(): Record<string, string> {
  const trace = traces.getStore();
  if (trace === undefined) return {};
  return { requestId: trace.requestId, traceId: trace.traceparent.split('-')[1] ?? '' };
}
