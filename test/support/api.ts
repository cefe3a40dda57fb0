/**
 * Runs an api inside the process of a test, because most of the startup time of a process is loading modules that the
 * test has loaded already.
 */
import { join } from 'node:path';
import { type Api, openApi } from '../../api/main.ts';
import type { Child } from '../../engines/child.ts';
import type { DataFolder } from '../../engines/data-folder.ts';
import { readConfig } from '../../platform/config/config.ts';
import { createLog } from '../../platform/log.ts';
import { scrubbedEnvironment } from '../../workers/run.ts';

/**
 * Starts an api that looks like a child process; it stops with the folder. It cannot be killed or frozen: tests that
 * need that use `startOwnTestSystem()`.
 */
export async function openApiHere(folder: DataFolder, name: string, env: Record<string, string>): Promise<Child> {
  const logFile = join(folder.logs, `${name}.log`);
  const config = readConfig('api', scrubbedEnvironment('api', env));
  let api: Api | undefined;
  const start = async () => {
    api = await openApi(config, createLog('api', config.LOG_LEVEL, logFile));
    api.logReady();
  };
  const stop = async () => {
    const running = api;
    api = undefined;
    await running?.[Symbol.asyncDispose]();
  };
  const refuse = () => {
    throw new Error('This api runs in the process of the test and cannot be killed on its own');
  };
  await start();
  folder.onClose(stop);
  return {
    name,
    logFile,
    pid: process.pid,
    get isRunning() {
      return api !== undefined;
    },
    kill: refuse,
    crash: refuse,
    start,
    stop,
    [Symbol.asyncDispose]: stop,
  };
}
