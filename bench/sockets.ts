/**
 * `npm run bench:sockets`: what connections cost a gateway.
 *
 * 1. The memory of idle connections of devices (`--idle 10000`).
 * 2. A rolling restart: half of the devices (`--rolling 5000`) are on each of two gateways, and one of these stops. How long
 *    it takes until all of them are connected again, the processor time of the other gateway meanwhile, and whether messages
 *    that were sent meanwhile arrive.
 * 3. Clients that stop reading (`--stalled 1000`) while messages wait for them (`--messages 100000`): the memory of the
 *    gateway, and the time of a message between others that read.
 *
 * The gateways and the clients are processes of their own. It prints the figures with machine and commit, and asserts
 * nothing.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { setTimeout as wait } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { connectRedis } from '../adapters/redis/connect.ts';
import { createInboxes } from '../adapters/redis/inboxes.ts';
import { createAuthSessions } from '../adapters/redis/sessions.ts';
import { createTokens } from '../api/tokens.ts';
import { openTemporaryFolder } from '../engines/data-folder.ts';
import { startEngines } from '../engines/engines.ts';
import { migrateDatabase } from '../engines/mongo.ts';
import { compileCacheFolder, type Processes, startProcesses, withDatabase } from '../engines/processes.ts';
import { startRedis } from '../engines/redis.ts';
import { readSecrets } from '../engines/secrets.ts';
import { readConfig } from '../platform/config/config.ts';
import { variables } from '../platform/config/variables.ts';
import { newId } from '../platform/crypto.ts';
import { testSessionMacs } from '../test/support/redis.ts';
import { circumstances, cpuMs, inParallel, printTable, Times } from './figures.ts';
import type { Command, Counts } from './socket-clients.ts';

const { values } = parseArgs({
  options: {
    idle: { type: 'string', default: '10000' },
    rolling: { type: 'string', default: '5000' },
    stalled: { type: 'string', default: '1000' },
    messages: { type: 'string', default: '100000' },
  },
});
const limitsOff = Object.fromEntries(
  Object.keys(variables)
    .filter((name) => name.startsWith('LIMIT_'))
    .map((name) => [name, '1000000/1']),
);
const registrationId = 1;
const content = Buffer.from('.'.repeat(218)).toString('base64');
const mebibyte = 2 ** 20;

await using open = new AsyncDisposableStack();
const folder = open.adopt(await openTemporaryFolder(), (one) => one.close());
const { urls: engines } = await startEngines({ folder, env: { REDIS_URL: 'redis://unused' } });
const { url: redisUrl } = await startRedis({ folder });
const urls = { ...engines, redisUrl };
const secrets = readSecrets(folder.path);
const redis = open.adopt(
  connectRedis(redisUrl, () => undefined),
  (one) => one.disconnect(),
);
const inboxes = createInboxes(redis);
const sessions = createAuthSessions(redis, testSessionMacs);

await migrateDatabase({ ...secrets, DATABASE_URL: withDatabase(urls.databaseUrl, 'bench') });
const first = await startGateway(0);
const second = await startGateway(1);
const tokens = createTokens(readConfig('api', { ...first.env('api'), ...first.env('gateway') }));

await measureIdle(Number(values.idle));
await measureRolling(Number(values.rolling));
await measureStalled(Number(values.stalled), Number(values.messages));
console.log(circumstances());

function startGateway(index: number): Promise<Processes> {
  return startProcesses(folder, {
    urls,
    secrets,
    bundle: '',
    roles: ['gateway'],
    database: 'bench',
    logPrefix: `${index}-`,
    env: { ...limitsOff, LOG_LEVEL: 'warn', JWT_EXPIRATION: '86400', SOCKET_DRAIN_SECONDS: '10' },
    compileCache: compileCacheFolder,
  });
}

interface Device {
  userId: string;
  token: string;
}

/** Writes users with a device and a session each, as sends and connections need them. */
async function writeDevices(count: number): Promise<Device[]> {
  const devices: Device[] = [];
  await inParallel(count, 64, async (index) => {
    const [userId, sessionId, deviceId] = [newId(), newId(), '1'];
    const life = { idleMs: 86_400_000, lifeMs: 86_400_000 };
    const session = { sessionId, userId, deviceId, ip: '', userAgent: 'bench', roles: [], ...life };
    await sessions.create(session, { hash: newId(), seconds: 86_400 });
    await inboxes.writeDevices(userId, { version: 1, devices: [{ deviceId, registrationId, createdAt: 1 }] });
    devices[index] = { userId, token: await tokens.sign({ userId, sessionId, deviceId, roles: [] }) };
  });
  return devices;
}

