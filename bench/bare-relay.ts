/**
 * The baseline of messages: Socket.IO that relays a message to the room of its recipient, stores nothing and checks
 * nothing. With the URL of a Redis and a prefix, nodes of the same prefix pass messages to each other by @socket.io/redis-adapter.
 * Prints its port.
 */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createAdapter } from '@socket.io/redis-adapter';
import { Redis } from 'ioredis';
import { Server } from 'socket.io';

const [redisUrl, key = ''] = process.argv.slice(2);
const connections = redisUrl === undefined ? [] : [new Redis(redisUrl), new Redis(redisUrl)];
const [publisher, subscriber] = connections;
const server = createServer();
const io = new Server(server, {
  transports: ['websocket'],
  perMessageDeflate: false,
  ...(publisher && { adapter: createAdapter(publisher, subscriber, { key }) }),
});
io.on('connection', async (socket) => {
  await socket.join(socket.handshake.auth.name);
  socket.on('send', ({ to, ...message }: { to: string }, acknowledge: () => void) => {
    io.to(to).emit('message', message);
    acknowledge();
  });
});
server.listen(0, '127.0.0.1', () => console.log((server.address() as AddressInfo).port));
process.once('SIGTERM', async () => {
  await io.close();
  for (const connection of connections) connection.disconnect();
});
