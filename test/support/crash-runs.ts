/** Runs of two devices whose processes are killed at a random await, and what must be true after them. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fromBase64, toBase64 } from '../../client/bytes.ts';
import { prepare } from './crypto-properties.ts';

/**
 * Runs the process of test/support/crash-child.ts so many times, each with one more message of both devices. It throws
 * unless every message has arrived once and no key has encrypted two.
 *
 * @returns how many processes were killed
 */
export async function checkKilledProcesses(runs: number): Promise<number> {
  const folder = await mkdtemp(join(tmpdir(), 'vyry-crash-'));
  try {
    const { states } = await prepare({ isBegun: true });
    await writeFile(join(folder, 'alice.json'), JSON.stringify(states[0]));
    await writeFile(join(folder, 'bob.json'), JSON.stringify(states[1]));
    for (const name of ['wire', 'acknowledged', 'application']) await mkdir(join(folder, name));
    const callbacks = await runWhole(folder, 1);
    let killed = 0;
    for (let run = 2; run <= runs + 1; run += 1) {
      const killAt = 1 + Math.floor(Math.random() * callbacks);
      killed += (await runChild(folder, { messages: run, killAt })).isKilled ? 1 : 0;
    }
    await runWhole(folder, runs + 1);
    await checkFolder(folder, runs + 1);
    return killed;
  } finally {
    await rm(folder, { recursive: true });
  }
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

/** A message that a run was killed before is queued by one of the next runs. */
async function checkFolder(folder: string, messages: number): Promise<void> {
  const arrived = (await readdir(join(folder, 'application'))).filter((name) => !name.endsWith('.new'));
  const sent = (await readdir(join(folder, 'wire'))).filter((name) => !name.endsWith('.new'));
  assert.deepEqual(arrived.sort(), sent.sort());
  assert.ok(sent.length >= messages, `${sent.length} messages were sent`);
  const keys = new Set<string>();
  for (const name of sent) {
    assert.equal(await readFile(join(folder, 'application', name), 'utf8'), name);
    keys.add(toBase64(fromBase64(await readFile(join(folder, 'wire', name), 'utf8')).subarray(2, 38)));
  }
  assert.equal(keys.size, sent.length, 'a ratchet key and a number name one message');
}
