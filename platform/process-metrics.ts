/** The metrics of a process itself: memory, processor time, event loop and garbage collection. */
import { collectDefaultMetrics, type Registry } from 'prom-client';

/** Adds the metrics of the process to a registry, without the version of Node, which would help an attacker. */
export function collectProcessMetrics(registry: Registry): void {
  collectDefaultMetrics({ register: registry });
  registry.removeSingleMetric('nodejs_version_info');
}
