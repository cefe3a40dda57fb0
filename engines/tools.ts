/** Programs that are run to their end: compilers, package managers, what fills a directory. */
import { type ChildProcess, spawn } from 'node:child_process';
import { text } from 'node:stream/consumers';
import type { DataFolder } from './data-folder.ts';
import { signalGroup } from './process-table.ts';

/** Longest an interrupted tool may take to clear up, ms. */
const graceMs = 10_000;

/**
 * Runs a tool to its end and gives its output. It runs in its own process group (a terminal's Ctrl-C does not reach it):
 * closing the folder interrupts it, with all that it runs, and waits until it has ended; when this process is killed, the
 * next who opens the folder stops it.
 *
 * @throws {Error} it failed (quotes the end of what it said), or the folder was closed
 */
export async function runTool(
  folder: DataFolder,
  command: string,
  args: string[],
  options: { cwd?: string; env?: NodeJS.ProcessEnv } = {},
): Promise<string> {
  folder.signal.throwIfAborted();
  const tool = spawn(command, args, { ...options, detached: true, stdio: ['ignore', 'pipe', 'pipe'] });
  const ended = endOf(tool);
  let isRunning = true;
  if (tool.pid !== undefined) folder.record(command, tool.pid);
  folder.onClose(async () => {
    if (isRunning) await interrupt(tool, ended);
  });
  const [how, output, errors] = await Promise.all([ended, text(tool.stdout), text(tool.stderr)]);
  isRunning = false;
  if (tool.pid !== undefined) folder.forget(tool.pid);
  folder.signal.throwIfAborted();
  if (how === undefined) return output;
  const quote = (errors.trim() || output.trim()).split('\n').slice(-4).join('\n    ');
  throw new Error(`${command} ${args[0] ?? ''} failed: ${quote || how}`);
}

/** Resolves when it and whatever writes to the same output has ended: to why it failed, or nothing. */
function endOf(tool: ChildProcess): Promise<string | undefined> {
  return new Promise((done) => {
    tool.once('error', (err) => done(err.message));
    tool.once('close', (code, signal) => done(code === 0 ? undefined : (signal ?? `exit code ${code}`)));
  });
}

/** As Ctrl-C would, which tools clear up after; then SIGKILL. */
async function interrupt({ pid }: ChildProcess, ended: Promise<unknown>): Promise<void> {
  if (pid === undefined) return;
  signalGroup(pid, 'SIGINT');
  const force = setTimeout(() => signalGroup(pid, 'SIGKILL'), graceMs);
  await ended.finally(() => clearTimeout(force));
}
