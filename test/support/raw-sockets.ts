/** Handshakes and frames that no client of Socket.IO sends. */
import { request } from 'node:http';
import type { Duplex } from 'node:stream';
import { eventually } from './until.ts';

/** The query of a connection by WebSocket, without credentials. */
export const webSocketQuery = 'EIO=4&transport=websocket';

/** Options of a handshake. */
interface HandshakeOptions {
  headers?: Record<string, string>;
  /** Loopback address to connect from, 127.x.x.x. */
  from?: string;
  query?: string;
}

/** The answer to a handshake; 101 opens a connection. */
interface Handshake extends Disposable {
  status: number;
  headers: Record<string, unknown>;
  /** Resolves when the server has closed the connection. */
  closed: Promise<unknown>;
}

/** Asks a server for a WebSocket, and then sends nothing. */
export function handshake(url: string, options: HandshakeOptions = {}): Promise<Handshake> {
  const { headers = {}, from, query = webSocketQuery } = options;
  return new Promise((done, fail) => {
    const asked = request(`${url}/socket.io/?${query}`, {
      ...(from !== undefined && { localAddress: from }),
      agent: false,
      headers: {
        Connection: 'Upgrade',
        Upgrade: 'websocket',
        'Sec-WebSocket-Version': '13',
        'Sec-WebSocket-Key': Buffer.alloc(16).toString('base64'),
        ...headers,
      },
    });
    const finish = (status = 0, answered: Record<string, unknown> = {}, socket?: Duplex) => {
      socket?.on('error', () => undefined).resume();
      const closed = socket === undefined ? Promise.resolve() : new Promise((end) => socket.once('close', end));
      done({ status, headers: answered, closed, [Symbol.dispose]: () => void socket?.destroy() });
    };
    asked.once('upgrade', ({ statusCode, headers: answered }, socket) => finish(statusCode, answered, socket));
    asked.once('response', (response) => finish(response.resume().statusCode, response.headers));
    asked.once('error', fail);
    asked.end();
  });
}

/** A WebSocket that takes and gives packets of Engine.IO as texts. */
interface RawSocket extends Disposable {
  /** The packets of the server, in the order of arrival. */
  packets: readonly string[];
  send(packet: string): void;
  /** Resolves with the first packet that begins so. */
  gets(prefix: string): Promise<string>;
  /** Resolves with the close code when the connection has ended. */
  closed: Promise<number>;
}

/** Opens a WebSocket to a server, without its handshake of Socket.IO. */
export async function openRawSocket(url: string, query = webSocketQuery): Promise<RawSocket> {
  const socket = new WebSocket(`${url.replace('http', 'ws')}/socket.io/?${query}`);
  const packets: string[] = [];
  socket.addEventListener('message', ({ data }) => packets.push(String(data)));
  const closed = new Promise<number>((done) => socket.addEventListener('close', ({ code }) => done(code)));
  await new Promise((done) => {
    for (const event of ['open', 'error']) socket.addEventListener(event, done);
  });
  return {
    packets,
    send: (packet) => socket.send(packet),
    gets: (prefix) => eventually(() => packets.find((packet) => packet.startsWith(prefix))),
    closed,
    [Symbol.dispose]: () => socket.close(),
  };
}
