import { Gauge } from 'prom-client';
import type { Recorder } from '../audit.ts';
import type { Outputs } from './outputs.ts';

interface EndedRequest {
  method: string;
  /** The route, with parameter names in place of values. */
  route: string;
  status: number;
  seconds: number;
  refusal?: { code: string; limit?: string; retryAfterSeconds?: number } | undefined;
  /** Whether it changed nothing, where the method does not tell. */
  isRead?: boolean;
}

/** Creates the events of requests. */
export function createRequestEvents({ counter, histogram, log, record, registry }: Outputs) {
  const requests = histogram('http_request_duration_seconds', 'Duration of requests by route and status', [
    'method',
    'route',
    'status',
  ]);
  const inFlight = new Gauge({
    name: 'vyry_http_requests_in_flight',
    help: 'Requests in flight',
    registers: [registry],
  });
  const limits = counter('limits_hit_total', 'Requests refused by a limit', ['limit']);

  return {
    /** A bug. The response contains no details; the log contains the error. */
    requestFailed(err: unknown): void {
      log.error({ event: 'request.failed', err });
    },
    /** A dependency did not respond in time; the client may retry. The reason has only names and states of drivers. */
    dependencyFailed(err: unknown): void {
      const { name, message } = err as Error;
      log.warn({ event: 'dependency.failed', reason: `${name}: ${message}` });
    },
    requestBegun(): void {
      inFlight.inc();
    },
    /** Audits refusals, failures and requests that change something. Successful reads are not audited. */
    requestEnded({ isRead, ...ended }: EndedRequest): void {
      const { method, route, status, seconds, refusal } = ended;
      inFlight.dec();
      requests.observe({ method, route, status }, seconds);
      const durationMs = Math.round(seconds * 1000);
      log.info({ event: 'request.ended', method, route, status, durationMs, ...refusal });
      if (refusal?.limit !== undefined) limits.inc({ limit: refusal.limit });
      if (status >= 400 || !(isRead ?? method === 'GET')) recordAnswer(record, ended);
    },
  };
}

function recordAnswer(
  record: Recorder,
  { method, route, status, seconds, refusal }: Omit<EndedRequest, 'isRead'>,
): void {
  const retryAfter = refusal?.retryAfterSeconds;
  record(requestAction(status), {
    status: status < 400 ? 'success' : 'failure',
    message: `${method} ${route} returned ${status}`,
    reason: refusal?.code,
    ...(status >= 500 && { level: 'error' }),
    isMinor: status < 500,
    durationSeconds: seconds,
    http: { method, route, status },
    errorCode: refusal?.code,
    rule: refusal?.limit,
    details: retryAfter === undefined ? {} : { rate_limit: { retry_after_seconds: retryAfter } },
  });
}

function requestAction(status: number) {
  if (status < 400) return 'api-request';
  if (status === 429) return 'rate-limited';
  return [401, 403, 423].includes(status) ? 'access-denied' : 'request-error';
}
