/**
 * `npm run bench:sessions`: measures session checks against bare Express with one read of Redis and against that read
 * alone, with 1 to 500 callers and with 1,000 to 1,000,000 sessions stored; log-ins by password against the bare hash;
 * refreshes. Beside the times, the processor time of each process for one call.
 *
 * It starts a private system. It prints the figures with machine and commit, and asserts nothing.
 */

import { randomBytes } from 'node:crypto';
import { Pool } from 'undici';
import { createAccounts } from '../adapters/mongo/accounts.ts';
import { connectMongo } from '../adapters/mongo/connect.ts';
import { argon2 } from '../adapters/passwords/argon2.ts';
import { createPasswords } from '../adapters/passwords.ts';
import { connectRedis, type Redis } from '../adapters/redis/connect.ts';
import { openTemporaryFolder } from '../engines/data-folder.ts';
import { type System, startSystemIn } from '../engines/system.ts';
import { readConfig } from '../platform/config/config.ts';
import { variables } from '../platform/config/variables.ts';
import { keysIn } from '../platform/keyring.ts';
import { type BareExpress, startBareExpress } from './bare-servers.ts';
import { circumstances, cpuMs, inParallel, printTable, Rounds } from './figures.ts';
import { type ProcessorTime, perOperation, totalOf, withCpu } from './processor-time.ts';

const password = 'a-bench-needs-No-secret-41';
const username = 'bencher';
const hashesAtOnce = 2;
const warmUpCalls = 20_000;
const rounds = 5;
const limitsOff = Object.fromEntries(
  Object.keys(variables)
    .filter((name) => name.startsWith('LIMIT_'))
    .map((name) => [name, '1000000/1']),
);

interface Tokens {
  accessToken: string;
  refreshToken: string;
}

const folder = await openTemporaryFolder();
try {
  const system = await startSystemIn(folder, {
    env: { LOG_LEVEL: 'warn', ARGON2_CONCURRENCY: String(hashesAtOnce), ...limitsOff },
  });
  const redis = connectRedis(system.ready.redisUrl, console.error);
  await makeAccount(system);
  const api = new Pool(system.ready.apiUrl, { connections: 500 });
  const tokens = await logIn(api);
  const bare = await startBare(system, tokens);
  console.log(`\n${circumstances()}`);
  await measureChecks({ system, api, bare, redis }, tokens);
  await measureRefreshes(system, api);
  await measurePasswords(system, api);
  await measureGrowth(api, redis, tokens);
  await bare[Symbol.asyncDispose]();
  await api.close();
  redis.disconnect();
} finally {
  await folder.close();
}

/** Creates an account as a registration does. */
async function makeAccount({ processes }: System): Promise<void> {
  const { DATABASE_URL: databaseUrl, KEYS: keys } = readConfig('registration', processes.env('registration'));
  await using database = connectMongo(databaseUrl, () => undefined);
  const accounts = createAccounts(database.connection, keysIn(keys, 'identity'), keys.cipher('field'), {
    around: (_userId, write) => write(),
  });
  const passwords = createPasswords(keys.keys('pepper'), 1);
  const identity = { username };
  await accounts.claim('u-bench', identity);
  await accounts.insert({
    userId: 'u-bench',
    identity,
    password: await passwords.hash(password),
    createdAt: new Date(),
  });
}

