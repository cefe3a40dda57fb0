/**
 * The baselines of messages. By default Socket.IO that relays a message to the room of its recipient, stores nothing and
 * checks nothing. With the URL of a Redis and a prefix, nodes of the same prefix pass messages to each other by
 * @socket.io/redis-adapter; with `--store` they store each message in a stream, publish it, and delete it when the
 * recipient has acknowledged it: the least that a stored message costs. Prints its port.
 */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createAdapter } from '@socket.io/redis-adapter';
import { Redis, type Result } from 'ioredis';
import { Server, type Socket } from 'socket.io';

declare module 'ioredis' {
  interface RedisCommander<Context> {
    storeAndPublish(inbox: string, channel: string, text: string): Result<string, Context>;
  }
}

/** What a sender sends. */
type Sent = { to: string };

const [redisUrl, key = '', mode] = process.argv.slice(2);
const connections = redisUrl === undefined ? [] : [new Redis(redisUrl), new Redis(redisUrl)];
const [publisher, subscriber] = connections;
const server = createServer();
const io = new Server(server, {
  transports: ['websocket'],
  perMessageDeflate: false,
  ...(mode !== '--store' && publisher && { adapter: createAdapter(publisher, subscriber, { key }) }),
});
if (mode === '--store' && publisher && subscriber) await storeMessages(publisher, subscriber);
else relayMessages();
server.listen(0, '127.0.0.1', () => console.log((server.address() as AddressInfo).port));
process.once('SIGTERM', async () => {
  await io.close();
  for (const connection of connections) connection.disconnect();
});

function relayMessages(): void {
  io.on('connection', async (socket) => {
    await socket.join(socket.handshake.auth.name);
    socket.on('send', ({ to, ...message }: Sent, acknowledge: () => void) => {
      io.to(to).emit('message', message);
      acknowledge();
    });
  });
}

/** Every node hears of every message, and emits those to the sockets that it has. */
async function storeMessages(store: Redis, publications: Redis): Promise<void> {
  store.defineCommand('storeAndPublish', {
    numberOfKeys: 1,
    lua: `local id = redis.call('XADD', KEYS[1], '*', 'm', ARGV[2])
      redis.call('PUBLISH', ARGV[1], id .. ' ' .. ARGV[2])
      return id`,
  });
  const sockets = new Map<string, Socket>();
  io.on('connection', (socket) => {
    sockets.set(socket.handshake.auth.name, socket);
    socket.on('send', async (sent: Sent, acknowledge: () => void) => {
      await store.storeAndPublish(`${key}:${sent.to}`, key, JSON.stringify(sent));
      acknowledge();
    });
  });
  publications.on('message', (_channel, text) => {
    const [id = ''] = text.split(' ', 1);
    const { to, ...message }: Sent = JSON.parse(text.slice(id.length + 1));
    sockets.get(to)?.emit('message', { id, ...message }, () => void store.xdel(`${key}:${to}`, id));
  });
  await publications.subscribe(key);
}
