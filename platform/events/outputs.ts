/** The outputs of events: metrics, log and audit log. */
import { Counter, Gauge, Histogram, type Registry } from 'prom-client';
import type { AuditAction, AuditEvent, AuditStatus } from '../../domain/audit.ts';
import type { AuditContext, Recorder } from '../audit.ts';
import { type Logger, traces } from '../log.ts';

/** An event that is logged, audited and, if it has a counter, counted. */
interface Report<L extends string> {
  counter?: Counter<L>;
  labels?: NoInfer<Partial<Record<L, string>>>;
  /**
   * The level of the log line and of the audit event. Without it, the log line is `info`, and the audit event is `warn`
   * for a failure and `info` otherwise.
   */
  level?: AuditEvent['level'];
  /** The fields of the log line. `event` is the name of the event. */
  log: { event: string; [field: string]: unknown };
  /** Records the event without the request that led to it: its address, user agent, user and trace are of somebody else. */
  isDetached?: boolean;
  /** The audit event. `status` is `success` by default. */
  audit: Omit<AuditContext, 'status' | 'level'> & { action: AuditAction; status?: AuditStatus };
}

/** Where the event functions of a process write. */
export interface Outputs {
  registry: Registry;
  /** Creates a counter; `vyry_` is added to its name. */
  counter: <L extends string>(name: string, help: string, labelNames: L[]) => Counter<L>;
  /** Creates a gauge; `vyry_` is added to its name. */
  gauge: <L extends string>(name: string, help: string, labelNames: L[]) => Gauge<L>;
  /** Creates a histogram of durations in seconds; `vyry_` is added to its name. */
  histogram: <L extends string>(name: string, help: string, labelNames: L[], buckets?: number[]) => Histogram<L>;
  log: Logger;
  record: Recorder;
  /** Counts, logs and audits an event. */
  report: <L extends string>(event: Report<L>) => void;
}

/** Upper bounds of the histograms in seconds: from a Redis read to a provider timeout. */
const durationBuckets = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];

/** Creates the outputs of the events of a process. */
export function createOutputs(log: Logger, registry: Registry, record: Recorder): Outputs {
  const metric = <L extends string>(name: string, help: string, labelNames: L[]) => ({
    name: `vyry_${name}`,
    help,
    labelNames,
    registers: [registry],
  });
  return {
    registry,
    counter: (name, help, labelNames) => new Counter(metric(name, help, labelNames)),
    gauge: (name, help, labelNames) => new Gauge(metric(name, help, labelNames)),
    histogram: (name, help, labelNames, buckets = durationBuckets) =>
      new Histogram({ ...metric(name, help, labelNames), buckets }),
    log,
    record,
    report({ counter, labels = {}, level, log: fields, isDetached, audit: { action, status = 'success', ...audit } }) {
      counter?.inc(labels);
      const write = () => {
        log[level ?? 'info'](fields);
        record(action, { ...audit, status, ...(level && { level }) });
      };
      if (isDetached) traces.exit(write);
      else write();
    },
  };
}
