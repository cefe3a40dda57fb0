/** The metrics of a process itself: memory, processor time, event loop and garbage collection. */
import { collectDefaultMetrics, type Registry } from 'prom-client';

/**
 * Interval of the timer that measures the lag of the event loop. The default of the package, 10 ms, takes half a percent of
 * a processor; the metrics of a process that is not busy show this interval.
 */
const lagSampleMs = 100;

/** Adds the metrics of the process to a registry, without the version of Node, which would help an attacker. */
export function collectProcessMetrics(registry: Registry): void {
  collectDefaultMetrics({ register: registry, eventLoopMonitoringPrecision: lagSampleMs });
  registry.removeSingleMetric('nodejs_version_info');
}
