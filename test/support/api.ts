/** An api within the process of a test: most of what a process of its own takes is loading modules that the test has already. */
import { join } from 'node:path';
import { type Api, openApi } from '../../api/main.ts';
import type { Child } from '../../engines/child.ts';
import type { DataFolder } from '../../engines/data-folder.ts';
import { readConfig } from '../../platform/config.ts';
import { createLog } from '../../platform/log.ts';
import { scrubbedEnvironment } from '../../workers/run.ts';

/**
 * Starts an api, seen as a child of this process; it ends with the folder. Nothing can kill or freeze it: tests that do take
 * `startOwnTestSystem()`.
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
    throw new Error('This api runs in the process of the test, which it would take with it');
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
