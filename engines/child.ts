/** Runs one long-running program: starts it, waits until it answers, kills and restarts it on request, stops it. */
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { DataFolder } from './data-folder.ts';
import { signalGroup } from './process-table.ts';

/** The program to run, and how to tell that it is ready. */
export interface ChildOptions {
  name: string;
  command: string;
  args: string[];
  /** The whole environment; that of this process by default. */
  env?: NodeJS.ProcessEnv;
  cwd?: string;
  /**
   * Resolves when the program answers. While it throws it is called again, as long as the program runs. `output`
   * returns the output since the start.
   */
  ready: (output: () => string) => Promise<unknown>;
  /** Longest wait between SIGTERM and SIGKILL. */
  stopTimeoutMs?: number;
  /** Restart the program when it ends on its own. */
  keepAlive?: boolean;
  /** Called after every start except the first. */
  onRestart?: () => void;
}

/** A running program. */
export interface Child extends AsyncDisposable {
  readonly name: string;
  /** Of the latest start. */
  readonly pid: number;
  readonly isRunning: boolean;
  readonly logFile: string;
  /**
   * Signals the program and resolves when it has ended. It is not restarted, even with `keepAlive`, until `start()`.
   */
  kill(signal?: NodeJS.Signals): Promise<void>;
  /** Kills the program as a crash would: with `keepAlive` it is restarted. */
  crash(): void;
  /** Runs the same command again, after `kill()`; resolves when the program answers. */
  start(): Promise<void>;
  /** Stops the program permanently: SIGTERM, then SIGKILL. */
  stop(): Promise<void>;
}

/** How often the console shows that a program has not answered yet. */
const waitNotificationMs = 30_000;

const backOff = { firstMs: 100, maxMs: 30_000, forgetAfterMs: 30_000 };

/**
 * Starts a program in its own process group (a terminal's Ctrl-C does not reach it), writes its output to
 * `<name>.log` of the folder, and resolves when the program answers. Closing the folder stops it.
 *
 * @throws {Error} the program ended before it answered; the message names the log and quotes its last lines
 */
export async function startChild(folder: DataFolder, options: ChildOptions): Promise<Child> {
  const child = createChild(folder, options);
  folder.onClose(() => child.stop());
  await child.start();
  return child;
}

function createChild(folder: DataFolder, options: ChildOptions): Child {
  const logFile = join(folder.logs, `${options.name}.log`);
  const { keepAlive = false, stopTimeoutMs = 10_000 } = options;
  let current: ChildProcess | undefined;
  let exited: Promise<void> = Promise.resolve();
  let isWanted = false;
  let hasBeenReady = false;

  async function start(): Promise<void> {
    folder.signal.throwIfAborted();
    isWanted = true;
    const started = spawnInto(logFile, options);
    current = started.process;
    exited = started.exited.then((how) => {
      if (started.process.pid !== undefined) folder.forget(started.process.pid);
      if (isWanted && keepAlive && hasBeenReady) void supervise(how, started.at);
    });
    if (current.pid !== undefined) folder.record(options.name, current.pid);
    await untilReady(folder, options, logFile, started);
    hasBeenReady = true;
  }

  let delayMs = backOff.firstMs;
  async function supervise(how: string, startedAt: number): Promise<void> {
    if (Date.now() - startedAt > backOff.forgetAfterMs) delayMs = backOff.firstMs;
    folder.say(`${options.name} ended (${how}); restarting it`);
    await sleep(delayMs, undefined, { ref: false });
    delayMs = Math.min(delayMs * 2, backOff.maxMs);
    if (!isWanted || folder.signal.aborted) return;
    try {
      await start();
      options.onRestart?.();
      folder.say(`${options.name} was restarted (process ${current?.pid})`);
    } catch (err) {
      folder.say(`${options.name} cannot be restarted: ${firstLine(err)}`);
    }
  }

  async function kill(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    isWanted = false;
    if (current?.pid !== undefined) signalGroup(current.pid, signal);
    await exited;
  }

  async function stop(): Promise<void> {
    const pid = current?.pid;
    const force = setTimeout(() => pid !== undefined && signalGroup(pid, 'SIGKILL'), stopTimeoutMs);
    await kill('SIGTERM').finally(() => clearTimeout(force));
  }

  return {
    name: options.name,
    logFile,
    get pid() {
      return current?.pid ?? 0;
    },
    get isRunning() {
      return current !== undefined && current.exitCode === null && current.signalCode === null;
    },
    kill,
    crash() {
      if (current?.pid !== undefined) signalGroup(current.pid, 'SIGKILL');
    },
    start,
    stop,
    [Symbol.asyncDispose]: stop,
  };
}

interface Started {
  process: ChildProcess;
  at: number;
  /** The output since this start. */
  output: () => string;
  /** Resolves with the signal, exit code or error that ended it. */
  exited: Promise<string>;
  hasExited: () => boolean;
}

function spawnInto(logFile: string, { command, args, env, cwd }: ChildOptions): Started {
  const log = openSync(logFile, 'a');
  const offset = readFileSync(logFile).length;
  const child = spawn(command, args, {
    detached: true,
    stdio: ['ignore', log, log],
    ...(env && { env }),
    ...(cwd && { cwd }),
  });
  closeSync(log);
  let isOver = false;
  const exited = new Promise<string>((done) => {
    child.once('error', (err) => done(err.message));
    child.once('exit', (code, signal) => done(signal ?? `exit code ${code}`));
  }).finally(() => {
    isOver = true;
  });
  const output = () => readFileSync(logFile).subarray(offset).toString();
  return { process: child, at: Date.now(), output, exited, hasExited: () => isOver };
}

async function untilReady(folder: DataFolder, options: ChildOptions, logFile: string, started: Started): Promise<void> {
  const { name, ready } = options;
  const closing = Promise.withResolvers<void>();
  const giveUp = () => closing.resolve();
  folder.signal.addEventListener('abort', giveUp, { once: true });
  const notification = setInterval(
    () => folder.say(`Still waiting for ${name}; its log is ${logFile}`),
    waitNotificationMs,
  );
  let lastError: unknown;
  try {
    while (!started.hasExited() && !folder.signal.aborted) {
      try {
        await Promise.race([ready(started.output), started.exited, closing.promise]);
        if (!started.hasExited() && !folder.signal.aborted) return;
      } catch (err) {
        lastError = err;
      }
      await sleep(25);
    }
  } finally {
    clearInterval(notification);
    folder.signal.removeEventListener('abort', giveUp);
  }
  folder.signal.throwIfAborted();
  const quote = started.output().trim().split('\n').slice(-5).join('\n  ');
  throw new Error(`${name} ended at once (${await started.exited}); its log is ${logFile}\n  ${quote}`, {
    cause: lastError,
  });
}

function firstLine(err: unknown): string {
  return String(err instanceof Error ? err.message : err).split('\n')[0] ?? '';
}
