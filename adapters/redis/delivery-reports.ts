/**
 * Delivery reports: `reports:{subject}:{purpose}` HASH, the outcome of a message by send and provider.
 *
 * Consistency: the first final outcome of a message stays, in one transaction, whatever is reported later.
 * When Redis is unavailable, calls throw: a provider receives 503 and repeats its report, and sending fails closed.
 */
import { type DeliveryReportOrigin, type DeliveryReportOutcome, reportOutcomes } from '../../domain/providers.ts';
import type { CodeSubject } from '../../domain/verification.ts';
import type { Redis } from './connect.ts';
import { keyFamilies, keys } from './keys.ts';

/** How long delivery reports are accepted and stored, in seconds: as long as the sends of the subject. */
export const reportLifeSeconds: number = keyFamilies.reports.life.seconds;

/** The stored outcome of a message after a delivery report. */
export interface NotedReport {
  /** The outcome that was reported first. */
  outcome: DeliveryReportOutcome;
  isRepeat: boolean;
}

/** The store of delivery reports. */
export type DeliveryReports = ReturnType<typeof createDeliveryReports>;

/** Creates the store of delivery reports. */
export function createDeliveryReports(redis: Redis) {
  return {
    /** Stores the outcome of a message. Safe to repeat: keyed by send and provider. */
    async note(of: DeliveryReportOrigin, outcome: DeliveryReportOutcome): Promise<NotedReport> {
      const [key, field] = [keys.reports(of), `${of.send}:${of.provider}`];
      const replies = await redis
        .multi()
        .hsetnx(key, field, outcome)
        .hget(key, field)
        .expire(key, reportLifeSeconds)
        .exec();
      const [added, kept] = (replies ?? []).map(([err, reply]) => {
        if (err) throw err;
        return reply;
      });
      return { outcome: outcomeIn(kept) ?? outcome, isRepeat: added === 0 };
    },

    /** Returns the providers that accepted a message of the subject and did not deliver it. */
    async failedProviders(of: CodeSubject): Promise<Set<string>> {
      const reports = Object.entries(await redis.hgetall(keys.reports(of)));
      const failed = reports.filter(([, outcome]) => outcome === 'undelivered' || outcome === 'failed');
      return new Set(failed.map(([field]) => field.split(':')[1] ?? ''));
    },
  };
}

function outcomeIn(reply: unknown): DeliveryReportOutcome | undefined {
  return reportOutcomes.find((outcome) => outcome === reply);
}
