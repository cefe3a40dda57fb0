/**
 * `npm run bench:messages`: the processor time of a message and how long it takes from its sender to its recipient, at a
 * steady rate. In one run and in turn: a bare Socket.IO relay, the same with the Redis adapter on one node and across two,
 * a relay that stores each message with one script and deletes it when it was acknowledged, and does nothing else; and our
 * gateways with both devices on one and on different ones, which store and delete each message too.
 *
 * Options: `--rate 2000` messages a second, `--seconds 5` a round, `--rounds 4`, `--pairs 100`. It prints the figures with
 * machine and commit, and asserts nothing.
 */
import { setTimeout as wait } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { io, type Socket } from 'socket.io-client';
import { openTemporaryFolder } from '../engines/data-folder.ts';
import { startMongo } from '../engines/mongo.ts';
import { compileCacheFolder } from '../engines/processes.ts';
import { variables } from '../platform/config/variables.ts';
import { type LoadSystem, startLoadSystem } from '../test/support/load/system.ts';
import { type ClientSocket, messageTo, type TestDevice } from '../test/support/messages.ts';
import { startBareServer } from './bare-servers.ts';
import { circumstances, cpuMs, printTable, Times } from './figures.ts';

const { values } = parseArgs({
  options: {
    rate: { type: 'string', default: '2000' },
    seconds: { type: 'string', default: '5' },
    rounds: { type: 'string', default: '4' },
    pairs: { type: 'string', default: '100' },
  },
});
const rate = Number(values.rate);
const pairs = Number(values.pairs);
/** The bytes of a short text encrypted by Vyry v1. */
const text = '.'.repeat(218);
const tickMs = 2;
const limitsOff = Object.fromEntries(
  Object.keys(variables)
    .filter((name) => name.startsWith('LIMIT_'))
    .map((name) => [name, '1000000/60']),
);

/** One way to relay messages, and what was measured of it. */
interface Relay {
  name: string;
  /** Processes whose time counts. */
  nodes: number[];
  redis: number | undefined;
  /** Sends a message from the sender of a pair to its recipient; resolves when the server has answered. */
  send(pair: number): Promise<unknown>;
  /** Calls this when a recipient has got a message. */
  received: (pair: number) => void;
  times: Times;
  sent: number;
  nodeMs: number;
  redisMs: number;
  /** Of this process, which has all clients. */
  clientMs: number;
}

const folder = await openTemporaryFolder();
try {
  const { url: databaseUrl } = await startMongo({ folder });
  const load = await startLoadSystem(folder, {
    databaseUrl,
    gateways: 2,
    devices: 4 * pairs,
    database: 'bench',
    env: { ...limitsOff, JWT_EXPIRATION: '86400' },
    compileCache: compileCacheFolder,
  });
  await using servers = new AsyncDisposableStack();
  const relays = [
    await bareRelay(servers, { name: 'bare relay', redis: undefined, urls: [] }),
    await bareRelay(servers, { name: 'Redis adapter, one node', redis: load, urls: [load.redisUrl] }),
    await bareRelay(servers, { name: 'Redis adapter, two nodes', redis: load, urls: [load.redisUrl, load.redisUrl] }),
    await bareRelay(servers, { name: 'stored, one node', redis: load, urls: [load.redisUrl], isStored: true }),
    await bareRelay(servers, {
      name: 'stored, two nodes',
      redis: load,
      urls: [load.redisUrl, load.redisUrl],
      isStored: true,
    }),
    await ours(servers, load, { name: 'Vyry, one gateway', first: 0, gateways: [0, 0] }),
    await ours(servers, load, { name: 'Vyry, two gateways', first: 2 * pairs, gateways: [0, 1] }),
  ];
  for (const relay of relays) await run(relay, 3);
  for (const relay of relays) Object.assign(relay, { times: new Times(), sent: 0, nodeMs: 0, redisMs: 0, clientMs: 0 });
  for (let round = 0; round < Number(values.rounds); round++) {
    for (const relay of relays) await run(relay, Number(values.seconds));
  }
  report(relays);
} finally {
  await folder.close();
}

function report(relays: Relay[]): void {
  const cpuOf = ({ nodeMs, redisMs, sent }: Relay) => ((nodeMs + redisMs) * 1000) / sent;
  const [, , adapter] = relays;
  if (adapter === undefined) return;
  console.log(`\n${rate} messages a second between ${pairs} pairs; ${circumstances()}`);
  printTable(
    ['', 'CPU us', 'nodes us', 'Redis us', 'to adapter', 'clients us', 'p50 ms', 'p99 ms'],
    relays.map((relay) => {
      const { name, nodeMs, redisMs, clientMs, sent, times } = relay;
      const ratio = (cpuOf(relay) / cpuOf(adapter)).toFixed(2);
      const parts = [cpuOf(relay), (nodeMs * 1000) / sent, (redisMs * 1000) / sent];
      return [name, ...parts, ratio, (clientMs * 1000) / sent, times.p50.toFixed(2), times.percentile(99).toFixed(2)];
    }),
  );
}

