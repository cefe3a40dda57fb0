/** The operator's tool, run in this process or as a program. */
import { join } from 'node:path';
import { Readable, Writable } from 'node:stream';
import { runTool } from '../../cli/main.ts';
import type { System } from '../../engines/system.ts';
import { type Ended, type NodeOptions, projectFolder, runNode } from './node-process.ts';

/** How a run of the tool ended. */
export type Told = Pick<Ended, 'code' | 'stdout' | 'stderr'>;

interface RunOptions {
  env?: Record<string, string>;
  /** Everything on standard input; nothing without it. */
  input?: string;
}

/** Runs `vyry` in this process, with nothing but the given environment and no terminal. */
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

/** Runs `vyry` as a program, with nothing but the given environment: for tests of what only a process can show. */
export function runVyryProcess(args: string[], options: NodeOptions = {}): Promise<Ended> {
  const program = join(projectFolder, 'cli', 'main.ts');
  return runNode(['--disable-warning=ExperimentalWarning', '--', program, ...args], options);
}

/** Runs `vyry` for a system, by the file that its starter has written; given variables win over it. */
export function vyryFor({ folder }: System, env: Record<string, string> = {}) {
  const file = join(folder.path, 'operator.env');
  return (args: string[], input?: string): Promise<Told> =>
    runVyry([...args, '--env-file', file], { env, ...(input !== undefined && { input }) });
}

/** As `vyryFor`, as a program. */
export function vyryProcessFor({ folder }: System) {
  const file = join(folder.path, 'operator.env');
  return (args: string[], input?: string): Promise<Ended> =>
    runVyryProcess([...args, '--env-file', file], input === undefined ? {} : { input });
}

/** What a command printed with `--json`, which has to succeed. */
// biome-ignore lint/suspicious/noExplicitAny: answers are what is under test; assertions say what they are
export function jsonOf({ code, stdout, stderr }: Told): any {
  if (code !== 0) throw new Error(`Exit code ${code}: ${stderr}${stdout}`);
  return JSON.parse(stdout);
}
