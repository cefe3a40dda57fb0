/**
 * `npm run soak:messages`: many messages between many devices on two gateways. Meanwhile both gateways and Redis are killed
 * and started again. In the end a replica of Redis takes over, which the network has cut off a second before, while a
 * fifth of the devices is not connected. The same run is made under MESSAGE_DURABILITY=replica, which must lose nothing,
 * and under memory, where the fail-over loses messages: that shows that the run can see a loss.
 *
 * Options: `--messages 1000000`, `--devices 1000`, `--durability replica,memory`. It prints the figures with machine and
 * commit. The exit code is 1 when the run under replica lost, doubled or reordered a message, or one came late, or when
 * the run under memory lost none.
 */
import { parseArgs } from 'node:util';
import { openTemporaryFolder } from '../engines/data-folder.ts';
import { startMongo } from '../engines/mongo.ts';
import { compileCacheFolder } from '../engines/processes.ts';
import { variables } from '../platform/config/variables.ts';
import type { LoadDevice } from '../test/support/load/devices.ts';
import { type LoadResult, runLoad } from '../test/support/load/run.ts';
import { connectDevices, type LoadSystem, startLoadSystem } from '../test/support/load/system.ts';
import { circumstances, printTable } from './figures.ts';

const { values } = parseArgs({
  options: {
    messages: { type: 'string', default: '1000000' },
    devices: { type: 'string', default: '1000' },
    durability: { type: 'string', default: 'replica,memory' },
  },
});
const messages = Number(values.messages);
const progressMs = 10_000;
/** Of so many devices one is not connected when the replica takes over. */
const awayEvery = 5;
const headings = ['', 'sent', 'lost', 'doubled', 'disordered', 'late', 'repeated', 'retries', 'recognized', 'per s'];

const limitsOff = Object.fromEntries(
  Object.keys(variables)
    .filter((name) => name.startsWith('LIMIT_'))
    .map((name) => [name, '1000000/60']),
);

console.log(`\n${circumstances()}`);
const rows: (string | number)[][] = [];
for (const durability of values.durability.split(',')) {
  const { row, isAsPromised } = await soak(durability);
  rows.push(row);
  printTable(headings, [row]);
  if (!isAsPromised) process.exitCode = 1;
}
console.log(`\n${messages} messages between ${values.devices} devices; ${circumstances()}`);
printTable(headings, rows);

/** Runs the messages with all faults under one setting of the durability. */
async function soak(durability: string): Promise<{ row: (string | number)[]; isAsPromised: boolean }> {
  console.log(`\nMESSAGE_DURABILITY=${durability}`);
  const folder = await openTemporaryFolder();
  try {
    const { url: databaseUrl } = await startMongo({ folder });
    const load = await startLoadSystem(folder, {
      databaseUrl,
      gateways: 2,
      devices: Number(values.devices),
      database: 'soak',
      hasReplica: true,
      env: { ...limitsOff, MESSAGE_DURABILITY: durability, JWT_EXPIRATION: '86400', SOCKETS_PER_ADDRESS: '100000' },
      compileCache: compileCacheFolder,
    });
    const { devices, tally } = connectDevices(folder, load);
    const report = setInterval(() => say(`${tally.answered} of ${messages} messages`), progressMs);
    const result = await runLoad(devices, {
      messages,
      tally,
      say,
      faults: [
        { name: 'the first gateway is killed', after: 0.15, happen: () => load.restartGateway(0) },
        { name: 'the second gateway is killed', after: 0.3, happen: () => load.restartGateway(1) },
        { name: 'Redis is killed', after: 0.45, happen: () => load.restartRedis() },
        { name: 'the first gateway is killed', after: 0.6, happen: () => load.restartGateway(0) },
        { name: 'the replica takes over', after: 0.75, happen: () => failOver(load, devices) },
      ],
    });
    clearInterval(report);
    const { sent, lost, doubled, disordered, late, repeated, seconds } = result;
    const { retries, recognized } = tally;
    const counts = [sent, lost, doubled, disordered, late, repeated, retries, recognized].map(String);
    return { row: [durability, ...counts, sent / seconds], isAsPromised: isAsPromised(durability, result) };
  } finally {
    await folder.close();
  }
}

/** Lets the replica take over while some devices are not connected: the others have got most messages before. */
async function failOver(load: LoadSystem, devices: readonly LoadDevice[]): Promise<void> {
  const away = devices.filter((_, index) => index % awayEvery === 0);
  const returns = await Promise.all(away.map((device) => device.leave()));
  await load.failOver();
  for (const comeBack of returns) comeBack();
}

/** Under memory the fail-over must lose some, otherwise the run could not see a loss. */
function isAsPromised(durability: string, { lost, doubled, disordered, late }: LoadResult): boolean {
  if (durability === 'memory') return lost > 0;
  return lost + doubled + disordered + late === 0;
}

function say(line: string): void {
  console.log(`${new Date().toISOString().slice(11, 19)} ${line}`);
}
