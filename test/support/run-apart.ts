/**
 * Long checks of the encryption in processes of their own, two at a time: one process would take more than the ten minutes
 * that a test file has.
 *
 *     node test/support/run-apart.ts beginnings|kills|browser-kills-1|…|browser-kills-4 <runs>
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { checkKilledBrowsers } from './browser-crash-runs.ts';
import { checkKilledProcesses } from './crash-runs.ts';
import { checkConversations, prepare } from './crypto-properties.ts';

const program = fileURLToPath(import.meta.url);

const checks = {
  beginnings: async (runs: number) => await checkConversations(await prepare({ isBegun: false }), runs),
  kills: async (runs: number) => assert.ok((await checkKilledProcesses(runs)) > runs / 2),
  // each in a quarter of a conversation: one device sends in the first two, the other one answers in the last two
  'browser-kills-1': (runs: number) => killBrowsers(runs, { from: 0, to: 0.25 }),
  'browser-kills-2': (runs: number) => killBrowsers(runs, { from: 0.25, to: 0.5 }),
  'browser-kills-3': (runs: number) => killBrowsers(runs, { from: 0.5, to: 0.75 }),
  'browser-kills-4': (runs: number) => killBrowsers(runs, { from: 0.75, to: 1 }),
} as const;

async function killBrowsers(runs: number, part: { from: number; to: number }): Promise<void> {
  assert.ok((await checkKilledBrowsers(runs, part)) > runs / 2);
}

/** Runs a check once for each number of runs. It throws when one of them fails. */
export async function runApart(check: keyof typeof checks, runs: readonly string[]): Promise<void> {
  const left = [...runs];
  const work = async () => {
    for (let next = left.shift(); next !== undefined; next = left.shift()) {
      const child = spawn(process.execPath, [program, check, next], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
      const [code] = await once(child, 'exit');
      assert.equal(code, 0, `${check} ${next}`);
    }
  };
  await Promise.all([work(), work()]);
}

if (process.argv[1] === program) {
  // the channel ends with the test, however that ends
  process.once('disconnect', () => process.exit(1));
  const [name, runs] = process.argv.slice(2);
  await checks[name as keyof typeof checks](Number(runs));
  process.exit(0);
}
