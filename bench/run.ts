/**
 * `npm run bench`: measures registrations per second and the time of each step. The baseline is the bare Temporal
 * starts, updates and activities, Redis scripts and Argon2 hashes that a step consists of, measured in turn in the same
 * run.
 *
 * It starts a private system. It prints the figures with machine and commit, and asserts nothing.
 */
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { createPasswords } from '../adapters/passwords.ts';
import { connectRedis, loadScript, type Redis } from '../adapters/redis/connect.ts';
import { openTemporaryFolder } from '../engines/data-folder.ts';
import { type System, startSystemIn } from '../engines/system.ts';
import { type Answer, codeFor, solveCaptcha, startRegistration } from '../test/support/client.ts';
import { limitsOff } from '../test/support/system.ts';
import { type BareTemporal, startBareTemporal } from './bare-temporal.ts';
import { bare, step } from './bare-workflows.ts';
import { circumstances, inParallel, printTable, Times } from './figures.ts';

const stepNames = ['start', 'directory', 'captcha', 'send', 'code', 'finish', 'session'] as const;
const bareNames = [
  'start',
  'update',
  'update + 1 local',
  'update + 3 normal + 2 local',
  'redis script',
  'argon2id',
] as const;
type StepTimes = Record<(typeof stepNames)[number], Times>;
type BareTimes = Record<(typeof bareNames)[number], Times>;

/** The parts of a step, by the names of the baseline measurements. */
const madeOf: Partial<Record<keyof StepTimes, (keyof BareTimes)[]>> = {
  start: ['redis script'],
  captcha: ['update + 1 local', 'redis script'],
  code: ['update + 1 local', 'redis script'],
  finish: ['update + 3 normal + 2 local', 'argon2id'],
};

const people = 1000;
let nextPerson = 0;
let repeats = 0;

const folder = await openTemporaryFolder();
try {
  const system = await startSystemIn(folder, {
    env: { ...limitsOff, CAPTCHA_COST: '2', LOG_LEVEL: 'warn', ARGON2_CONCURRENCY: '2' },
  });
  await using temporal = await startBareTemporal(system.ready.temporalAddress);
  const redis = connectRedis(system.ready.redisUrl, console.error);
  const peer = { temporal, redis };
  await measureSteps(system, 10, 5);
  console.log(`\n${circumstances()}`);
  for (const [concurrency, flows] of [
    [1, 30],
    [50, 250],
  ] as const)
    await round(system, peer, concurrency, flows);
  redis.disconnect();
} finally {
  await folder.close();
}

/** Measures baseline, product, baseline, so that a change in the machine's speed affects both sides. */
async function round(system: System, peer: Peer, concurrency: number, flows: number): Promise<void> {
  const bareTimes = timesOf(bareNames);
  repeats = 0;
  await measureBare(peer, bareTimes, Math.ceil(flows / 2), concurrency);
  const { times, seconds } = await measureSteps(system, flows, concurrency);
  await measureBare(peer, bareTimes, Math.floor(flows / 2), concurrency);
  console.log(
    `\nConcurrency ${concurrency}: ${(flows / seconds).toFixed(1)} registrations per second, ${flows} complete registrations, ` +
      `${repeats} calls retried after a 503`,
  );
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

/** Registers one person, from the start to a session, as an app does. */
async function register(system: System, times: StepTimes): Promise<void> {
  const { apiUrl, outboxUrl } = system.ready;
  const number = nextPerson++ % people;
  const name = String(number).padStart(3, '0');
  const flow = await times.start.time(() => startRegistration(apiUrl));
  const put = async (stepName: keyof StepTimes, method: string, path: string, body?: unknown) => {
    const key = { 'Idempotency-Key': randomUUID() };
    const answer = await times[stepName].time(() => untilServed(() => flow.call(method, path, body, key)));
    if (answer.status >= 300) throw new Error(`${method} ${path}: ${answer.status} ${JSON.stringify(answer.body)}`);
  };
  await put('directory', 'PUT', '/directory', { username: `person${name}`, password: `person-${name}` });
  await put('captcha', 'PUT', '/captcha', await solveCaptcha(apiUrl));
  await put('send', 'POST', '/codes', { channel: 'sms' });
  await put('code', 'PUT', '/code', { code: await codeFor(outboxUrl, `+${447_700_900_000 + number}`) });
  await put('finish', 'PUT', '/credentials', { password: `plum-otter-${name}-cello-73` });
  await put('session', 'POST', '/session');
}

/** Retries a call after a 503, as an app does; the wait counts in its duration. */
async function untilServed(ask: () => Promise<Answer>): Promise<Answer> {
  for (;;) {
    const answer = await ask();
    if (answer.status !== 503) return answer;
    repeats++;
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
  const passwords = createPasswords(Buffer.alloc(32), 2);
  await inParallel(runs, concurrency, async (index) => {
    const workflowId = `bench-${performance.now()}-${index}`;
    const handle = await times.start.time(() => client.workflow.start(bare, { taskQueue: 'bench', workflowId }));
    const update = (counts: { normal: number; local: number }) => handle.executeUpdate(step, { args: [counts] });
    await update({ normal: 0, local: 0 });
    await times.update.time(() => update({ normal: 0, local: 0 }));
    await times['update + 1 local'].time(() => update({ normal: 0, local: 1 }));
    await times['update + 3 normal + 2 local'].time(() => update({ normal: 3, local: 2 }));
    await times['redis script'].time(() => script([`{bench}:${index}`, `{bench}:otp:${index}`], ['hash', 5]));
    await handle.terminate();
  });
  await inParallel(Math.min(runs, 60), concurrency, async () => {
    await times.argon2id.time(() => passwords.hash('plum-otter-cello-73'));
  });
}

function timesOf<Name extends string>(names: readonly Name[]): Record<Name, Times> {
  return Object.fromEntries(names.map((name) => [name, new Times()])) as Record<Name, Times>;
}
