/** A TCP relay before Redis: a stable address while a replica takes over, and a link that can lag. */

import type { AddressInfo } from 'node:net';
import { connect, createServer, type Server, type Socket } from 'node:net';

/** A relay to one port at a time. */
export interface RedisRelay extends AsyncDisposable {
  readonly port: number;
  /** Cuts all connections, and relays new ones to another port of this machine. */
  switchTo(port: number): void;
  /** Stops passing on what the server sends, as a network that lost its packets, until `switchTo`. */
  hold(): void;
}

/** Starts a relay to a port of this machine. */
export async function startRedisRelay(target: number): Promise<RedisRelay> {
  let port = target;
  let isHeld = false;
  const pairs = new Set<[Socket, Socket]>();
  const server = createServer((client) => {
    const upstream = connect(port, '127.0.0.1');
    const pair: [Socket, Socket] = [client, upstream];
    pairs.add(pair);
    for (const socket of pair) {
      socket.setNoDelay(true);
      socket.on('error', () => undefined);
      socket.once('close', () => {
        pairs.delete(pair);
        for (const one of pair) one.destroy();
      });
    }
    client.pipe(upstream);
    upstream.pipe(client);
    if (isHeld) upstream.unpipe(client).pause();
  });
  await new Promise<void>((done) => void server.listen(0, '127.0.0.1', done));
  const cut = () => {
    for (const pair of pairs) for (const socket of pair) socket.destroy();
  };
  return {
    port: portOf(server),
    switchTo(next) {
      port = next;
      isHeld = false;
      cut();
    },
    hold() {
      isHeld = true;
      for (const [client, upstream] of pairs) upstream.unpipe(client).pause();
    },
    async [Symbol.asyncDispose]() {
      cut();
      await new Promise((done) => server.close(done));
    },
  };
}

function portOf(server: Server): number {
  return (server.address() as AddressInfo).port;
}
