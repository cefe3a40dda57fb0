/**
 * The audit log of a process: events go into the Redis stream `audit`, from which the role `audit` ships them.
 *
 * Consistency: one script puts a batch into the one order of all processes; a batch is sent until Redis says that it has
 * it, and is stored once however often it is sent. Away: events wait in memory, in their order, up to a bound. What a
 * SIGKILL can lose is what Redis was not told within the last round trip; its log line is written before that.
 */
import type { Registry } from 'prom-client';
import type { AuditEvent } from '../../domain/audit.ts';
import { type AppendOptions, type AuditSink, createRecorder } from '../../platform/audit.ts';
import { type Role, type Secret, version } from '../../platform/config.ts';
import { newId } from '../../platform/crypto.ts';
import { createEvents, type Events } from '../../platform/events.ts';
import { pause } from '../../platform/lifecycle.ts';
import type { Logger } from '../../platform/log.ts';
import { loadScript, type Redis } from './connect.ts';

/** The keys of the audit log; one script touches them all, so they share a hash tag. */
export const auditKeys = {
  stream: 'audit',
  head: '{audit}:head',
  once: '{audit}:once',
  deadLetters: '{audit}:dead-letters',
};

/** Events of a process on their way. */
export interface AuditLog extends AsyncDisposable {
  append: AuditSink;
  /** Resolves when Redis has everything that was appended so far. */
  flushed(): Promise<void>;
}

export interface AuditLogOptions {
  /** Entries the stream may have. */
  streamMax: number;
  /** Hears how many events were dropped, because the stream or the memory was full. */
  onDropped: (count: number) => void;
  /** Hears, once there is room again, how many all processes dropped until then. */
  onGap: (count: number) => void;
  /** Hears that Redis could not be told; the events wait. */
  onAway: (err: Error) => void;
}

const memoryMax = 10_000;
const batchMax = 200;
const retryMsMax = 2000;
/** At disposal the rest is given this long. */
const closeMs = 3000;
/** Minor events leave this share of the stream to the others. */
const minorShare = 0.8;

/** Creates the audit log of a process. */
export function createAuditLog(redis: Redis, options: AuditLogOptions): AuditLog {
  const { streamMax, onDropped, onGap, onAway } = options;
  const appendBatch = loadScript(redis, 'audit-append');
  const keys = [auditKeys.stream, auditKeys.head, auditKeys.once, `{audit}:producer:${newId()}`];
  const waiting: { event: AuditEvent; options: AppendOptions }[] = [];
  const closing = new AbortController();
  let batchNumber = 1;
  let sending: Promise<void> | undefined;

  async function send(): Promise<void> {
    for (let retryMs = 50; waiting.length > 0 && !closing.signal.aborted; ) {
      const batch = waiting.slice(0, batchMax);
      try {
        const reply = await appendBatch(keys, [
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

/** What a process says of itself in its events. */
export interface AuditedProcess {
  role: Role;
  config: { AUDIT_KEY: Secret; AUDIT_STREAM_MAX: number; NODE_ENV: string };
  log: Logger;
  registry: Registry;
}

/** Creates the events of a process together with the audit log they go to. */
export function createAuditedEvents(redis: Redis, process: AuditedProcess): { events: Events; auditLog: AuditLog } {
  const { role, config, log, registry } = process;
  const auditLog = createAuditLog(redis, {
    streamMax: config.AUDIT_STREAM_MAX,
    onDropped: (count) => events.auditDropped(count),
    onGap: (count) => events.auditGap(count),
    onAway: (err) => log.warn({ event: 'audit.waiting', reason: err.message }),
  });
  const service = { role, version, environment: config.NODE_ENV };
  const events = createEvents(log, registry, createRecorder(service, config.AUDIT_KEY, auditLog.append));
  return { events, auditLog };
}

function argumentsOf(event: AuditEvent, { isOnce, isMinor }: AppendOptions): (string | number)[] {
  return [event.event.id, Number(isOnce), Number(isMinor), event.vyry.audit?.mac ?? '', JSON.stringify(event)];
}
