/**
 * `npm run bench:idle`: measures the processor time that each process of a system takes while nobody uses it. What its
 * schedules do by default is part of it.
 *
 * It starts a private system and waits for a minute: after the start of a process, and after work, V8 compiles and collects
 * garbage in the background for about as long. It prints the figures with machine and commit, and asserts nothing.
 * `-- --people 100` registers people before, whose directory entries a schedule checks; `-- --seconds 300` measures for
 * longer.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { openTemporaryFolder } from '../engines/data-folder.ts';
import { type System, startSystemIn } from '../engines/system.ts';
import { completedRegistration } from '../test/support/registrations.ts';
import { limitsOff } from '../test/support/system.ts';
import { circumstances, cpuMs, inParallel, printTable } from './figures.ts';

const { values } = parseArgs({
  options: { seconds: { type: 'string', default: '60' }, people: { type: 'string', default: '0' } },
});
const [seconds, people] = [Number(values.seconds), Number(values.people)];
const settleSeconds = 60;
/** People who register at the same time. */
const atOnce = 4;

const folder = await openTemporaryFolder();
try {
  const system = await startSystemIn(folder, { env: { ...limitsOff, CAPTCHA_COST: '2', LOG_LEVEL: 'warn' } });
  await inParallel(people, atOnce, async (person) => void (await completedRegistration(system, person)));
  await sleep(settleSeconds * 1000);
  const { roles, engines } = pidsOf(system);
  const [ofRoles, ofEngines] = await Promise.all([measure(roles), measure(engines)]);
  console.log(
    `\n${circumstances()}\nMilliseconds of processor time a second, over ${seconds} s without requests, ${people} people\n`,
  );
  printTable(['process', 'ms/s'], [...ofRoles, ['roles together', sumOf(ofRoles)], ...ofEngines]);
  console.log(`\nroles and Temporal together: ${(sumOf(ofRoles) + (ofEngines[0]?.[1] ?? 0)).toFixed(1)} ms/s`);
} finally {
  await folder.close();
}

type Pids = [name: string, pid: number][];
type Row = [name: string, msPerSecond: number];

function pidsOf({ ready, engines }: System): { roles: Pids; engines: Pids } {
  const started = [engines?.temporal, engines?.redis, engines?.mongo, engines?.ldap];
  return {
    roles: Object.entries(ready.pids),
    engines: started.flatMap((engine): Pids => (engine?.process ? [[engine.name, engine.process.pid]] : [])),
  };
}

async function measure(pids: Pids): Promise<Row[]> {
  const before = pids.map(([, pid]) => cpuMs(pid));
  await sleep(seconds * 1000);
  return pids.map(([name, pid], at) => [name, (cpuMs(pid) - (before[at] ?? 0)) / seconds]);
}

function sumOf(rows: Row[]): number {
  return rows.reduce((sum, [, msPerSecond]) => sum + msPerSecond, 0);
}
