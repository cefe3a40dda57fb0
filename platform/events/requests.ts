import { Gauge } from 'prom-client';
import type { Recorder } from '../audit.ts';
import type { Outage } from '../outages.ts';
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
  /** Whether it is counted only, as `isCounted` of its row says. */
  isCounted?: boolean;
}

/** A request by Socket.IO that was answered. */
interface EndedSocketRequest {
  /** The name of its event; `unknown` for those that do not exist. */
  event: string;
  /** The status of the same answer by REST. */
  status: number;
  seconds: number;
  refusal?: EndedRequest['refusal'];
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
  const socketRequests = histogram('socket_request_duration_seconds', 'Duration of requests by Socket.IO', [
    'event',
    'status',
  ]);
  const limits = counter('limits_hit_total', 'Requests refused by a limit', ['limit']);

  return {
    /** A bug. The response contains no details; the log contains the error. */
    requestFailed(err: unknown): void {
      log.error({ event: 'request.failed', err });
    },
    /**
     * A dependency did not respond in time, or cannot work, as `outage` says; the client may retry. The reason has only
     * names and states of drivers.
     */
    dependencyFailed(err: unknown, outage?: Outage): void {
      const { name, message } = err as Error;
      const found = outage && { dependency: outage.dependency, why: outage.reason };
      log.warn({ event: 'dependency.failed', reason: `${name}: ${message}`, ...found });
    },
    requestBegun(): void {
      inFlight.inc();
    },
    /**
     * Audits refusals, failures and requests that change something. Successful reads are not audited, and of counted
     * requests only wrong credentials and failures.
     */
    requestEnded({ isRead, isCounted, ...ended }: EndedRequest): void {
      const { method, route, status, seconds, refusal } = ended;
      inFlight.dec();
      requests.observe({ method, route, status }, seconds);
      const durationMs = Math.round(seconds * 1000);
      log.info({ event: 'request.ended', method, route, status, durationMs, ...refusal });
      if (refusal?.limit !== undefined) limits.inc({ limit: refusal.limit });
      const isAudited = isCounted ? isUnusual(status) : status >= 400 || !(isRead ?? method === 'GET');
      if (isAudited) recordAnswer(record, ended);
    },
    /** Requests by Socket.IO are frequent: they leave no log line, and only wrong credentials and failures are audited. */
    socketRequestEnded({ event, status, seconds, refusal }: EndedSocketRequest): void {
      socketRequests.observe({ event, status }, seconds);
      if (refusal?.limit !== undefined) limits.inc({ limit: refusal.limit });
      if (isUnusual(status)) recordAnswer(record, { method: 'SOCKET', route: event, status, seconds, refusal });
    },
  };
}

function isUnusual(status: number): boolean {
  return status === 401 || status >= 500;
}

function recordAnswer(
  record: Recorder,
  { method, route, status, seconds, refusal }: Omit<EndedRequest, 'isRead' | 'isCounted'>,
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
