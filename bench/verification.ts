/**
 * `npm run bench:verification`: measures verification sessions created and checked over gRPC at 200 per second, the
 * same over REST, complete sessions with a sent code, and the memory of the api over 50,000 sessions. The baseline is a
 * bare gRPC echo and the bare Redis script, measured in the same run.
 *
 * `-- memory` measures only the memory.
 *
 * It starts a private system. It prints the figures with machine and commit, and asserts nothing.
 */
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client, credentials } from '@grpc/grpc-js';
import { Pool } from 'undici';
import { createCodes } from '../adapters/redis/codes.ts';
import { connectRedis, type Redis } from '../adapters/redis/connect.ts';
import { openTemporaryFolder } from '../engines/data-folder.ts';
import { type System, startSystemIn } from '../engines/system.ts';
import { Secret } from '../platform/config/secret.ts';
import { createCipher, deriveKey, newId } from '../platform/crypto.ts';
import { codeFor } from '../test/support/client.ts';
import { connectSignal, numbers, type SignalClient } from '../test/support/signal-client.ts';
import { startBareExpress, startBareServer } from './bare-servers.ts';
import { circumstances, cpuMs, inParallel, printTable, Times } from './figures.ts';

const perSecond = 200;
const seconds = 20;
const sessionsForMemory = 50_000;
const wholeSessions = 150;
const rules = { checksMax: 5 };

type Codes = ReturnType<typeof createCodes>;
type Purpose = 'register' | 'verify';

let nextNumber = 0;
const newNumber = () => String(447_400_000_000 + nextNumber++);

const folder = await openTemporaryFolder();
try {
  const system = await startSystemIn(folder, {
    env: {
      LOG_LEVEL: 'warn',
      REGISTRATION_STEPS: 'code',
      SIGNAL_SESSIONS_PER_DAY: '10000',
      // every code that is checked here is wrong
      LIMIT_WRONG_CODES: '1000000/60',
      LIMIT_WRONG_CODE_SHARE: '1000000/60',
      // all requests come from one address
      LIMIT_WRONG_CODES_PER_ADDRESS: '1000000/60',
      LIMIT_REGISTRATIONS_PER_ADDRESS: '1000000/60',
      LIMIT_REQUESTS_PER_ADDRESS: '1000000/60',
    },
  });
  const redis = connectRedis(system.ready.redisUrl, console.error);
  const payloadKey = new Secret(system.secrets.PAYLOAD_KEY);
  const codes = createCodes(redis, [deriveKey(payloadKey, 'code')], createCipher('delivery', payloadKey));
  const signal = connectSignal(system.ready.grpcAddress);
  console.log(`\n${circumstances()}`);
  await atRate(50, 2, () => createAndCheck(signal, codes, timesOf()));
  if (!process.argv.includes('memory')) {
    await using echo = await startEcho();
    await measureGrpc(signal, codes, echo);
    await measureRest(system, redis, codes);
    await measureWhole(system, signal);
  }
  await measureMemory(system, signal, codes);
  signal.close();
  redis.disconnect();
} finally {
  await folder.close();
}

function timesOf() {
  return { create: new Times(), check: new Times() };
}

/** Starts a job `rate` times per second, even if earlier ones still run; returns the failures and the total time. */
async function atRate(rate: number, forSeconds: number, job: () => Promise<void>) {
  const running: Promise<void>[] = [];
  let errors = 0;
  const begin = performance.now();
  for (let index = 0; index < rate * forSeconds; index++) {
    const wait = begin + (index * 1000) / rate - performance.now();
    if (wait > 0) await sleep(wait);
    running.push(job().catch(() => void errors++));
  }
  await Promise.all(running);
  return { errors, seconds: (performance.now() - begin) / 1000 };
}

/** Stores a code as a send does, so that only the server is measured; returns a wrong one. */
async function submitCode(codes: Codes, subject: string, purpose: Purpose): Promise<string> {
  await codes.start({ subject, purpose }, 1, '123456');
  await codes.sent({ subject, purpose }, 1, { ttlSeconds: 600, providerId: 'bench' });
  return '654321';
}

