/** Processes of the product as `workers/run.ts` would replace itself by them, with their output at hand. */
import { type ChildProcess, spawn } from 'node:child_process';
import type { Role } from '../../platform/config.ts';
import { commandOf, scrubbedEnvironment } from '../../workers/run.ts';
import { projectFolder } from './node-process.ts';
import { hangMs } from './until.ts';

export interface RoleProcess {
  readonly pid: number;
  /** Everything on standard output and error so far. */
  output(): string;
  signal(signal: NodeJS.Signals): void;
  /** Resolves when the output has what is looked for; throws when the process ends or the time is over first. */
  until<T>(look: (output: string) => T | undefined | false): Promise<T>;
  /** Resolves with the exit code, or the signal. */
  ended(): Promise<number | string>;
}

/** Starts a role from the environment of everybody; Node gets the arguments given before those of the role. */
export function startRole(role: Role, env: NodeJS.ProcessEnv, nodeArguments: string[] = []): RoleProcess {
  const scrubbed = scrubbedEnvironment(role, env);
  const child = spawn(process.execPath, [...nodeArguments, ...commandOf(role, scrubbed)], {
    cwd: projectFolder,
    env: scrubbed,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  return recordTelemetry(role, child);
}

function recordTelemetry(role: Role, child: ChildProcess): RoleProcess {
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding('utf8').on('data', (text: string) => {
      output += text;
    });
  }
  const exited = new Promise<number | string>((done) => {
    child.once('close', (code, signal) => done(signal ?? code ?? 'unknown'));
  });
  return {
    pid: child.pid ?? 0,
    output: () => output,
    signal: (signal) => void child.kill(signal),
    async until(look) {
      for (const deadline = Date.now() + hangMs; Date.now() < deadline; ) {
        const found = look(output);
        if (found) return found;
        if (child.exitCode !== null) break;
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
      throw new Error(`${role} did not say it; it said:\n${output}`);
    },
    ended: () => exited,
  };
}

/** Tells that a process is ready. */
export function isStarted(output: string): boolean {
  return output.includes('"event":"process.started"');
}
