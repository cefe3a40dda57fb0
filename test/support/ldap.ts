import { readFile } from 'node:fs/promises';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { connectDirectory, type Directory, type DirectoryOptions } from '../../adapters/ldap/connect.ts';
import { openTemporaryFolder } from '../../engines/data-folder.ts';
import { type DirectoryOptions as EngineOptions, type RunningDirectory, startDirectory } from '../../engines/ldap.ts';
import { Secret } from '../../platform/config/secret.ts';

/** A private directory in a temporary folder, which is deleted with it. */
export interface TestDirectory extends RunningDirectory, AsyncDisposable {
  /** The lines that slapd has logged since its last start, optionally from a later line on. */
  log(from?: number): Promise<string[]>;
  /** Restarts it after a stop, with the same ports and data. */
  startAgain(): Promise<void>;
}

/** Starts a private directory. */
export async function startTestDirectory(options: EngineOptions = {}): Promise<TestDirectory> {
  const folder = await openTemporaryFolder();
  const running = await startDirectory(folder, options).catch(async (err: unknown) => {
    await folder.close();
    throw err;
  });
  const { process } = running;
  const logged = () => readFile(process.logFile, 'utf8');
  let begin = 0;
  return {
    ...running,
    async log(from = 0) {
      return (await logged()).slice(begin).split('\n').slice(from);
    },
    async startAgain() {
      begin = (await logged()).length;
      await process.start();
    },
    [Symbol.asyncDispose]: folder.close,
  };
}

/**
 * Connects the adapter to a running directory. The timeout is longer than any response takes, unless a test sets one.
 */
export function connectTo(running: RunningDirectory, options: Partial<DirectoryOptions> = {}): Directory {
  return connectDirectory({
    urls: [running.url],
    startTls: false,
    ca: running.ca === undefined ? undefined : new Secret(running.ca),
    bindDn: running.bindDn,
    bindPassword: new Secret(running.bindPassword),
    baseDn: running.baseDn,
    userFilter: '(uid={username})',
    attributes: personAttributes,
    timeoutMs: 600_000,
    poolMax: 8,
    retryMs: 300,
    ...options,
  });
}

/** The attribute names of the demo directory. */
export const personAttributes = {
  id: 'entryUUID',
  username: 'uid',
  name: 'cn',
  mail: 'mail',
  phone: 'mobile',
  groups: 'memberOf',
};

/** A TCP server in place of a directory, or between a directory and its client. */
export interface TestServer {
  port: number;
  url: string;
  /** Connections accepted so far. */
  accepted: Socket[];
  /** Everything received so far, as text with one character per byte. */
  received(): string;
  [Symbol.asyncDispose](): Promise<void>;
}

/** Listens on a free port and passes every connection and every chunk of bytes to the test. */
export async function startTestServer(
  onData: (socket: Socket, bytes: Buffer) => void = () => {},
  port = 0,
): Promise<TestServer> {
  const accepted: Socket[] = [];
  const pieces: Buffer[] = [];
  const server: Server = createServer((socket) => {
    accepted.push(socket);
    socket.on('error', () => socket.destroy());
    socket.on('data', (bytes: Buffer) => {
      pieces.push(bytes);
      onData(socket, bytes);
    });
  });
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('No port');
  return {
    port: address.port,
    url: `ldap://127.0.0.1:${address.port}`,
    accepted,
    received: () => Buffer.concat(pieces).toString('latin1'),
    async [Symbol.asyncDispose]() {
      for (const socket of accepted) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** Begin of a TLS handshake: content type and the version of the first record (RFC 8446 section 5.1). */
export const clientHello = '\x16\x03\x01';

const upstreams = new WeakMap<Socket, Socket>();

/**
 * Returns the connection to a directory that belongs to a client connection, made on the first call. The responses of
 * the directory go to the client, with the given bytes after the first one.
 */
export function forward(socket: Socket, port: number, behindFirst = Buffer.alloc(0)): Socket {
  const known = upstreams.get(socket);
  if (known) return known;
  const made = connect(port, '127.0.0.1');
  upstreams.set(socket, made);
  made.once('data', (first: Buffer) => {
    socket.write(Buffer.concat([first, behindFirst]));
    made.pipe(socket);
  });
  made.on('error', () => socket.destroy());
  socket.on('close', () => made.destroy());
  return made;
}
