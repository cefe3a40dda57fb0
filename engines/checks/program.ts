/** Runs a program of a check. */
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { projectFolder } from '../processes.ts';

/** What a program printed. */
export interface Run {
  /** Exit code; 1 when a signal ended it. */
  code: number;
  output: string;
  errors: string;
}

/** Runs a program of node_modules/.bin, or a file of the project, to its end. */
export async function runProgram(program: string, args: readonly string[]): Promise<Run> {
  const path = program.includes('/') ? program : join('node_modules', '.bin', program);
  const child = spawn(process.execPath, [join(projectFolder, path), ...args], {
    cwd: projectFolder,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const ended = new Promise<number>((done, fail) => {
    child.once('error', fail);
    child.once('close', (code) => done(code ?? 1));
  });
  const [code, output, errors] = await Promise.all([ended, text(child.stdout), text(child.stderr)]);
  return { code, output, errors };
}
