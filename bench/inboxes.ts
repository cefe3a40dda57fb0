/**
 * `npm run bench:inboxes`: the memory of Redis for a million inboxes with one message each, and the processor time of a send.
 * A message has 292 characters: 218 bytes of ciphertext in base64, which is a text of 128 bytes.
 *
 * It starts a Redis of its own and sends as the api does. It prints the figures with machine and commit, and asserts
 * nothing. `-- 100000` measures another number of inboxes.
 */
import { randomBytes, randomUUID } from 'node:crypto';
import { connectRedis, type Redis } from '../adapters/redis/connect.ts';
import type { Send } from '../adapters/redis/inbox-sends.ts';
import { createInboxes, type Inboxes } from '../adapters/redis/inboxes.ts';
import { keys } from '../adapters/redis/keys.ts';
import { openTemporaryFolder } from '../engines/data-folder.ts';
import { startRedis } from '../engines/redis.ts';
import { circumstances, cpuMs, printTable } from './figures.ts';

const inboxCount = Number(process.argv[2] ?? 1_000_000);
/** How many sends wait for Redis at a time. */
const atATime = 200;
const repeatedSends = 100_000;
const contentBytes = 218;
const megabyte = 1e6;

const sender = { userId: randomUUID(), deviceId: '1' };
const wide = { max: 1_000_000, windowSeconds: 1 };

await using folder = await openTemporaryFolder();
const engine = await startRedis({ folder });
const redis = connectRedis(engine.url, console.error, { timeoutMs: 600_000 });
// the file would be larger than the memory that is measured
await redis.config('SET', 'appendonly', 'no');
const inboxes = createInboxes(redis);
console.log(`\n${circumstances()}`);
await measureMemory();
await measureSends();
redis.disconnect();

/** Memory with everything that a send writes, and without what ends after a day. */
async function measureMemory(): Promise<void> {
  const before = await memoryOf(redis);
  const people = Array.from({ length: inboxCount }, () => randomUUID());
  for (let index = 0; index < people.length; index += atATime) {
    await Promise.all(people.slice(index, index + atATime).map((userId) => fill(inboxes, userId)));
  }
  const whole = await memoryOf(redis);
  for (let index = 0; index < people.length; index += atATime) {
    const names = people.slice(index, index + atATime).flatMap((userId) => dayKeysOf(userId));
    await redis.del(...names);
  }
  const lasting = await memoryOf(redis);
  const row = (what: string, { dataset, rss }: Memory) => [
    what,
    String(Math.round((dataset - before.dataset) / megabyte)),
    String(Math.round((dataset - before.dataset) / inboxCount)),
    String(Math.round(rss / megabyte)),
  ];
  printTable(
    [`${inboxCount} inboxes, one message each`, 'data MB', 'bytes each', 'process MB'],
    [row('inboxes, with what is remembered of sends for a day', whole), row('inboxes', lasting)],
  );
}

/** Sends of a few devices to one user each, as fast as they go. */
async function measureSends(): Promise<void> {
  const people = Array.from({ length: 100 }, () => randomUUID());
  await Promise.all(people.map((userId) => fill(inboxes, userId)));
  const { pid } = engine.process ?? { pid: 0 };
  const [own, server, begin] = [process.cpuUsage(), cpuMs(pid), performance.now()];
  for (let index = 0; index < repeatedSends; index += atATime) {
    await Promise.all(
      Array.from({ length: atATime }, (_one, place) =>
        inboxes.send(messageTo(people[(index + place) % people.length] ?? '', `m${index + place}`)),
      ),
    );
  }
  const seconds = (performance.now() - begin) / 1000;
  const { user, system } = process.cpuUsage(own);
  printTable(
    [`${repeatedSends} sends, ${atATime} at a time`, 'sends/s', 'µs CPU of the process', 'µs CPU of Redis'],
    [
      [
        'one device each',
        String(Math.round(repeatedSends / seconds)),
        ((user + system) / repeatedSends).toFixed(1),
        (((cpuMs(pid) - server) * 1000) / repeatedSends).toFixed(1),
      ],
    ],
  );
}

/** Gives a user a device with one message. */
async function fill(store: Inboxes, userId: string): Promise<void> {
  const device = { deviceId: '1', registrationId: 1234, createdAt: Date.now() };
  await store.writeDevices(userId, { version: 3, devices: [device] });
  const { outcome } = await store.send({ ...messageTo(userId, randomUUID()), conversation: 'a' });
  if (outcome !== 'stored') throw new Error(outcome);
}

function messageTo(to: string, clientMessageId: string): Send {
  const content = randomBytes(contentBytes).toString('base64');
  return {
    to,
    from: sender,
    clientMessageId,
    bodyHash: 'abcdefghijklmnopqrstuv',
    messages: [{ deviceId: '1', registrationId: 1234, type: 'message', content }],
    timestamp: Date.now(),
    limits: { pair: wide, recipient: wide },
    nodeId: 'bench',
  };
}

function dayKeysOf(userId: string): string[] {
  const sent = keys.sentMessages({ userId, senderId: sender.userId, senderDeviceId: sender.deviceId });
  return [sent, keys.conversation({ userId, peerId: sender.userId })];
}

interface Memory {
  dataset: number;
  rss: number;
}

async function memoryOf(server: Redis): Promise<Memory> {
  const info = await server.info('memory');
  const field = (name: string) => Number(new RegExp(`^${name}:(\\d+)`, 'm').exec(info)?.[1]);
  return { dataset: field('used_memory_dataset'), rss: field('used_memory_rss') };
}
