import type { Outputs } from './outputs.ts';

/** Creates the events of limits that stop the sending of codes. */
export function createLimitEvents({ counter, report }: Outputs) {
  const pauses = counter('prefixes_refused_total', 'Codes refused because their block of 10,000 numbers is paused', []);

  return {
    /**
     * A block of numbers, as a keyed hash, gets no codes until `until` (ms since the Unix epoch). One event per pause.
     */
    prefixPaused({ prefix, country, until }: { prefix: string; country?: string | undefined; until: number }): void {
      report({
        counter: pauses,
        level: 'error',
        log: { event: 'prefix.paused', country, until },
        audit: {
          action: 'prefix-paused',
          status: 'failure',
          message: 'A block of numbers is paused: too many codes were sent to it and none was entered',
          reason: 'unproven-sends-per-prefix',
          once: `${prefix} ${Math.round(until / 60_000)}`,
          details: country === undefined ? {} : { messaging: { country } },
          rule: 'unproven-sends-per-prefix',
        },
      });
    },
    /** A limit over all users was reached until `until` (ms since the Unix epoch). One event per hour. */
    sendingStopped(limit: string, until: number): void {
      report({
        level: 'error',
        log: { event: 'sending.stopped', limit, until },
        audit: {
          action: 'sending-stopped',
          status: 'failure',
          message: `A limit over all users was reached: ${limit}`,
          reason: limit,
          once: `${limit} ${Math.floor(until / 3_600_000)}`,
          rule: limit,
        },
      });
    },
  };
}
