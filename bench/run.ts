/**
 * `npm run bench`: measures registrations per second, the time of each step, and the processor time of a registration in
 * each process. The baseline of a step is the bare Temporal updates and activities, Redis scripts and Argon2 hashes
 * that it consists of; that of a registration is the workflow with the same updates and activities, all of them empty.
 * They are measured in turn in the same run.
 *
 * Options: `--at 1,10,50`, how many people register at once; `--accounts 100000`, how many accounts are stored before.
 *
 * It starts a private system. It prints the figures with machine and commit, and asserts nothing.
 */
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { type Client, WithStartWorkflowOperation } from '@temporalio/client';
import { connectMongo } from '../adapters/mongo/connect.ts';
import { createPasswords } from '../adapters/passwords.ts';
import { connectRedis, loadScript, type Redis } from '../adapters/redis/connect.ts';
import { openTemporaryFolder } from '../engines/data-folder.ts';
import { type System, startSystemIn } from '../engines/system.ts';
import { type Answer, codeFor, solveCaptcha, startRegistration } from '../test/support/client.ts';
import { limitsOff } from '../test/support/system.ts';
import { type BareTemporal, startBareTemporal } from './bare-temporal.ts';
import { bare, bareRegistration, lastStep, step } from './bare-workflows.ts';
import { circumstances, inParallel, printTable, Times } from './figures.ts';
import { type ProcessorTime, perOperation, withCpu } from './processor-time.ts';

const stepNames = ['start', 'directory', 'captcha', 'send', 'code', 'finish', 'session'] as const;
const bareNames = [
  'start + update + 1 normal',
  'update',
  'update + 1 normal',
  'update + 1 normal + 1 local',
  'redis script',
  'argon2id',
] as const;
type StepTimes = Record<(typeof stepNames)[number], Times>;
type BareTimes = Record<(typeof bareNames)[number], Times>;

/** The parts of a step, by the names of the baseline measurements. */
const madeOf: Partial<Record<keyof StepTimes, (keyof BareTimes)[]>> = {
  start: ['redis script'],
  directory: ['start + update + 1 normal'],
  captcha: ['redis script'],
  send: ['update + 1 normal'],
  code: ['redis script'],
  finish: ['update + 1 normal + 1 local', 'argon2id'],
};

/** Without a device, whose keys no peer has. */
const steps = 'directory,captcha,code,credentials';
/** No schedule runs meanwhile. */
const quiet = { DIRECTORY_SYNC_INTERVAL: '86400' };
const people = 1000;
const { values } = parseArgs({
  options: { at: { type: 'string', default: '1,10,50' }, accounts: { type: 'string', default: '0' } },
});
let nextPerson = 0;
let refused = 0;

const folder = await openTemporaryFolder();
try {
  const system = await startSystemIn(folder, {
    env: { ...limitsOff, CAPTCHA_COST: '2', LOG_LEVEL: 'warn', REGISTRATION_STEPS: steps, ...quiet },
  });
  await using temporal = await startBareTemporal(system.ready.temporalAddress);
  const redis = connectRedis(system.ready.redisUrl, console.error);
  const peer = { temporal, redis };
  await measureSteps(system, 10, 5);
  await storeAccounts(system, Number(values.accounts));
  console.log(`\n${circumstances()}`);
  if (values.accounts !== '0') console.log(`${values.accounts} accounts are stored`);
  for (const concurrency of values.at.split(',').map(Number))
    await round(system, peer, concurrency, concurrency === 1 ? 30 : 200);
  redis.disconnect();
} finally {
  await folder.close();
}

/** Measures baseline, product, baseline, so that a change in the machine's speed affects both sides. */
async function round(system: System, peer: Peer, concurrency: number, flows: number): Promise<void> {
  const bareTimes = timesOf(bareNames);
  refused = 0;
  const cpu: ProcessorTime = {};
  const bareCpu: ProcessorTime = {};
  const half = Math.ceil(flows / 2);
  const measureFlows = () =>
    withCpu(system, { 'bare worker': peer.temporal.pid }, bareCpu, () => measureBareFlows(peer, half, concurrency));
  await measureBare(peer, bareTimes, half, concurrency);
  let bareSeconds = await measureFlows();
  const { times, seconds } = await withCpu(system, {}, cpu, async () => {
    const measured = await measureSteps(system, flows, concurrency);
    await untilIdle(peer.temporal.client);
    return measured;
  });
  bareSeconds += await measureFlows();
  await measureBare(peer, bareTimes, half, concurrency);
  console.log(
    `\nConcurrency ${concurrency}: ${(flows / seconds).toFixed(1)} registrations per second (baseline ` +
      `${((2 * half) / bareSeconds).toFixed(1)}), ${flows} complete registrations, ${refused} calls refused with 503 and repeated`,
  );
  console.log(`Processor time of a registration: ${perOperation(cpu, flows)}`);
  console.log(`Of its baseline: ${perOperation(bareCpu, 2 * half)}`);
  printTable(
    ['step', 'p50 ms', 'p95 ms', 'baseline, p50 ms', 'ratio', ''],
    stepNames.map((name) => {
      const parts = madeOf[name] ?? [];
      const sum = parts.reduce((total, part) => total + bareTimes[part].p50, 0);
      const cells = parts.length === 0 ? ['', ''] : [sum.toFixed(1), (times[name].p50 / sum).toFixed(2)];
      return [name, times[name].p50, times[name].p95, ...cells, parts.join(' + ')];
    }),
  );
  printTable(
    ['baseline', 'p50 ms', 'p95 ms'],
    bareNames.map((name) => [name, bareTimes[name].p50, bareTimes[name].p95]),
  );
}

