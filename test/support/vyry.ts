/** The operator tool, run in this process or as a program. */
import { join } from 'node:path';
import { Readable, Writable } from 'node:stream';
import { runTool } from '../../cli/main.ts';
import type { System } from '../../engines/system.ts';
import { type Ended, type NodeOptions, projectFolder, runNode } from './node-process.ts';

/** The result of a run. */
export type Told = Pick<Ended, 'code' | 'stdout' | 'stderr'>;

interface RunOptions {
  env?: Record<string, string>;
  /** The complete standard input; none if it is omitted. */
  input?: string;
}

/** Runs `vyry` in this process, with only the given environment and without a terminal. */
export async function runVyry(args: string[], { env = {}, input }: RunOptions = {}): Promise<Told> {
  const [stdout, stderr]: [string[], string[]] = [[], []];
  const writing = (to: string[]) =>
    new Writable({
      write(chunk, _encoding, done) {
        to.push(String(chunk));
        done();
      },
    });
  const code = await runTool(args, {
    input: Readable.from(input === undefined ? [] : [input]),
    output: writing(stdout),
    errors: writing(stderr),
    env,
  });
  return { code, stdout: stdout.join(''), stderr: stderr.join('') };
}

/** Runs `vyry` as a program, with only the given environment: for tests of process behavior. */
export function runVyryProcess(args: string[], options: NodeOptions = {}): Promise<Ended> {
  const program = join(projectFolder, 'cli', 'main.ts');
  return runNode(['--disable-warning=ExperimentalWarning', '--', program, ...args], options);
}

/**
 * Returns a function that runs `vyry` for a system, with the environment file that its starter has written; the given
 * variables win.
 */
export function vyryFor({ folder }: System, env: Record<string, string> = {}) {
  const file = join(folder.path, 'operator.env');
  return (args: string[], input?: string): Promise<Told> =>
    runVyry([...args, '--env-file', file], { env, ...(input !== undefined && { input }) });
}

/** Like `vyryFor`, but runs `vyry` as a program. */
export function vyryProcessFor({ folder }: System) {
  const file = join(folder.path, 'operator.env');
  return (args: string[], input?: string): Promise<Ended> =>
    runVyryProcess([...args, '--env-file', file], input === undefined ? {} : { input });
}

/**
 * Returns the `--json` output of a successful command.
 * @throws {Error} the exit code is not 0
 */
// biome-ignore lint/suspicious/noExplicitAny: responses are under test; assertions check their shape
export function jsonOf({ code, stdout, stderr }: Told): any {
  if (code !== 0) throw new Error(`Exit code ${code}: ${stderr}${stdout}`);
  return JSON.parse(stdout);
}
