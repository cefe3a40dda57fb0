/** The operator's tool, run as a program. */
import { join } from 'node:path';
import type { System } from '../../engines/system.ts';
import { type Ended, type NodeOptions, projectFolder, runNode } from './node-process.ts';

/** Runs `vyry` with nothing but the given environment. */
export function runVyry(args: string[], options: NodeOptions = {}): Promise<Ended> {
  const program = join(projectFolder, 'cli', 'main.ts');
  return runNode(['--disable-warning=ExperimentalWarning', '--', program, ...args], options);
}

/** Runs `vyry` for a system, by the file that its starter has written; given variables win over it. */
export function vyryFor({ folder }: System, env: Record<string, string> = {}) {
  const file = join(folder.path, 'operator.env');
  return (args: string[], input?: string): Promise<Ended> =>
    runVyry([...args, '--env-file', file], { env, ...(input !== undefined && { input }) });
}

/** What a command printed with `--json`, which has to succeed. */
// biome-ignore lint/suspicious/noExplicitAny: answers are what is under test; assertions say what they are
export function jsonOf({ code, stdout, stderr }: Ended): any {
  if (code !== 0) throw new Error(`Exit code ${code}: ${stderr}${stdout}`);
  return JSON.parse(stdout);
}
