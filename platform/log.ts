/** The logger: one JSON object a line on standard output, with the request and trace it belongs to. */
import { AsyncLocalStorage } from 'node:async_hooks';
import { destination, type Logger, pino, stdTimeFunctions } from 'pino';
import type { Role } from './config.ts';

export type { Logger };

/** What ties a line to the request that caused it, through api, workflow and activities. */
export interface Trace {
  requestId: string;
  /** W3C Trace Context, https://www.w3.org/TR/trace-context/ */
  traceparent: string;
}

/** The trace of the running request or activity. */
export const traces = new AsyncLocalStorage<Trace>();

/** Fields that are never printed, wherever an object carries them. */
const secretFields = ['password', 'pin', 'otp', 'token', 'authorization', 'registrationToken', 'refreshToken'];

/** Creates the logger of a process; every line carries its role, and its trace when there is one. */
export function createLog(role: Role, level: string): Logger {
  return pino(
    {
      level,
      base: { role, pid: process.pid },
      timestamp: stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      mixin: () => traceFields(),
      redact: { paths: secretFields.flatMap((field) => [field, `*.${field}`]), censor: '[secret]' },
    },
    destination({ dest: 1, sync: true }),
  );
}

/** The fields of the running trace, as log lines carry them. */
function traceFields(): Record<string, string> {
  const trace = traces.getStore();
  if (trace === undefined) return {};
  return { requestId: trace.requestId, traceId: trace.traceparent.split('-')[1] ?? '' };
}