async function send(pool: Pool, path: string, options: { token?: string; body?: unknown } = {}): Promise<unknown> {
  const { token, body } = options;
  const answer = await pool.request({
    path,
    method: body === undefined ? 'GET' : 'POST',
    headers: {
      ...(token && { authorization: `Bearer ${token}` }),
      ...(body !== undefined && { 'content-type': 'application/json' }),
    },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
  const text = await answer.body.text();
  if (answer.statusCode !== 200) throw new Error(`${path}: ${answer.statusCode} ${text}`);
  return JSON.parse(text);
}

function logIn(api: Pool): Promise<Tokens> {
  return send(api, '/api/v1/auth/login', { body: { identifier: username, password } }) as Promise<Tokens>;
}

/** Starts the baseline of a session check, which reads the same hash. */
function startBare({ ready }: System, { accessToken }: Tokens): Promise<BareExpress> {
  const claims = JSON.parse(Buffer.from(accessToken.split('.')[1] ?? '', 'base64url').toString()) as { sid: string };
  return startBareExpress(ready.redisUrl, `session:${claims.sid}`);
}

/** So many calls by so many callers, after some that are not counted; answers a row: rate and times. */
async function measured(name: string, callers: number, call: () => Promise<unknown>, calls = 10_000) {
  await inParallel(calls / 10, callers, async () => void (await call()));
  const rounds = new Rounds(callers, call);
  await rounds.run(calls);
  return { rate: rounds.rate, p99: rounds.p99, row: rounds.row(name) };
}

interface Beside {
  system: System;
  api: Pool;
  bare: BareExpress;
  redis: Redis;
}

/** Prints the processor time of one call, in all processes that had a part in it. */
function printCpu(name: string, calls: number, sums: ProcessorTime): void {
  console.log(`processor time of a ${name}: ${perOperation(sums, calls, 2)}`);
}

/**
 * Both in turns, so that whatever else the machine does meets both; code that runs for the first time is not counted.
 */
async function measureChecks({ system, api, bare, redis }: Beside, { accessToken: token }: Tokens): Promise<void> {
  const check = () => send(api, '/api/v1/auth/session', { token });
  const express = () => send(bare.pool, '/');
  for (const call of [check, express]) await inParallel(warmUpCalls, 50, async () => void (await call()));
  const rows: (string | number)[][] = [];
  const ratios: string[] = [];
  const ours: ProcessorTime = {};
  const theirs: ProcessorTime = {};
  let calls = 0;
  for (const callers of [1, 10, 50, 100, 500]) {
    const checks = new Rounds(callers, check);
    const bareOnes = new Rounds(callers, express);
    for (let round = 0; round < rounds; round++) {
      const count = callers === 1 ? 500 : 3000;
      await withCpu(system, {}, ours, () => checks.run(count));
      await withCpu(system, { 'bare Express': bare.pid }, theirs, () => bareOnes.run(count));
      calls += count;
    }
    const read = await measured('bare read', callers, () => redis.hgetall('session:none'));
    rows.push(checks.row('session check'), bareOnes.row('bare Express and one read'), read.row);
    ratios.push(`${callers}: ${(checks.rate / bareOnes.rate).toFixed(2)}`);
  }
  console.log('\nSession checks');
  printTable(['', 'callers', 'per s', 'p50 ms', 'p99 ms'], rows);
  console.log(`session checks to bare Express, by callers: ${ratios.join(', ')}`);
  const ratio = (theirs['bare Express'] ?? 0) / (ours.api ?? 0);
  console.log(`by processor time, whatever else the machine does: ${ratio.toFixed(2)}`);
  printCpu('session check', calls, ours);
  printCpu('request to bare Express', calls, theirs);
}

async function measureGrowth(api: Pool, redis: Redis, { accessToken: token }: Tokens): Promise<void> {
  const rows: (string | number)[][] = [];
  const p99s: number[] = [];
  let stored = 0;
  for (const sessions of [1000, 10_000, 100_000, 1_000_000]) {
    while (stored < sessions) stored += await storeSessions(redis, Math.min(10_000, sessions - stored));
    const name = `${sessions} sessions stored`;
    const { row, p99 } = await measured(name, 50, () => send(api, '/api/v1/auth/session', { token }));
    rows.push(row);
    p99s.push(p99);
  }
  console.log('\nSession checks, by sessions stored');
  printTable(['', 'callers', 'per s', 'p50 ms', 'p99 ms'], rows);
  console.log(
    `p99 with the most sessions to that with the fewest: ${((p99s.at(-1) ?? 0) / (p99s[0] ?? 1)).toFixed(2)}`,
  );
}

async function storeSessions(redis: Redis, count: number): Promise<number> {
  const pipeline = redis.pipeline();
  for (let index = 0; index < count; index++) {
    const id = randomBytes(16).toString('hex');
    const fields = { userId: `u-${id}`, createdAt: 0, lastActivityAt: 0, idleMs: 1, endsAt: 1, ip: '', userAgent: '' };
    pipeline.hset(`session:${id}`, { ...fields, roles: 'user', refresh: id + id });
  }
  await pipeline.exec();
  return count;
}

async function measurePasswords(system: System, api: Pool): Promise<void> {
  const secret = randomBytes(32);
  const phc = await argon2.hash(password, secret);
  const ours: ProcessorTime = {};
  const theirs: ProcessorTime = {};
  const bare = async () => {
    const began = cpuMs(process.pid);
    const round = await measured('bare Argon2id', hashesAtOnce, () => argon2.verify(phc, password, secret), 200);
    theirs.hash = (theirs.hash ?? 0) + cpuMs(process.pid) - began;
    return round;
  };
  const before = await bare();
  const logins = await withCpu(system, {}, ours, () => measured('log-in by password', 8, () => logIn(api), 200));
  const after = await bare();
  console.log('\nLog-ins by password');
  printTable(['', 'callers', 'per s', 'p50 ms', 'p99 ms'], [before.row, logins.row, after.row]);
  console.log(`log-ins to bare hashes: ${((2 * logins.rate) / (before.rate + after.rate)).toFixed(2)}`);
  // a tenth more ran to warm up
  printCpu('bare hash', 2 * 220, theirs);
  printCpu('log-in', 220, ours);
  console.log(`a log-in beside its hash: ${(totalOf(ours) / 220 - totalOf(theirs) / 440).toFixed(2)} ms`);
}

/** Each caller has its own session and refreshes with the token it received last. */
async function measureRefreshes(system: System, api: Pool): Promise<void> {
  const rows: (string | number)[][] = [];
  const cpu: ProcessorTime = {};
  for (const callers of [1, 10, 50]) {
    const held = await Promise.all(Array.from({ length: callers }, () => logIn(api)));
    const free = [...held];
    const refresh = async () => {
      const { refreshToken } = free.pop() as Tokens;
      free.push((await send(api, '/api/v1/auth/refresh-token', { body: { refreshToken } })) as Tokens);
    };
    const measure = () => measured('refresh', callers, refresh, 1000);
    rows.push((await (callers === 1 ? measure() : withCpu(system, {}, cpu, measure))).row);
  }
  console.log('\nRefreshes');
  printTable(['', 'callers', 'per s', 'p50 ms', 'p99 ms'], rows);
  printCpu('refresh', 2 * 1100, cpu);
}
