import type { AwaitedSystem } from '../../domain/registration.ts';
import type { ConfigurationChange } from '../config/hashes.ts';
import type { Outputs } from './outputs.ts';

/** Creates the events of processes and their dependencies. */
export function createProcessEvents({ counter, record, report }: Outputs) {
  const outages = counter('dependency_outages_total', 'Times a dependency was found unavailable', ['dependency']);

  return {
    dependencyAway(dependency: AwaitedSystem | 'captcha' | 'breached-passwords', reason: string): void {
      report({
        counter: outages,
        labels: { dependency },
        level: 'warn',
        log: { event: 'dependency.away', dependency, reason },
        audit: {
          action: 'dependency-away',
          status: 'failure',
          message: `${dependency} is unavailable`,
          reason: 'unavailable',
          // an outage that many calls notice is one event a minute, for each reason
          once: `${dependency} ${reason} ${Math.floor(Date.now() / 60_000)}`,
          details: { dependency: { name: dependency } },
          metadata: { why: reason },
        },
      });
    },
    /**
     * Most of the checked accounts are missing from the directory. A wrong search base or filter is the more likely
     * cause, so none of them was disabled. One event per run.
     */
    directoryDoubted({ runId, checked, missing }: { runId: string; checked: number; missing: number }): void {
      report({
        counter: outages,
        labels: { dependency: 'directory' },
        level: 'error',
        log: { event: 'directory.doubted', checked, missing },
        audit: {
          action: 'dependency-away',
          status: 'failure',
          message: 'Most linked accounts are missing from the directory: no account was disabled',
          reason: 'entries-missing',
          once: runId,
          details: { dependency: { name: 'directory' } },
          metadata: { checked, missing },
        },
      });
    },
    /** Repeats with the same `runId` are recorded once. */
    purged({ runId, ...removed }: { runId: string; claims: number; keySets: number }): void {
      report({
        log: { event: 'purge.done', ...removed },
        audit: { action: 'purge', message: 'Expired data was removed', once: runId, metadata: removed },
      });
    },
    /** With the names of the variables that changed since the last start of the role, unless Redis did not tell. */
    processStarted({ fingerprint, changed = [] }: Partial<ConfigurationChange> = {}): void {
      const isChanged = changed.length > 0;
      record('process-start', {
        status: 'success',
        message: isChanged
          ? `A process is ready; its configuration changed: ${changed.join(', ')}`
          : 'A process is ready',
        reason: isChanged ? 'configuration-changed' : undefined,
        metadata: {
          ...(fingerprint !== undefined && { configuration: fingerprint }),
          ...(isChanged && { changed: changed.join(' ') }),
        },
      });
    },
    processStopped(): void {
      record('process-stop', { status: 'success', message: 'A process was stopped' });
    },
  };
}
