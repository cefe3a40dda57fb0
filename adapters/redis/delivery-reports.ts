/**
 * Delivery delivery reports: `delivery reports:{subject}:{purpose}` HASH, by send and provider, what became of the message.
 *
 * Consistency: the first final state of a message stays, in one transaction, whoever repeats or contradicts it.
 * Away: throws, so that the provider is answered 503 and repeats it; whoever sends fails closed with the codes.
 */
import { type DeliveryReportOrigin, type DeliveryReportOutcome, reportOutcomes } from '../../domain/providers.ts';
import type { CodeSubject } from '../../domain/verification.ts';
import type { Redis } from './connect.ts';

/** How long a message is remembered, and its delivery report taken, in seconds: as long as the sends of its subject. */
export const reportLifeSeconds = 2 * 86_400;

/** What is known of a message after its delivery report. */
export interface NotedReport {
  /** What came first. */
  outcome: DeliveryReportOutcome;
  isRepeat: boolean;
}

export type DeliveryReports = ReturnType<typeof createDeliveryReports>;

/** Creates the store of delivery reports. */
export function createDeliveryReports(redis: Redis) {
  return {
    /** Notes what became of a message. Safe to repeat, by send and provider. */
    async note(of: DeliveryReportOrigin, outcome: DeliveryReportOutcome): Promise<NotedReport> {
      const [key, field] = [reportsKey(of), `${of.send}:${of.provider}`];
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

    /** Providers that took a message of the subject and did not deliver it. */
    async failedProviders(of: CodeSubject): Promise<Set<string>> {
      const reports = Object.entries(await redis.hgetall(reportsKey(of)));
      const failed = reports.filter(([, outcome]) => outcome === 'undelivered' || outcome === 'failed');
      return new Set(failed.map(([field]) => field.split(':')[1] ?? ''));
    },
  };
}

function outcomeIn(reply: unknown): DeliveryReportOutcome | undefined {
  return reportOutcomes.find((outcome) => outcome === reply);
}

function reportsKey({ subject, purpose }: CodeSubject): string {
  return `reports:{${subject}}:${purpose}`;
}