async function createAndCheck(signal: SignalClient, codes: Codes, times: ReturnType<typeof timesOf>): Promise<void> {
  const { sessionMetadata } = await times.create.time(() => signal.call('CreateSession', { e164: newNumber() }));
  const sessionId = sessionMetadata?.sessionId ?? Buffer.alloc(16);
  const verificationCode = await submitCode(codes, sessionId.toString('hex'), 'verify');
  const checked = await times.check.time(() => signal.call('CheckVerificationCode', { sessionId, verificationCode }));
  if (checked.error !== undefined || checked.sessionMetadata?.verified !== false) throw new Error('Not compared');
}

async function measureGrpc(signal: SignalClient, codes: Codes, echo: Echo): Promise<void> {
  const times = timesOf();
  const bare = { echo: new Times(), script: new Times() };
  const measureBare = () =>
    atRate(perSecond, seconds / 4, async () => {
      await bare.echo.time(() => echo.call());
      const of = { subject: newId(), purpose: 'verify' } as const;
      await submitCode(codes, of.subject, of.purpose);
      await bare.script.time(() => codes.check(of, '654321', rules, Date.now()));
    });
  await measureBare();
  const { errors, seconds: took } = await atRate(perSecond, seconds, () => createAndCheck(signal, codes, times));
  await measureBare();
  const achieved = ((perSecond * seconds) / took).toFixed(0);
  console.log(`\ngRPC, offered ${perSecond} sessions a second: ${achieved} a second, ${errors} errors`);
  printTable(
    ['', 'p50 ms', 'p95 ms'],
    Object.entries({ ...times, 'bare echo': bare.echo, 'bare Redis script': bare.script }).map(([name, measured]) => [
      name,
      measured.p50,
      measured.p95,
    ]),
  );
}

/** Starts registrations and checks their codes. The baseline is an Express that reads one hash for every request. */
async function measureRest({ ready }: System, redis: Redis, codes: Codes): Promise<void> {
  await redis.hset('bench:hash', { status: 'x'.repeat(500), token: 'x' });
  const api = new Pool(ready.apiUrl, { connections: 100 });
  await using express = await startBareExpress(ready.redisUrl, 'bench:hash');
  const bare = new Times();
  const measureBare = () =>
    atRate(perSecond, seconds / 4, () =>
      bare.time(async () => {
        await (await express.pool.request({ path: '/', method: 'GET' })).body.text();
      }),
    );
  await measureBare();
  const times = timesOf();
  const before = cpuMs(ready.pids.api);
  const { errors, seconds: took } = await atRate(perSecond, seconds, () => startAndCheck(api, codes, times));
  const cpu = (cpuMs(ready.pids.api) - before) / (perSecond * seconds);
  await measureBare();
  await api.close();
  const achieved = ((perSecond * seconds) / took).toFixed(0);
  console.log(`\nREST, offered ${perSecond} registrations a second: ${achieved} a second, ${errors} errors`);
  console.log(`the api takes ${cpu.toFixed(1)} ms of processor time for each`);
  printTable(
    ['', 'p50 ms', 'p95 ms'],
    Object.entries({ ...times, 'bare Express and one read': bare }).map(([name, measured]) => [
      name,
      measured.p50,
      measured.p95,
    ]),
  );
}

async function startAndCheck(api: Pool, codes: Codes, times: ReturnType<typeof timesOf>): Promise<void> {
  const path = '/api/v1/registrations';
  const started = await times.create.time(() => ask(api, 'POST', path, { phone: `+${newNumber()}` }));
  const { registrationId, registrationToken: token } = started.body;
  const code = await submitCode(codes, String(registrationId), 'register');
  const checked = await times.check.time(() => ask(api, 'PUT', `${path}/${registrationId}/code`, { code }, token));
  if (checked.body.error_code !== 'INVALID_OTP') throw new Error('Not compared');
}

