/** The baseline workflows on the Temporal server of a system, in a worker process of their own. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { Client, Connection } from '@temporalio/client';

/** A client of the server that the baseline's worker polls. */
export interface BareTemporal extends AsyncDisposable {
  client: Client;
  /** Of the worker. */
  pid: number | undefined;
}

/** Starts the worker; resolves when it polls. */
export async function startBareTemporal(address: string): Promise<BareTemporal> {
  const worker = spawn(process.execPath, [new URL('./bare-worker.ts', import.meta.url).pathname, address], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await once(createInterface({ input: worker.stdout }), 'line');
  const connection = await Connection.connect({ address });
  return {
    client: new Client({ connection }),
    pid: worker.pid,
    async [Symbol.asyncDispose]() {
      worker.kill('SIGTERM');
      await once(worker, 'exit');
      await connection.close();
    },
  };
}
