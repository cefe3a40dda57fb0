/**
 * The business events: one function each, which counts it and logs it. They never throw and never carry a number, an
 * address, a code or a token; ids go into the log line, never into a metric label.
 */
import { Counter, Gauge, Histogram, type Registry } from 'prom-client';
import type { StepName, WaitingFor } from '../domain/registration.ts';
import type { Channel } from '../domain/verification.ts';
import type { Logger } from './log.ts';

export type Events = ReturnType<typeof createEvents>;

/** Creates the event functions of a process. */
export function createEvents(log: Logger, registry: Registry) {
  const counter = <L extends string>(name: string, help: string, labelNames: L[]) =>
    new Counter({ name: `vyry_${name}`, help, labelNames, registers: [registry] });
  const registrations = counter('registrations_total', 'Registrations by what became of them', ['state']);
  const steps = counter('registration_steps_total', 'Steps tried, by outcome', ['step', 'outcome']);
  const sends = counter('codes_sent_total', 'Codes handed to a provider, by outcome', ['channel', 'outcome']);
  const checks = counter('codes_checked_total', 'Codes checked, by outcome', ['outcome']);
  const sessions = counter('sessions_total', 'Sessions begun', []);
  const limits = counter('limits_hit_total', 'Requests refused by a limit', ['limit']);
  const outages = counter('dependency_outages_total', 'Times a dependency was found away', ['dependency']);

  return {
    registrationStarted(registrationId: string): void {
      registrations.inc({ state: 'started' });
      log.info({ event: 'registration.started', registrationId });
    },
    registrationEnded(registrationId: string, state: string, reason?: string): void {
      registrations.inc({ state });
      log.info({ event: `registration.${state}`, registrationId, reason });
    },
    stepDone(registrationId: string, step: StepName): void {
      steps.inc({ step, outcome: 'done' });
      log.info({ event: 'registration.step-done', registrationId, step });
    },
    /** `reason` tells inside what outside looks alike, such as a disabled entry from a wrong password. */
    stepRefused(registrationId: string, step: StepName, reason: string): void {
      steps.inc({ step, outcome: 'refused' });
      log.warn({ event: 'registration.step-refused', registrationId, step, reason });
    },
    codeSent(registrationId: string, channel: Channel, send: number, providerId: string): void {
      sends.inc({ channel, outcome: 'sent' });
      log.info({ event: 'code.sent', registrationId, channel, send, providerId });
    },
    codeRefused(registrationId: string, channel: Channel, send: number, reason: string): void {
      sends.inc({ channel, outcome: 'refused' });
      log.warn({ event: 'code.refused', registrationId, channel, send, reason });
    },
    codeChecked(registrationId: string, outcome: string): void {
      checks.inc({ outcome });
      log.info({ event: 'code.checked', registrationId, outcome });
    },
    dependencyAway(dependency: WaitingFor | 'captcha', reason: string): void {
      outages.inc({ dependency });
      log.warn({ event: 'dependency.away', dependency, reason });
    },
    limitHit(limit: string): void {
      limits.inc({ limit });
      log.warn({ event: 'limit.hit', limit });
    },
    sessionCreated(sessionId: string, userId: string): void {
      sessions.inc();
      log.info({ event: 'session.created', sessionId, userId });
    },
    ...createRequestEvents(log, registry),
  };
}

/** What happens to requests, whatever they ask for. */
function createRequestEvents(log: Logger, registry: Registry) {
  const requests = new Histogram({
    name: 'vyry_http_request_duration_seconds',
    help: 'Duration of requests by route and status',
    labelNames: ['method', 'route', 'status'],
    buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
    registers: [registry],
  });
  const inFlight = new Gauge({ name: 'vyry_http_requests_in_flight', help: 'Requests', registers: [registry] });

  return {
    /** A bug: the caller is told nothing, the log everything. */
    requestFailed(err: unknown): void {
      log.error({ event: 'request.failed', err });
    },
    /** A dependency did not answer in time: the caller is told to come back. Only names and states, as drivers say them. */
    dependencyFailed(err: unknown): void {
      const { name, message } = err as Error;
      log.warn({ event: 'dependency.failed', reason: `${name}: ${message}` });
    },
    requestBegun(): void {
      inFlight.inc();
    },
    requestEnded(request: { method: string; route: string; status: number; seconds: number }): void {
      inFlight.dec();
      const { seconds, ...labels } = request;
      requests.observe(labels, seconds);
      log.info({ event: 'request.ended', ...labels, durationMs: Math.round(seconds * 1000) });
    },
  };
}
