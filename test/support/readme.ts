/** The README as a reader follows it: its shell blocks, and the addresses that it names. */
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import type { Ready } from '../../engines/system.ts';

const readme = readFileSync(resolve(import.meta.dirname, '../../README.md'), 'utf8');

/** Returns the shell blocks of the README, in order: what starts it, and the calls by hand. */
export function shellBlocks(): string[] {
  return [...readme.matchAll(/^```sh\n([\s\S]*?)^```$/gm)].map(([, block = '']) => block);
}

/** Returns the steps with which the README starts the system for the calls by hand. */
export function stepsByHand(): string {
  const steps = /`REGISTRATION_STEPS=(\S+) npm start`/.exec(readme)?.[1];
  if (steps === undefined) throw new Error('The README does not say how to start for the calls by hand');
  return steps;
}

/** What a block printed, and the second (Unix time) at which it ended. */
export interface BlockRun {
  output: string;
  endedAtSecond: number;
}

/**
 * Runs a block in a shell, word by word; its addresses become those of a running system.
 *
 * @throws {Error} a command of the block failed
 */
export async function runBlock(
  block: string,
  { apiUrl, outboxUrl }: Pick<Ready, 'apiUrl' | 'outboxUrl'>,
): Promise<BlockRun> {
  const text = block.replaceAll('http://127.0.0.1:8000', apiUrl).replaceAll('http://127.0.0.1:8025', outboxUrl);
  const output = await new Promise<string>((done, fail) => {
    execFile('sh', ['-euc', text], (err, stdout, stderr) =>
      err === null ? done(stdout + stderr) : fail(new Error(`${stdout}${stderr}`, { cause: err })),
    );
  });
  return { output, endedAtSecond: Math.floor(Date.now() / 1000) };
}
