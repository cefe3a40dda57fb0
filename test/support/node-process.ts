/** Short-lived Node processes for tests of what only a process of its own can show: signals, output, permissions. */
import { spawn } from 'node:child_process';
import { resolve } from 'node:path';

export const projectFolder = resolve(import.meta.dirname, '../..');

/** Longest a program may run to its end: a limit against hanging, beyond what any takes on a starved machine. */
const runMs = 180_000;

export interface Ended {
  code: number | null;
  signal: NodeJS.Signals | null;
  stdout: string;
  stderr: string;
  ms: number;
}

export interface NodeOptions {
  env?: Record<string, string>;
  /** Everything on standard input; nothing without it. */
  input?: string;
  /** Called with everything on standard output so far, at each piece. */
  onOutput?: (stdout: string, kill: (signal: NodeJS.Signals) => void, pid: number) => void;
  timeoutMs?: number;
}

/** Runs Node in the folder of the project with nothing but the given environment, to its end. */
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

/** Runs a module given as text; its imports are relative to the folder of the project. */
export function runModule(text: string, { flags = [], ...options }: NodeOptions & { flags?: string[] } = {}) {
  return runNode(
    ['--disable-warning=ExperimentalWarning', ...flags, '--input-type=module-typescript', '-e', text],
    options,
  );
}

/** The lines of a log, parsed. */
export function linesOf(stdout: string): Record<string, unknown>[] {
  return stdout
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line) as Record<string, unknown>);
}
