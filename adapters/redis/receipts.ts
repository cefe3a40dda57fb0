/**
 * Delivery receipts: `receipts:{subject}:{purpose}` HASH, by send and provider, what became of the message.
 *
 * Consistency: the first final state of a message stays, in one transaction, whoever repeats or contradicts it.
 * Away: throws, so that the provider is answered 503 and repeats it; whoever sends fails closed with the codes.
 */
import { type ReceiptOrigin, type ReceiptOutcome, receiptOutcomes } from '../../domain/providers.ts';
import type { CodeSubject } from '../../domain/verification.ts';
import type { Redis } from './connect.ts';

/** How long a message is remembered, and its receipt taken, in seconds: as long as the sends of its subject. */
export const receiptLifeSeconds = 2 * 86_400;

/** What is known of a message after its receipt. */
export interface NotedReceipt {
  /** What came first. */
  outcome: ReceiptOutcome;
  isRepeat: boolean;
}

export type Receipts = ReturnType<typeof createReceipts>;

/** Creates the store of receipts. */
export function createReceipts(redis: Redis) {
  return {
    /** Notes what became of a message. Safe to repeat, by send and provider. */
    async note(of: ReceiptOrigin, outcome: ReceiptOutcome): Promise<NotedReceipt> {
      const [key, field] = [receiptsKey(of), `${of.send}:${of.provider}`];
      const replies = await redis
        .multi()
        .hsetnx(key, field, outcome)
        .hget(key, field)
        .expire(key, receiptLifeSeconds)
        .exec();
      const [added, kept] = (replies ?? []).map(([err, reply]) => {
        if (err) throw err;
        return reply;
      });
      return { outcome: outcomeIn(kept) ?? outcome, isRepeat: added === 0 };
    },

    /** Providers that took a message of the subject and did not deliver it. */
    async failedProviders(of: CodeSubject): Promise<Set<string>> {
      const receipts = Object.entries(await redis.hgetall(receiptsKey(of)));
      const failed = receipts.filter(([, outcome]) => outcome === 'undelivered' || outcome === 'failed');
      return new Set(failed.map(([field]) => field.split(':')[1] ?? ''));
    },
  };
}

function outcomeIn(reply: unknown): ReceiptOutcome | undefined {
  return receiptOutcomes.find((outcome) => outcome === reply);
}

function receiptsKey({ subject, purpose }: CodeSubject): string {
  return `receipts:{${subject}}:${purpose}`;
}
