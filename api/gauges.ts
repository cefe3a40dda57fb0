/** Gauges that are read at a scrape: what waits, and which dependencies are up. */
import { Gauge, type Registry } from 'prom-client';
import type { AuditDepth } from '../adapters/redis/audit-stream.ts';
import type { QueueDepth, WaitingRegistrations } from '../adapters/temporal/depths.ts';
import { type DependencyHealth, withTimeout } from '../platform/lifecycle.ts';

/** Minimum time between two reads of a source, however often it is scraped. */
const freshMs = 10_000;
/** Timeout of a read. A scrape times out after 10 s and would then get no metrics. */
const readMs = 3000;

/** The sources of the gauges. */
export interface GaugeSources {
  checkDependencies: () => Promise<DependencyHealth[]>;
  queueDepths: () => Promise<QueueDepth[]>;
  waiting: () => Promise<WaitingRegistrations[]>;
  auditDepth: () => Promise<AuditDepth>;
}

/** Registers the gauges. A source that cannot be read has no sample, because no value is better than an old one. */
export function registerGauges(registry: Registry, sources: GaugeSources): void {
  const checkDependencies = remembered(sources.checkDependencies);
  const queueDepths = remembered(sources.queueDepths);
  const waiting = remembered(sources.waiting);
  const auditDepth = remembered(sources.auditDepth);

  const gauge = gaugesOf(registry);
  gauge('dependency_up', 'Whether a dependency or a role answers, as /health/ready says', ['dependency'], async () =>
    (await checkDependencies())
      .filter(({ status }) => status !== 'off')
      .map(({ name, status }) => [{ dependency: name }, status === 'up' ? 1 : 0]),
  );
  gauge('task_queue_backlog', 'Tasks that wait in Temporal for a worker', ['queue', 'kind'], async () =>
    (await queueDepths()).map(({ queue, kind, tasks }) => [{ queue, kind }, tasks]),
  );
  gauge('task_queue_backlog_age_seconds', 'Age of the oldest task that waits', ['queue', 'kind'], async () =>
    (await queueDepths()).map(({ queue, kind, ageSeconds }) => [{ queue, kind }, ageSeconds]),
  );
  gauge(
    'registrations_open',
    'Registrations under way, from their first step on, by what they wait for',
    ['waiting_for'],
    async () => (await waiting()).map(({ waitingFor, count }) => [{ waiting_for: waitingFor }, count]),
  );
  const audit = (name: string, help: string, pick: (depth: AuditDepth) => number) =>
    gauge(`audit_${name}`, help, [], async () => [[{}, pick(await auditDepth())]]);
  audit('stream_entries', 'Audit events that wait for Elasticsearch', ({ entries }) => entries);
  audit('stream_oldest_seconds', 'Age of the oldest audit event that waits', ({ oldestMs }) => oldestMs / 1000);
  audit('dead_letter_entries', 'Audit events that Elasticsearch refused for good', ({ deadLetters }) => deadLetters);
}

type Sample<L extends string> = [labels: Record<L, string>, value: number];

function gaugesOf(registry: Registry) {
  return <L extends string>(name: string, help: string, labelNames: L[], read: () => Promise<Sample<L>[]>): void => {
    new Gauge({
      name: `vyry_${name}`,
      help,
      labelNames,
      registers: [registry],
      async collect() {
        const samples = await read().catch(() => []);
        this.reset();
        for (const [labels, value] of samples) this.set(labels, value);
      },
    });
  };
}

/** Caches an answer for `freshMs`, also for parallel callers; a failure is not cached. */
function remembered<T>(read: () => Promise<T>): () => Promise<T> {
  let kept: { answer: Promise<T>; until: number } | undefined;
  return () => {
    if (kept === undefined || kept.until < Date.now()) {
      const answer = withTimeout(read(), readMs);
      kept = { answer, until: Date.now() + freshMs };
      answer.catch(() => {
        kept = undefined;
      });
    }
    return kept.answer;
  };
}
