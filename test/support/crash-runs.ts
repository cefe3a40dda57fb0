/** Runs of two devices on file stores whose processes are killed at a random await. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { checkConversation, createCrashFolder } from './crash-folder.ts';

/**
 * Runs the process of test/support/crash-child.ts so many times, each with one more message of both devices. It throws
 * unless every message has arrived once and no key has encrypted two.
 *
 * @returns how many processes were killed
 */
export async function checkKilledProcesses(runs: number): Promise<number> {
  await using folder = await createCrashFolder();
  await writeFile(join(folder.path, 'alice.json'), JSON.stringify(folder.alice));
  await writeFile(join(folder.path, 'bob.json'), JSON.stringify(folder.bob));
  const callbacks = await runWhole(folder.path, 1);
  let killed = 0;
  for (let run = 2; run <= runs + 1; run += 1) {
    const killAt = 1 + Math.floor(Math.random() * callbacks);
    killed += (await runChild(folder.path, { messages: run, killAt })).isKilled ? 1 : 0;
  }
  await runWhole(folder.path, runs + 1);
  await checkConversation(folder.path, runs + 1);
  return killed;
}

/** Returns the number of callbacks of a whole run. */
async function runWhole(folder: string, messages: number): Promise<number> {
  const { output } = await runChild(folder, { messages, killAt: 0 });
  assert.match(output, /^\d+\n$/);
  return Number(output);
}

async function runChild(folder: string, { messages, killAt }: { messages: number; killAt: number }) {
  const program = join(import.meta.dirname, 'crash-child.ts');
  const child = spawn(process.execPath, [program, folder, String(messages), String(killAt)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [output, [code, signal]] = await Promise.all([text(child.stdout), once(child, 'exit')]);
  assert.ok(code === 0 || signal === 'SIGKILL', `killed at ${killAt}: it ended with ${code}`);
  return { output, isKilled: signal === 'SIGKILL' };
}