async function measureSteps(
  system: System,
  flows: number,
  concurrency: number,
): Promise<{ times: StepTimes; seconds: number }> {
  const times = timesOf(stepNames);
  const seconds = await inParallel(flows, concurrency, () => register(system, times));
  return { times, seconds };
}

/** Stores copies of an account and of a claim, under other ids. */
async function storeAccounts({ processes }: System, count: number): Promise<void> {
  const { DATABASE_URL: databaseUrl = '' } = processes.env('registration');
  await using database = connectMongo(databaseUrl, () => undefined);
  for (const name of ['users', 'claims']) {
    const collection = database.connection.collection<{ _id: string }>(name);
    const original = await collection.findOne();
    if (original === null) throw new Error(`There are no ${name}`);
    for (let stored = 0; stored < count; stored += 1000) {
      const copies = Array.from({ length: Math.min(1000, count - stored) }, () => ({ ...original, _id: randomUUID() }));
      await collection.insertMany(copies);
    }
  }
}

/** Registers one person, from the start to a session, as an app does. */
async function register(system: System, times: StepTimes): Promise<void> {
  const { apiUrl, outboxUrl } = system.ready;
  const number = nextPerson++ % people;
  const name = String(number).padStart(3, '0');
  const flow = await times.start.time(() => startRegistration(apiUrl));
  const put = async (stepName: keyof StepTimes, method: string, path: string, body?: unknown) => {
    const key = { 'Idempotency-Key': randomUUID() };
    const answer = await untilServed(times[stepName], () => flow.call(method, path, body, key));
    if (answer.status >= 300) throw new Error(`${method} ${path}: ${answer.status} ${JSON.stringify(answer.body)}`);
  };
  await put('directory', 'PUT', '/directory', { username: `person${name}`, password: `person-${name}` });
  await put('captcha', 'PUT', '/captcha', await solveCaptcha(apiUrl));
  await put('send', 'POST', '/codes', { channel: 'sms' });
  await put('code', 'PUT', '/code', { code: await codeFor(outboxUrl, `+${447_700_900_000 + number}`) });
  await put('finish', 'PUT', '/credentials', { password: `plum-otter-${name}-cello-73` });
  await put('session', 'POST', '/session');
}

/** Retries a call after a 503, as an app does. Records the time of the call that was served. */
async function untilServed(times: Times, ask: () => Promise<Answer>): Promise<Answer> {
  for (;;) {
    const beganAt = performance.now();
    const answer = await ask();
    if (answer.status !== 503) {
      times.add(performance.now() - beganAt);
      return answer;
    }
    refused++;
    await sleep(1000 * Number(answer.headers.get('Retry-After')));
  }
}

interface Peer {
  temporal: BareTemporal;
  redis: Redis;
}

async function measureBare(
  { temporal: { client }, redis }: Peer,
  times: BareTimes,
  runs: number,
  concurrency: number,
): Promise<void> {
  const script = loadScript(redis, 'code-check');
  const passwords = createPasswords([{ id: '00000001', key: Buffer.alloc(32) }], 2);
  await inParallel(runs, concurrency, async (index) => {
    const workflowId = `bench-${performance.now()}-${index}`;
    await times['start + update + 1 normal'].time(() => startBare(client, bare, workflowId));
    const handle = client.workflow.getHandle(workflowId);
    const update = (counts: { normal: number; local: number }) => handle.executeUpdate(step, { args: [counts] });
    await times.update.time(() => update({ normal: 0, local: 0 }));
    await times['update + 1 normal'].time(() => update({ normal: 1, local: 0 }));
    await times['update + 1 normal + 1 local'].time(() => update({ normal: 1, local: 1 }));
    await times['redis script'].time(() => script([`{bench}:${index}`, `{bench}:otp:${index}`], ['hash', 5]));
    await handle.terminate();
  });
  await inParallel(Math.min(runs, 60), concurrency, async () => {
    await times.argon2id.time(() => passwords.hash('plum-otter-cello-73'));
  });
}

/** Starts a bare workflow by its first update, which runs one activity. */
async function startBare(client: Client, workflow: typeof bare | typeof bareRegistration, workflowId: string) {
  const startWorkflowOperation = new WithStartWorkflowOperation(workflow, {
    taskQueue: 'bench',
    workflowId,
    args: [],
    workflowIdConflictPolicy: 'USE_EXISTING',
  });
  await client.workflow.executeUpdateWithStart(step, { args: [{ normal: 1, local: 0 }], startWorkflowOperation });
}

/** Runs bare registrations to their end; returns the seconds it took. */
async function measureBareFlows({ temporal: { client } }: Peer, flows: number, concurrency: number): Promise<number> {
  return inParallel(flows, concurrency, async (index) => {
    const workflowId = `bench-flow-${performance.now()}-${index}`;
    await startBare(client, bareRegistration, workflowId);
    const handle = client.workflow.getHandle(workflowId);
    await handle.executeUpdate(step, { args: [{ normal: 1, local: 0 }] });
    await handle.executeUpdate(lastStep);
    await handle.result();
  });
}

/** Resolves when no workflow runs: messages are part of a registration, and its caller does not wait for them. */
async function untilIdle(client: Client): Promise<void> {
  const running = 'WorkflowType IN ("registration", "notification") AND ExecutionStatus = "Running"';
  while ((await client.workflow.count(running)).count > 0) await sleep(50);
}

function timesOf<Name extends string>(names: readonly Name[]): Record<Name, Times> {
  return Object.fromEntries(names.map((name) => [name, new Times()])) as Record<Name, Times>;
}
