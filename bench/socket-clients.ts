/**
 * Many clients of Socket.IO in a process of their own, for `bench/sockets.ts`: they speak the protocol over bare WebSockets,
 * because a whole client library for each would need more memory than the server does. The parent tells them over IPC what
 * to do.
 * https://socket.io/docs/v4/socket-io-protocol/
 */
import { WebSocket } from 'ws';

/** What the parent tells. */
export type Command =
  | { act: 'connect'; urls: string[]; tokens: string[] }
  /** From now on these clients, by the first and the number, read nothing. */
  | { act: 'stop-reading' };

/** What the clients tell. */
export interface Counts {
  connected: number;
  /** How often a connection was lost. */
  lost: number;
  /** Times that a client was connected. */
  connections: number;
  /** Different messages of each client. */
  messages: number;
  /** Messages that a client got again. */
  repeated: number;
  drained: number;
}

const counts: Counts = { connected: 0, lost: 0, connections: 0, messages: 0, repeated: 0, drained: 0 };
/** Handshakes at once. */
const atOnce = 50;
const waiting: (() => void)[] = [];
let free = atOnce;
const open = new Set<WebSocket>();

async function place(): Promise<void> {
  if (free > 0) free -= 1;
  else await new Promise<void>((resolve) => waiting.push(resolve));
}

function leave(): void {
  const next = waiting.shift();
  if (next === undefined) free += 1;
  else next();
}

class BenchClient {
  readonly #urls: string[];
  readonly #token: string;
  #turn: number;
  #isIn = false;
  readonly #seen = new Set<string>();

  constructor(urls: string[], token: string, turn: number) {
    this.#urls = urls;
    this.#token = token;
    this.#turn = turn;
    void this.#connect();
  }

  async #connect(): Promise<void> {
    await place();
    const url = this.#urls[this.#turn++ % this.#urls.length] ?? '';
    const socket = new WebSocket(`${url.replace('http', 'ws')}/socket.io/?EIO=4&transport=websocket`, {
      perMessageDeflate: false,
    });
    open.add(socket);
    let isPlaced = true;
    const done = () => {
      if (isPlaced) leave();
      isPlaced = false;
    };
    socket.on('message', (data: Buffer) => {
      if (this.#read(socket, data.toString()) === 'connected') done();
    });
    socket.on('error', () => undefined);
    socket.on('close', () => {
      done();
      open.delete(socket);
      if (this.#isIn) {
        counts.connected -= 1;
        counts.lost += 1;
      }
      this.#isIn = false;
      setTimeout(() => void this.#connect(), 100);
    });
  }

  #read(socket: WebSocket, packet: string): 'connected' | undefined {
    if (packet === '2') socket.send('3');
    else if (packet.startsWith('0')) socket.send(`40${JSON.stringify({ token: this.#token })}`);
    else if (packet.startsWith('40')) {
      this.#isIn = true;
      counts.connected += 1;
      counts.connections += 1;
      return 'connected';
    } else this.#hear(socket, packet);
    return undefined;
  }

  #count(messageId: string): void {
    if (this.#seen.has(messageId)) counts.repeated += 1;
    else counts.messages += 1;
    this.#seen.add(messageId);
    // the parent of few clients measures how long a message takes
    if (open.size < 10) process.send?.(counts);
  }

  #hear(socket: WebSocket, packet: string): void {
    const [, id = '', json = '[]'] = /^42(\d*)(\[.*)$/s.exec(packet) ?? [];
    if (json.startsWith('["server:draining"')) {
      const { reconnectAfterMs } = JSON.parse(json)[1] as { reconnectAfterMs: number };
      setTimeout(() => socket.close(), reconnectAfterMs);
    }
    for (const [, messageId = ''] of json.matchAll(/"messageId":"([\d-]+)"/g)) this.#count(messageId);
    if (json.startsWith('["inbox:drained"')) counts.drained += 1;
    if (id !== '') socket.send(`43${id}[]`);
  }
}

process.on('message', (command: Command) => {
  if (command.act === 'connect') {
    for (const [turn, token] of command.tokens.entries()) new BenchClient(command.urls, token, turn);
    return;
  }
  for (const socket of open) socket.pause();
});
setInterval(() => process.send?.(counts), 100);
