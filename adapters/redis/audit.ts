/**
 * The audit log of a process. It appends events to the Redis stream `audit`; the role `audit` ships them from there.
 *
 * Consistency: one script appends a batch with sequence numbers common to all processes. A batch is sent until Redis
 * acknowledges it; repeats are skipped. While Redis is unavailable, up to 10,000 events wait in memory, in order. A
 * SIGKILL can lose the events that Redis has not acknowledged; their log lines were written before.
 */
import type { AuditEvent } from '../../domain/audit.ts';
import type { AppendOptions, AuditLogHooks, AuditSink } from '../../platform/audit.ts';
import { newId } from '../../platform/crypto.ts';
import { pause } from '../../platform/lifecycle.ts';
import { loadScript, type Redis } from './connect.ts';
import { keys } from './keys.ts';

/** The keys of the audit log. One script uses them all, so they share a hash tag. */
export const auditKeys = {
  stream: keys.auditStream(),
  head: keys.auditHead(),
  once: keys.auditOnce(),
  deadLetters: keys.auditDeadLetters(),
  checkpoints: keys.auditCheckpoints(),
};

/** The audit log of a process. Disposing it sends the waiting events, for at most 3 s. */
export interface AuditLog extends AsyncDisposable {
  append: AuditSink;
  /** Resolves when Redis has all events appended so far. */
  flushed(): Promise<void>;
}

/** The options of `createAuditLog`. */
export interface AuditLogOptions extends AuditLogHooks {
  /** Maximum number of entries in the stream. */
  streamMax: number;
}

const memoryMax = 10_000;
const batchMax = 200;
const retryMsMax = 2000;
/** How long disposal waits for the remaining events to be sent. */
const closeMs = 3000;
/** Minor events may fill this share of the stream. The rest is reserved for other events. */
const minorShare = 0.8;

/** Creates the audit log of a process. */
export function createAuditLog(redis: Redis, options: AuditLogOptions): AuditLog {
  const { streamMax, onDropped, onGap, onAway } = options;
  const appendBatch = loadScript(redis, 'audit-append');
  const { stream, head, once } = auditKeys;
  const batchKeys = [stream, head, once, keys.auditProducer({ producerId: newId() })];
  const waiting: { event: AuditEvent; options: AppendOptions }[] = [];
  const closing = new AbortController();
  let batchNumber = 1;
  let sending: Promise<void> | undefined;

  async function send(): Promise<void> {
    for (let retryMs = 50; waiting.length > 0 && !closing.signal.aborted; ) {
      const batch = waiting.slice(0, batchMax);
      try {
        const reply = await appendBatch(batchKeys, [
          ...[batchNumber, Date.now(), streamMax, Math.floor(streamMax * minorShare)],
          ...batch.flatMap((item) => argumentsOf(item.event, item.options)),
        ]);
        const [, dropped = 0, gap = 0] = reply as number[];
        waiting.splice(0, batch.length);
        batchNumber++;
        retryMs = 50;
        if (dropped > 0) onDropped(dropped);
        if (gap > 0) onGap(gap);
      } catch (err) {
        onAway(err as Error);
        await pause(retryMs, closing.signal);
        retryMs = Math.min(retryMs * 2, retryMsMax);
      }
    }
  }

  return {
    append(event, appendOptions) {
      if (waiting.length >= memoryMax) return onDropped(1);
      waiting.push({ event, options: appendOptions });
      sending ??= send().finally(() => {
        sending = undefined;
      });
    },
    async flushed() {
      await sending;
    },
    async [Symbol.asyncDispose]() {
      const timer = setTimeout(() => closing.abort(), closeMs);
      await sending;
      clearTimeout(timer);
      if (waiting.length > 0) onDropped(waiting.length);
    },
  };
}

function argumentsOf(event: AuditEvent, { isOnce, isMinor }: AppendOptions): (string | number)[] {
  return [event.event.id, Number(isOnce), Number(isMinor), event.vyry.audit?.mac ?? '', JSON.stringify(event)];
}
