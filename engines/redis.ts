/** Redis 7 with its append-only file on, which sessions and codes need. */
import { mkdirSync, readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { connect as connectTls } from 'node:tls';
import { startChild } from './child.ts';
import { configured, type Engine, type EngineOptions } from './engine.ts';
import { debianProgram, missingEngine } from './obtain.ts';
import { claimPort } from './ports.ts';

/** How Redis is started. */
export interface RedisOptions extends EngineOptions {
  /** `always` loses no acknowledged write in a power failure; `everysec` may lose a second. */
  appendfsync?: 'always' | 'everysec';
  /** Certificates: the port speaks TLS, and clients need a certificate of the same authority. */
  tls?: { caFile: string; certificateFile: string; keyFile: string };
  /** More settings, by their names in `redis.conf`. */
  settings?: Readonly<Record<string, string>>;
}

/**
 * Starts Redis on loopback, or uses the configured one.
 *
 * @throws {Error} it is missing (the message says how to provide it), its port is taken, or it does not start
 */
export async function startRedis(options: RedisOptions): Promise<Engine> {
  const { folder, keepAlive = false } = options;
  if (options.url) return configured('Redis', options.url);
  const program = await debianProgram('redis-server', ['redis-server'], folder).catch((cause: unknown) => {
    throw missingEngine({
      name: 'Redis',
      urlVariable: 'REDIS_URL',
      program: 'redis-server 7 or later',
      obtain: 'run this as root on Debian, which installs redis-server',
      service: 'redis',
      cause,
    });
  });
  const port = await claimPort('Redis', options.port);
  const data = join(folder.path, 'redis');
  mkdirSync(data, { recursive: true });
  const process = await startChild(folder, {
    name: 'redis',
    command: program,
    args: redisArguments(port, data, options),
    ready: () => ping(port, options.tls),
    keepAlive,
  });
  return { name: 'Redis', url: `${options.tls ? 'rediss' : 'redis'}://127.0.0.1:${port}`, source: program, process };
}

function redisArguments(port: number, data: string, options: RedisOptions): string[] {
  const { appendfsync = 'everysec', settings: more, tls } = options;
  const settings = {
    port: tls ? '0' : String(port),
    ...(tls && {
      'tls-port': String(port),
      'tls-ca-cert-file': tls.caFile,
      'tls-cert-file': tls.certificateFile,
      'tls-key-file': tls.keyFile,
    }),
    bind: '127.0.0.1',
    dir: data,
    appendonly: 'yes',
    appendfsync,
    save: '',
    // most inboxes have few messages: a node has one or two, and memory is freed as they leave (`npm run bench:inboxes`)
    'stream-node-max-bytes': '384',
    daemonize: 'no',
    ...more,
  };
  return Object.entries(settings).flatMap(([name, value]) => [`--${name}`, value]);
}

/** @throws {Error} Redis does not answer yet; while it reads the append-only file, the answer is -LOADING */
async function ping(port: number, tls: RedisOptions['tls']): Promise<void> {
  const answer = await ask(port, 'PING', tls);
  if (!answer.startsWith('+PONG')) throw new Error(answer);
}

/** Sends a command on a connection of its own and returns the beginning of the answer. */
function ask(port: number, command: string, tls?: RedisOptions['tls']): Promise<string> {
  return new Promise((done, fail) => {
    const send = () => socket.write(`${command}\r\n`);
    const socket = tls
      ? connectTls({ port, host: '127.0.0.1', ...contentOf(tls) }, send)
      : connect(port, '127.0.0.1', send);
    socket.setTimeout(1000, () => socket.destroy(new Error(`No answer to ${command}`)));
    socket.once('error', fail);
    socket.once('data', (answer) => {
      socket.destroy();
      done(answer.toString().trim());
    });
  });
}

function contentOf({ caFile, certificateFile, keyFile }: NonNullable<RedisOptions['tls']>) {
  const [ca, cert, key] = [caFile, certificateFile, keyFile].map((file) => readFileSync(file));
  return { ca, cert, key } as { ca: Buffer; cert: Buffer; key: Buffer };
}