async function ask(api: Pool, method: 'POST' | 'PUT', path: string, body: unknown, token?: string) {
  const headers = { 'content-type': 'application/json', ...(token && { authorization: `Bearer ${token}` }) };
  const answer = await api.request({ method, path, headers, body: JSON.stringify(body) });
  return { status: answer.statusCode, body: (await answer.body.json()) as Record<string, string> };
}

/** Measures complete sessions: created, sent through the workflow and the provider's fake, and verified. */
async function measureWhole({ ready }: System, signal: SignalClient): Promise<void> {
  const times = { ...timesOf(), send: new Times() };
  let errors = 0;
  const took = await inParallel(wholeSessions, 10, async () => {
    const e164 = newNumber();
    const { sessionMetadata } = await times.create.time(() => signal.call('CreateSession', { e164 }));
    const sessionId = sessionMetadata?.sessionId;
    const order = { sessionId, transport: numbers.MESSAGE_TRANSPORT_SMS };
    const sent = await times.send.time(() => signal.call('SendVerificationCode', order));
    const verificationCode = await codeFor(ready.outboxUrl, `+${e164}`);
    const proof = { sessionId, verificationCode };
    const checked = await times.check.time(() => signal.call('CheckVerificationCode', proof));
    if (sent.error !== undefined || checked.sessionMetadata?.verified !== true) errors++;
  });
  console.log(`\nComplete sessions, 10 at once: ${(wholeSessions / took).toFixed(1)} a second, ${errors} errors`);
  printTable(
    ['', 'p50 ms', 'p95 ms'],
    Object.entries(times).map(([name, measured]) => [name, measured.p50, measured.p95]),
  );
}

async function measureMemory({ ready }: System, signal: SignalClient, codes: Codes): Promise<void> {
  const parts: string[][] = [];
  let errors = 0;
  let took = 0;
  for (let part = 1; part <= 10; part++) {
    const times = timesOf();
    const heap = watchHeap(ready.apiUrl);
    took += await inParallel(sessionsForMemory / 10, 50, () =>
      createAndCheck(signal, codes, times).catch(() => void errors++),
    );
    const { least, most } = await heap.end();
    const sessions = (sessionsForMemory / 10) * part;
    parts.push([`${sessions}`, ...[residentMiB(ready.pids.api), least, most].map(String)]);
  }
  const rate = (sessionsForMemory / took).toFixed(0);
  console.log(
    `\n${sessionsForMemory} sessions, 50 at once: ${rate} a second, ${errors} errors; memory of the api in MiB`,
  );
  printTable(['sessions', 'resident', 'heap used, least', 'heap used, most'], parts);
}

/** Samples the heap: its minimum is what garbage collections leave, which would grow with a leak. */
function watchHeap(apiUrl: string): { end(): Promise<{ least: number; most: number }> } {
  const seen: number[] = [];
  let isOver = false;
  const watching = (async () => {
    for (; !isOver; await sleep(250)) {
      const metrics = await (await fetch(`${apiUrl}/metrics`)).text();
      const bytes = Number(/^\w*nodejs_heap_size_used_bytes(?:\{.*\})? (\S+)$/m.exec(metrics)?.[1]);
      seen.push(Math.round(bytes / 2 ** 20));
    }
  })();
  return {
    async end() {
      isOver = true;
      await watching;
      return { least: Math.min(...seen), most: Math.max(...seen) };
    },
  };
}

function residentMiB(pid: number | undefined): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  return Math.round(Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) / 1024);
}

interface Echo extends AsyncDisposable {
  call(): Promise<void>;
}

async function startEcho(): Promise<Echo> {
  const server = await startBareServer('bare-grpc');
  const client = new Client(`127.0.0.1:${server.port}`, credentials.createInsecure());
  const asItIs = (bytes: Buffer) => bytes;
  const request = Buffer.alloc(64);
  return {
    call: () =>
      new Promise((resolve, reject) => {
        client.makeUnaryRequest('/bench.Echo/Echo', asItIs, asItIs, request, (err) => (err ? reject(err) : resolve()));
      }),
    async [Symbol.asyncDispose]() {
      client.close();
      await server[Symbol.asyncDispose]();
    },
  };
}
