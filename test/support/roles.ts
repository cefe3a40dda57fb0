/**
 * Processes of the product with the command that `workers/run.ts` replaces itself with, and with access to their
 * output.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import type { Role } from '../../platform/config/roles.ts';
import { commandOf, scrubbedEnvironment } from '../../workers/run.ts';
import { projectFolder } from './node-process.ts';
import { hangMs } from './until.ts';

/** A running process of a role. */
export interface RoleProcess {
  readonly pid: number;
  /** All output so far, standard output and standard error. */
  output(): string;
  /** Sends a signal to the process. */
  signal(signal: NodeJS.Signals): void;
  /**
   * Resolves with the first truthy result of `look`; throws when the process exits or the time limit is reached first.
   */
  until<T>(look: (output: string) => T | undefined | false): Promise<T>;
  /** Resolves with the exit code, or the signal. */
  ended(): Promise<number | string>;
}

/** Starts a role with its variables from `env`; `nodeArguments` precede the Node arguments of the role. */
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
      throw new Error(`${role} did not print it. Its output:\n${output}`);
    },
    ended: () => exited,
  };
}

/** Returns whether a process has logged that it is ready. */
export function isStarted(output: string): boolean {
  return output.includes('"event":"process.started"');
}
