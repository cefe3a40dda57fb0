/** Short-lived Node processes, for tests of signals, output and permissions. */
import { spawn } from 'node:child_process';
import { resolve } from 'node:path';

/** Root folder of the project. */
export const projectFolder = resolve(import.meta.dirname, '../..');

/**
 * Maximum run time of a program. It only ends programs that hang, and is longer than any takes on a starved machine.
 */
const runMs = 180_000;

/** How a program ended. */
export interface Ended {
  code: number | null;
  signal: NodeJS.Signals | null;
  stdout: string;
  stderr: string;
  ms: number;
}

/** Options of a program. */
export interface NodeOptions {
  env?: Record<string, string>;
  /** The complete standard input; none if it is omitted. */
  input?: string;
  /** Called with all standard output so far, at each chunk. */
  onOutput?: (stdout: string, kill: (signal: NodeJS.Signals) => void, pid: number) => void;
  timeoutMs?: number;
}

/** Runs Node to its end in the project folder, with only the given environment. */
export function runNode(
  args: string[],
  { env = {}, input, onOutput, timeoutMs = runMs }: NodeOptions = {},
): Promise<Ended> {
  const startedAt = performance.now();
  const child = spawn(process.execPath, args, {
    cwd: projectFolder,
    env,
    stdio: [input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
  });
  child.stdin?.end(input);
  let stdout = '';
  let stderr = '';
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
    onOutput?.(stdout, (signal) => child.kill(signal), child.pid ?? 0);
  });
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  const timer = setTimeout(() => child.kill('SIGKILL'), timeoutMs);
  return new Promise((done, fail) => {
    child.once('error', fail);
    child.once('close', (code, signal) => {
      clearTimeout(timer);
      done({ code, signal, stdout, stderr, ms: performance.now() - startedAt });
    });
  });
}

/** Runs a module given as text; imports are relative to the project folder. */
export function runModule(text: string, { flags = [], ...options }: NodeOptions & { flags?: string[] } = {}) {
  return runNode(
    ['--disable-warning=ExperimentalWarning', ...flags, '--input-type=module-typescript', '-e', text],
    options,
  );
}

/** Returns the JSON lines of a log, parsed. */
export function linesOf(stdout: string): Record<string, unknown>[] {
  return stdout
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line) as Record<string, unknown>);
}
