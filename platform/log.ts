/** The logger: one JSON object a line on standard output, with the request and trace it belongs to. */
import { AsyncLocalStorage } from 'node:async_hooks';
import { destination, type Logger, pino, stdSerializers, stdTimeFunctions } from 'pino';
import type { Role } from './config.ts';

export type { Logger };

/** What ties a line to the request that caused it, through api, workflow and activities. */
export interface Trace {
  requestId: string;
  /** W3C Trace Context, https://www.w3.org/TR/trace-context/ */
  traceparent: string;
  /** Where the request came from. Personal: sealed on its way through Temporal, never logged. */
  ip?: string;
  userAgent?: string;
  /** Set by the guards, once they know who asks. */
  userId?: string;
  registrationId?: string;
}

/** The trace of the running request or activity. */
export const traces = new AsyncLocalStorage<Trace>();

/** Fields that are never printed, wherever an object carries them. */
const secretFields = new Set(['password', 'pin', 'otp', 'token', 'authorization', 'registrationToken', 'refreshToken']);

/** Deeper than this an object is not printed; an error of a driver may carry half a connection. */
const depthMax = 5;

/**
 * Creates the logger of a process; every line carries its role, and its trace when there is one.
 *
 * @param file in place of standard output
 */
export function createLog(role: Role, level: string, file?: string): Logger {
  return pino(
    {
      level,
      base: { role, pid: process.pid },
      timestamp: stdTimeFunctions.isoTime,
      formatters: {
        level: (label) => ({ level: label }),
        // pino's own `redact` needs a path for each depth, and each makes every line slower
        log: (fields) => withoutSecrets(fields) as Record<string, unknown>,
      },
      serializers: { err: (err: Error) => withoutSecrets(stdSerializers.err(err)) },
      mixin: () => traceFields(),
    },
    destination({ dest: file ?? 1, sync: true }),
  );
}

/** A copy in which secret fields read `[secret]`. Errors are left to their serialiser, and `Secret` to itself. */
function withoutSecrets(value: unknown, depth = 0): unknown {
  if (typeof value !== 'object' || value === null || value instanceof Error || 'toJSON' in value) return value;
  if (depth > depthMax) return '[deep]';
  if (Array.isArray(value)) return value.map((item) => withoutSecrets(item, depth + 1));
  const entries = Object.entries(value).map(([name, item]) =>
    secretFields.has(name) ? [name, '[secret]'] : [name, withoutSecrets(item, depth + 1)],
  );
  return Object.fromEntries(entries);
}

/** Says that a process is ready, whatever the level: supervisors wait for this line. */
export function logReady(log: Logger, fields: Record<string, unknown> = {}): void {
  log.child({}, { level: 'info' }).info({ event: 'process.started', ...fields });
}

/** The fields of the running trace, as log lines carry them. */
function traceFields(): Record<string, string> {
  const trace = traces.getStore();
  if (trace === undefined) return {};
  return { requestId: trace.requestId, traceId: trace.traceparent.split('-')[1] ?? '' };
}