/** Clients in a process of their own. */
interface Clients extends Disposable {
  counts: Counts;
  tell(command: Command): void;
}

function startClients(): Clients {
  const child: ChildProcess = fork(new URL('./socket-clients.ts', import.meta.url), {
    execArgv: ['--disable-warning=ExperimentalWarning'],
  });
  const clients: Clients = {
    counts: { connected: 0, lost: 0, connections: 0, messages: 0, repeated: 0, drained: 0 },
    tell: (command) => void child.send(command),
    [Symbol.dispose]: () => void child.kill('SIGKILL'),
  };
  child.on('message', (counts: Counts) => {
    clients.counts = counts;
  });
  return clients;
}

async function untilConnected(clients: Clients, count: number): Promise<void> {
  while (clients.counts.connected < count || clients.counts.drained < count) await wait(50);
}

async function measureIdle(count: number): Promise<void> {
  const pid = pidOf(first);
  const devices = await writeDevices(count);
  const before = memoryOf(pid);
  using clients = startClients();
  const begin = performance.now();
  clients.tell({ act: 'connect', urls: [first.apiUrl], tokens: devices.map(({ token }) => token) });
  await untilConnected(clients, count);
  const seconds = (performance.now() - begin) / 1000;
  // two rounds of pings and of lease renewals
  await wait(60_000);
  const after = memoryOf(pid);
  const cpu = await cpuShare(pid, 20_000);
  printTable(
    ['idle connections', 'MiB before', 'MiB', 'KiB each', 'connected in s', 'CPU %'],
    [[String(count), before / mebibyte, after / mebibyte, (after - before) / 1024 / count, seconds, cpu]],
  );
}

async function measureRolling(count: number): Promise<void> {
  const devices = await writeDevices(count);
  using clients = startClients();
  clients.tell({ act: 'connect', urls: [first.apiUrl, second.apiUrl], tokens: devices.map(({ token }) => token) });
  await untilConnected(clients, count);
  const shares: number[] = [];
  let isOver = false;
  const sampling = (async () => {
    while (!isOver) shares.push(await cpuShare(pidOf(first), 500));
  })();
  const begin = performance.now();
  const [sent] = await Promise.all([sendToAll(devices), second.kill('gateway', 'SIGTERM')]);
  while (clients.counts.connected < count) await wait(50);
  const seconds = (performance.now() - begin) / 1000;
  while (clients.counts.messages < sent) await wait(50);
  isOver = true;
  await sampling;
  const busy = longestAbove(shares, 80) / 2;
  const { messages, repeated } = clients.counts;
  printTable(
    ['rolling restart', 'all back in s', 'sent', 'lost', 'again', 'CPU % at most', 's above 80 %'],
    [[String(count), seconds, String(sent), String(sent - messages), String(repeated), Math.max(...shares), busy]],
  );
  await second.restart('gateway');
}

