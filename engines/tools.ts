/** Runs programs to their end: compilers, package managers, loaders. */
import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { text } from 'node:stream/consumers';
import type { DataFolder } from './data-folder.ts';
import { signalGroup } from './process-table.ts';

/** Time for an interrupted tool to clean up, in milliseconds. */
const graceMs = 10_000;

/**
 * Runs a tool to its end and returns its output. It runs in its own process group (a terminal's Ctrl-C does not reach
 * it). Closing the folder interrupts the tool and its children and waits until they have ended. When this process is
 * killed, the next starter that opens the folder stops the tool. `onProgress` gets each line of its stderr.
 *
 * @throws {Error} the tool failed (the message quotes its last lines), or the folder was closed
 */
export async function runTool(
  folder: DataFolder,
  command: string,
  args: string[],
  { onProgress, ...options }: { cwd?: string; env?: NodeJS.ProcessEnv; onProgress?: (line: string) => void } = {},
): Promise<string> {
  folder.signal.throwIfAborted();
  const tool = spawn(command, args, { ...options, detached: true, stdio: ['ignore', 'pipe', 'pipe'] });
  if (onProgress) createInterface({ input: tool.stderr }).on('line', onProgress);
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

/** Resolves when the tool and its output have ended: to the reason of a failure, or to undefined. */
function endOf(tool: ChildProcess): Promise<string | undefined> {
  return new Promise((done) => {
    tool.once('error', (err) => done(err.message));
    tool.once('close', (code, signal) => done(code === 0 ? undefined : (signal ?? `exit code ${code}`)));
  });
}

/** Sends SIGINT, after which tools clean up; then SIGKILL. */
async function interrupt({ pid }: ChildProcess, ended: Promise<unknown>): Promise<void> {
  if (pid === undefined) return;
  signalGroup(pid, 'SIGINT');
  const force = setTimeout(() => signalGroup(pid, 'SIGKILL'), graceMs);
  await ended.finally(() => clearTimeout(force));
}
