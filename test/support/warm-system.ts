/** Borrows a warm system (test/runner/warm-systems.ts) until a folder is closed. */
import { symlinkSync } from 'node:fs';
import { type IncomingMessage, request } from 'node:http';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Child } from '../../engines/child.ts';
import type { DataFolder } from '../../engines/data-folder.ts';
import { signalGroup } from '../../engines/process-table.ts';
import type { Role } from '../../platform/config/roles.ts';
import type { LentSystem, LentWorker, Wish } from '../runner/warm-systems.ts';

/** A borrowed system. */
export interface BorrowedSystem extends LentSystem {
  /** Returns a worker of the system with these variables. */
  borrow(role: Role, env: Record<string, string>): Promise<Child>;
}

/**
 * Borrows a system until the folder is closed or this process ends. The worker logs are linked into the folder.
 *
 * @throws {Error} the lender cannot create one
 */
export async function borrowSystem(lenderUrl: string, folder: DataFolder, wish: Wish): Promise<BorrowedSystem> {
  const answer = await post(`${lenderUrl}/systems`, wish);
  // the error is expected: this side closes the connection
  answer.on('error', () => undefined);
  const lines = createInterface({ input: answer });
  const [line] = await new Promise<string[]>((resolve) => lines.once('line', (...all: string[]) => resolve(all)));
  const lent = JSON.parse(line ?? '') as LentSystem;
  folder.onClose(async () => {
    answer.destroy();
  });
  return { ...lent, borrow };

  async function borrow(role: Role, env: Record<string, string>): Promise<Child> {
    const url = `${lenderUrl}/systems/${lent.id}/${role}`;
    const logFile = join(folder.logs, `${role}.log`);
    let worker = await act<LentWorker>(`${url}/start`, env);
    symlinkSync(worker.logFile, logFile);
    let isRunning = true;
    const kill = async (signal: NodeJS.Signals = 'SIGKILL') => {
      isRunning = false;
      await act(`${url}/${signal}`);
    };
    const stop = () => kill('SIGTERM');
    return {
      name: role,
      logFile,
      get pid() {
        return worker.pid;
      },
      get isRunning() {
        return isRunning;
      },
      kill,
      crash: () => signalGroup(worker.pid, 'SIGKILL'),
      async start() {
        worker = await act<LentWorker>(`${url}/start`, env);
        isRunning = true;
      },
      stop,
      [Symbol.asyncDispose]: stop,
    };
  }
}

async function act<T>(url: string, body: unknown = {}): Promise<T> {
  const response = await fetch(url, { method: 'POST', body: JSON.stringify(body) });
  if (!response.ok) throw new Error(await response.text());
  return (await response.json().catch(() => undefined)) as T;
}

/** Sends a request on a connection of its own and resolves with the response without reading it. */
function post(url: string, body: unknown): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const asked = request(url, { method: 'POST', agent: false }, (answer) => {
      if (answer.statusCode === 200) return resolve(answer);
      answer.setEncoding('utf8').once('data', (text: string) => reject(new Error(text)));
    });
    asked.once('error', reject);
    asked.end(JSON.stringify(body));
  });
}
