/**
 * `npm run bench:audit`: measures the audit events per second from Redis through the role `audit` into Elasticsearch,
 * and the memory of that process. The baseline is the client's own bulk helper, which writes the same events from
 * memory; both are measured in turn in the same run.
 *
 * It starts a private system. It prints the figures with machine and commit, and asserts nothing.
 */
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { createAuditIndex } from '../adapters/elastic/audit-index.ts';
import { connectElastic, type Elastic } from '../adapters/elastic/connect.ts';
import { auditKeys, createAuditLog } from '../adapters/redis/audit.ts';
import { connectRedis, type Redis } from '../adapters/redis/connect.ts';
import { type AuditEvent, auditIndexOf } from '../domain/audit.ts';
import { openTemporaryFolder } from '../engines/data-folder.ts';
import { type System, startSystemIn } from '../engines/system.ts';
import { type AuditSink, auditKeysFrom, createRecorder, type Recorder } from '../platform/audit.ts';
import { Secret } from '../platform/config/secret.ts';
import { traces } from '../platform/log.ts';
import { circumstances, printTable } from './figures.ts';

const events = 60_000;
const rounds = 3;

interface Figures {
  seconds: number;
  /** Memory of the `audit` process in MiB, after each tenth of the events. */
  memory: number[];
}

const folder = await openTemporaryFolder();
try {
  const system = await startSystemIn(folder, {
    roles: ['audit'],
    elasticsearch: true,
    env: { LOG_LEVEL: 'warn', AUDIT_STREAM_MAX: '1000000' },
  });
  const redis = connectRedis(system.ready.redisUrl, console.error);
  const elastic = connectElastic({ url: system.ready.elasticsearchUrl ?? '' });
  const bare = createAuditIndex(elastic, { prefix: 'bare', retentionDays: 1 });
  await bare.prepare();
  console.log(`\n${circumstances()}\n${events} events a round, Elasticsearch with 256 MiB of heap\n`);
  const rows: string[][] = [];
  for (let round = 1; round <= rounds; round++) {
    const appended = await fill(system, redis);
    const shipped = await measureShipping(system, redis);
    const helper = await measureHelper(elastic);
    const rate = (seconds: number) => Math.round(events / seconds);
    const { memory } = shipped;
    rows.push([
      String(round),
      String(rate(appended)),
      String(rate(shipped.seconds)),
      String(rate(helper)),
      (helper / shipped.seconds).toFixed(2),
      `${memory[0]} … ${Math.max(...memory)} … ${memory.at(-1)}`,
    ]);
  }
  printTable(['round', 'appended/s', 'shipped/s', 'bulk helper/s', 'ratio', 'memory of audit, MiB'], rows);
  const { count } = await elastic.count({ index: 'auth-logs-*' });
  console.log(`\n${count} events stored, ${await redis.xlen(auditKeys.stream)} wait`);
  redis.disconnect();
  await elastic.close();
} finally {
  await folder.close();
}

/** Fills the stream while no `audit` process runs; returns the seconds it took. */
async function fill(system: System, redis: Redis): Promise<number> {
  await system.kill('audit');
  const auditLog = createAuditLog(redis, {
    streamMax: 1_000_000,
    onDropped: (count) => console.error(`${count} dropped`),
    onGap: () => undefined,
    onAway: console.error,
  });
  const record = recorderTo(auditLog.append);
  const begin = performance.now();
  for (let at = 0; at < events; at++) {
    recordOne(record, at);
    if (at % 2000 === 1999) await auditLog.flushed();
  }
  await auditLog.flushed();
  return (performance.now() - begin) / 1000;
}

async function measureShipping(system: System, redis: Redis): Promise<Figures> {
  await system.restart('audit');
  const pid = system.ready.pids.audit ?? 0;
  const memory: number[] = [];
  const begin = performance.now();
  for (let left = events; left > 0; ) {
    await sleep(20);
    left = await redis.xlen(auditKeys.stream);
    while (memory.length < ((events - left) / events) * 10) memory.push(residentMebibytes(pid));
  }
  return { seconds: (performance.now() - begin) / 1000, memory };
}

/** Measures the client's helper on one array, with the batch size and the order of the product; returns the seconds. */
async function measureHelper(elastic: Elastic): Promise<number> {
  const documents: AuditEvent[] = [];
  const record = recorderTo((event) => void documents.push(event));
  for (let at = 0; at < events; at++) recordOne(record, at);
  const begin = performance.now();
  await elastic.helpers.bulk<AuditEvent>({
    datasource: documents,
    concurrency: 1,
    flushBytes: 600_000,
    onDocument: (event) => ({ create: { _index: auditIndexOf('bare', event), _id: event.event.id } }),
  });
  return (performance.now() - begin) / 1000;
}

function recorderTo(append: AuditSink): Recorder {
  const service = { role: 'api', version: '0', environment: 'development' } as const;
  return createRecorder(service, auditKeysFrom(new Secret(Buffer.alloc(32, 1).toString('base64'))), append);
}

function recordOne(record: Recorder, at: number): void {
  const trace = { requestId: `r-${at}`, traceparent: `00-${String(at).padStart(32, '0')}-b7ad6b7169203331-01` };
  traces.run({ ...trace, ip: `192.0.2.${at % 250}`, userAgent: 'bench/1' }, () =>
    record('otp-verify', {
      status: 'failure',
      message: 'A code was refused',
      reason: 'otp-mismatch',
      details: {
        registration: { id: `r-${at % 500}`, step: 'code' },
        otp: { purpose: 'register', attempts_left: at % 5 },
      },
    }),
  );
}

function residentMebibytes(pid: number): number {
  const kibibytes = /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
  return Math.round(Number(kibibytes) / 1024);
}
