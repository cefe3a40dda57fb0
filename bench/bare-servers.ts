/** Starts the baseline servers, each in its own process. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { Pool } from 'undici';

/** A running baseline server. */
export interface BareServer extends AsyncDisposable {
  port: number;
  pid: number;
}

/** Starts a baseline server with its arguments, in production mode. */
export async function startBareServer(
  name: 'bare-express' | 'bare-grpc' | 'bare-relay',
  args: string[] = [],
): Promise<BareServer> {
  const file = new URL(`./${name}.ts`, import.meta.url).pathname;
  const server = spawn(process.execPath, [file, ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, NODE_ENV: 'production' },
  });
  const [port] = (await once(createInterface({ input: server.stdout }), 'line')) as [string];
  return {
    port: Number(port),
    pid: Number(server.pid),
    async [Symbol.asyncDispose]() {
      server.kill('SIGTERM');
      await once(server, 'exit');
    },
  };
}

/** An Express that reads one hash of Redis for every request, with a pool of connections to it. */
export interface BareExpress extends AsyncDisposable {
  pool: Pool;
  pid: number;
}

/** Starts an Express that reads the hash at `key`. */
export async function startBareExpress(redisUrl: string, key: string): Promise<BareExpress> {
  const server = await startBareServer('bare-express', [redisUrl, key]);
  const pool = new Pool(`http://127.0.0.1:${server.port}`, { connections: 500 });
  return {
    pool,
    pid: server.pid,
    async [Symbol.asyncDispose]() {
      await pool.close();
      await server[Symbol.asyncDispose]();
    },
  };
}