async function measureStalled(count: number, messages: number): Promise<void> {
  const [devices, pair] = [await writeDevices(count), await writeDevices(2)];
  using clients = startClients();
  using honest = startClients();
  clients.tell({ act: 'connect', urls: [first.apiUrl], tokens: devices.map(({ token }) => token) });
  honest.tell({ act: 'connect', urls: [first.apiUrl], tokens: pair.map(({ token }) => token) });
  await untilConnected(clients, count);
  await untilConnected(honest, 2);
  const whileRead = await timesDuring(honest, pair, devices);
  clients.tell({ act: 'stop-reading' });
  const before = memoryOf(pidOf(first));
  let most = before;
  let isOver = false;
  const watching = (async () => {
    for (; !isOver; await wait(100)) most = Math.max(most, memoryOf(pidOf(first)));
  })();
  const rounds = Math.ceil(messages / count);
  const flooding = (async () => {
    for (let round = 0; round < rounds; round++) await sendToAll(devices);
  })();
  const meanwhile = await timesOf(honest, pair);
  await flooding;
  isOver = true;
  await watching;
  printTable(
    ['clients that stop reading', 'messages', 'MiB before', 'MiB at most', 'p99 ms while they read', 'p99 ms then'],
    [
      [
        String(count),
        String(rounds * count),
        before / mebibyte,
        most / mebibyte,
        whileRead.percentile(99),
        meanwhile.percentile(99),
      ],
    ],
  );
}

/** Sends a message to each of some devices, as another process would; returns how many. */
async function sendToAll(devices: readonly Device[]): Promise<number> {
  const from = { userId: newId(), deviceId: '1' };
  await inParallel(devices.length, 32, async (index) => {
    const to = devices[index]?.userId ?? '';
    await sendOne(from, to);
  });
  return devices.length;
}

async function sendOne(from: { userId: string; deviceId: string }, to: string): Promise<void> {
  const sent = await inboxes.send({
    to,
    from,
    clientMessageId: newId(),
    bodyHash: newId().slice(0, 22),
    timestamp: Date.now(),
    messages: [{ deviceId: '1', registrationId, type: 'message', content }],
    conversation: 'a',
    limits: { pair: { max: 1_000_000, windowSeconds: 1 }, recipient: { max: 1_000_000, windowSeconds: 1 } },
    nodeId: 'bench',
  });
  if (sent.outcome !== 'stored') throw new Error(`A message was not stored: ${sent.outcome}`);
}

/** Measures 500 messages to clients that read, 50 a second. */
async function timesOf(clients: Clients, [to]: readonly Device[]): Promise<Times> {
  const times = new Times();
  for (let index = 0; index < 500; index++) {
    const before = clients.counts.messages;
    const begin = performance.now();
    await sendOne({ userId: newId(), deviceId: '1' }, to?.userId ?? '');
    while (clients.counts.messages === before) await wait(1);
    times.add(performance.now() - begin);
    await wait(20);
  }
  return times;
}

/** As `timesOf`, while others that read get messages at the same rate as later those that do not. */
async function timesDuring(clients: Clients, pair: readonly Device[], others: readonly Device[]): Promise<Times> {
  let isOver = false;
  const flooding = (async () => {
    while (!isOver) await sendToAll(others);
  })();
  const times = await timesOf(clients, pair);
  isOver = true;
  await flooding;
  return times;
}

function pidOf(processes: Processes): number {
  return processes.pids().gateway ?? 0;
}

/** Returns the resident memory of a process, in bytes. */
function memoryOf(pid: number): number {
  const [, kib = '0'] = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? [];
  return Number(kib) * 1024;
}

/** Returns how much of one core a process uses within some time, in per cent. */
async function cpuShare(pid: number, ms: number): Promise<number> {
  const [before, begin] = [cpuMs(pid), performance.now()];
  await wait(ms);
  return ((cpuMs(pid) - before) * 100) / (performance.now() - begin);
}

/** Returns the length of the longest run of samples above a limit. */
function longestAbove(samples: readonly number[], limit: number): number {
  let [longest, current] = [0, 0];
  for (const sample of samples) {
    current = sample > limit ? current + 1 : 0;
    longest = Math.max(longest, current);
  }
  return longest;
}