/** Sends at the rate for some seconds, whether or not the server keeps up, and waits for all messages. */
async function run(relay: Relay, seconds: number): Promise<void> {
  const count = rate * seconds;
  const sentAt: number[][] = Array.from({ length: pairs }, () => []);
  const all = Promise.withResolvers<void>();
  let received = 0;
  relay.received = (pair) => {
    relay.times.add(performance.now() - (sentAt[pair]?.shift() ?? 0));
    if (++received === count) all.resolve();
  };
  const before = timeOf(relay);
  const begin = performance.now();
  const answers: Promise<unknown>[] = [];
  while (answers.length < count) {
    const due = Math.min(count, Math.floor(((performance.now() - begin) * rate) / 1000));
    for (let index = answers.length; index < due; index++) {
      const pair = index % pairs;
      sentAt[pair]?.push(performance.now());
      answers.push(relay.send(pair));
    }
    await wait(tickMs);
  }
  await Promise.all([all.promise, ...answers]);
  const after = timeOf(relay);
  relay.sent += count;
  relay.nodeMs += after.nodeMs - before.nodeMs;
  relay.redisMs += after.redisMs - before.redisMs;
  relay.clientMs += after.clientMs - before.clientMs;
}

function timeOf({ nodes, redis }: Relay): Pick<Relay, 'nodeMs' | 'redisMs' | 'clientMs'> {
  return {
    nodeMs: nodes.reduce((sum, pid) => sum + cpuMs(pid), 0),
    redisMs: redis === undefined ? 0 : cpuMs(redis),
    clientMs: cpuMs(process.pid),
  };
}

function relayOf(given: Pick<Relay, 'name' | 'nodes' | 'redis' | 'send'>): Relay {
  return { ...given, received: () => undefined, times: new Times(), sent: 0, nodeMs: 0, redisMs: 0, clientMs: 0 };
}

interface BareOptions {
  name: string;
  redis: LoadSystem | undefined;
  /** The URL of Redis for each node with the adapter; none for one node without it. */
  urls: string[];
  isStored?: boolean;
}

/** Senders connect to the first node, recipients to the last one. */
async function bareRelay(servers: AsyncDisposableStack, options: BareOptions): Promise<Relay> {
  const { name, redis, urls, isStored = false } = options;
  const mode = isStored ? ['--store'] : [];
  const nodes = await Promise.all(
    (urls.length === 0 ? [[]] : urls.map((url) => [url, name, ...mode])).map((args) =>
      startBareServer('bare-relay', args),
    ),
  );
  for (const node of nodes) servers.use(node);
  const connect = async (port: number | undefined, as: string) => {
    const socket = io(`http://127.0.0.1:${port}`, { transports: ['websocket'], forceNew: true, auth: { name: as } });
    servers.defer(() => void socket.disconnect());
    await connected(socket);
    return socket;
  };
  const senders = await eachPair((pair) => connect(nodes[0]?.port, `sender${pair}`));
  const recipients = await eachPair((pair) => connect(nodes.at(-1)?.port, `recipient${pair}`));
  const relay = relayOf({
    name,
    nodes: nodes.map(({ pid }) => pid),
    redis: redis?.pids().redis,
    send: (pair) => {
      const message = messageTo([{ deviceId: '1', registrationId: 1 }], text);
      return senders[pair]?.emitWithAck('send', { to: `recipient${pair}`, ...message }) ?? Promise.resolve();
    },
  });
  for (const [pair, socket] of recipients.entries()) {
    socket.on('message', (_message, acknowledge?: () => void) => {
      acknowledge?.();
      relay.received(pair);
    });
  }
  return relay;
}

/** The people from the index `first` on, who are partners of their neighbors; senders and recipients have a gateway each. */
async function ours(
  servers: AsyncDisposableStack,
  { people, urls, pids }: LoadSystem,
  { name, first, gateways: [from, to] }: { name: string; first: number; gateways: [number, number] },
): Promise<Relay> {
  const connect = async (gateway: number, { token }: TestDevice) => {
    const options = { transports: ['websocket'], forceNew: true, auth: { token } };
    const socket: ClientSocket = io(urls[gateway] ?? '', options);
    servers.defer(() => void socket.disconnect());
    await connected(socket);
    return socket;
  };
  const deviceOf = (index: number): TestDevice => {
    const device = people[first + index];
    if (device === undefined) throw new Error(`There is no device ${first + index}`);
    return device;
  };
  const senders = await eachPair((pair) => connect(from, deviceOf(2 * pair)));
  const recipients = await eachPair((pair) => connect(to, deviceOf(2 * pair + 1)));
  const relay = relayOf({
    name,
    nodes: [...new Set([from, to])].flatMap((index) => pids().gateways[index] ?? []),
    redis: pids().redis,
    async send(pair) {
      const recipient = deviceOf(2 * pair + 1);
      const body = { userId: recipient.userId, ...messageTo([recipient], text) };
      const answer = await senders[pair]?.emitWithAck('message:send', body);
      if (answer === undefined || 'error' in answer) throw new Error(JSON.stringify(answer));
    },
  });
  for (const [pair, socket] of recipients.entries()) {
    socket.on('message:new', (_message, acknowledge) => {
      acknowledge();
      relay.received(pair);
    });
  }
  return relay;
}

function eachPair<T>(job: (pair: number) => Promise<T>): Promise<T[]> {
  return Promise.all(Array.from({ length: pairs }, (_, pair) => job(pair)));
}

async function connected(socket: Pick<Socket, 'once'>): Promise<void> {
  await new Promise<void>((done, fail) => {
    socket.once('connect', done);
    socket.once('connect_error', fail);
  });
}
