/** Redis 7 with its append-only file on, which sessions and codes need. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { connect as connectTls } from 'node:tls';
import { aclFile, redisAdministrator, redisPassword, redisUrlOf } from '../adapters/redis/acl.ts';
import type { Secret } from '../platform/config/secret.ts';
import { startChild } from './child.ts';
import { configured, type Engine, type EngineOptions } from './engine.ts';
import { debianProgram, missingEngine } from './obtain.ts';
import { claimPort } from './ports.ts';

/** How Redis is started. */
export interface RedisOptions extends EngineOptions {
  /** `always` loses no acknowledged write in a power failure; `everysec` may lose a second. */
  appendfsync?: 'always' | 'everysec';
  /** `REDIS_ACL_KEY`: creates the users of the roles. The URL of the engine is then that of the administrator. */
  aclKey?: Secret;
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
    ready: () => ping(port, options),
    keepAlive,
  });
  const url = `${options.tls ? 'rediss' : 'redis'}://127.0.0.1:${port}`;
  const own = options.aclKey === undefined ? url : redisUrlOf(url, options.aclKey, redisAdministrator);
  return { name: 'Redis', url: own, source: program, process };
}

function redisArguments(port: number, data: string, options: RedisOptions): string[] {
  const { appendfsync = 'everysec', aclKey, settings: more, tls } = options;
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
    ...(aclKey !== undefined && { aclfile: writeUsers(data, aclKey) }),
    ...more,
  };
  return Object.entries(settings).flatMap(([name, value]) => [`--${name}`, value]);
}

/** The file has mode 600, although it contains hashes of passwords only. */
function writeUsers(data: string, aclKey: Secret): string {
  const file = join(data, 'users.acl');
  writeFileSync(file, aclFile(aclKey), { mode: 0o600 });
  return file;
}

/** @throws {Error} Redis does not answer yet; while it reads the append-only file, the answer is -LOADING */
async function ping(port: number, { aclKey, tls }: RedisOptions): Promise<void> {
  const logIn = aclKey === undefined ? [] : [`AUTH ${redisAdministrator} ${redisPassword(aclKey, redisAdministrator)}`];
  const answer = await ask(port, [...logIn, 'PING'], tls);
  if (!answer.startsWith('+PONG')) throw new Error(answer);
}

/** Sends commands on a connection of its own and returns the line of the last answer, each of which is one line. */
function ask(port: number, commands: string[], tls?: RedisOptions['tls']): Promise<string> {
  return new Promise((done, fail) => {
    let answers = '';
    const send = () => socket.write(commands.map((command) => `${command}\r\n`).join(''));
    const socket = tls
      ? connectTls({ port, host: '127.0.0.1', ...contentOf(tls) }, send)
      : connect(port, '127.0.0.1', send);
    socket.setTimeout(1000, () => socket.destroy(new Error(`No answer to ${commands.at(-1)}`)));
    socket.once('error', fail);
    socket.on('data', (answer) => {
      answers += answer.toString();
      const lines = answers.split('\r\n').slice(0, -1);
      if (lines.length < commands.length) return;
      socket.destroy();
      done(lines.at(-1) ?? '');
    });
  });
}

function contentOf({ caFile, certificateFile, keyFile }: NonNullable<RedisOptions['tls']>) {
  const [ca, cert, key] = [caFile, certificateFile, keyFile].map((file) => readFileSync(file));
  return { ca, cert, key } as { ca: Buffer; cert: Buffer; key: Buffer };
}
