import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { describe, it } from 'node:test';
import { setTimeout as pause, setTimeout } from 'node:timers/promises';
import { type Accounts, createAccounts } from '../../../adapters/mongo/accounts.ts';
import { connectMongo, isDuplicateKey, isMongoOutage } from '../../../adapters/mongo/connect.ts';
import { withDatabase } from '../../../engines/processes.ts';
import { newId } from '../../../platform/crypto.ts';
import { testEngines } from '../../support/engines.ts';
import { testBox, uniqueName } from '../../support/redis.ts';

async function errorOf(job: Promise<unknown>): Promise<unknown> {
  try {
    await job;
  } catch (err) {
    return err;
  }
  throw new Error('Nothing was thrown');
}

/** A way to the database that can be shut. */
interface Gate extends AsyncDisposable {
  url: string;
  shut(): Promise<void>;
  open(): Promise<void>;
}

async function openGate(): Promise<Gate> {
  const target = new URL(testEngines().databaseUrl);
  const sockets = new Set<Socket>();
  let server: Server | undefined;
  let port = 0;
  const open = async () => {
    server = createServer((socket) => {
      const upstream = connect(Number(target.port), target.hostname);
      for (const end of [socket, upstream]) {
        sockets.add(end.on('error', () => undefined));
        end.on('close', () => {
          socket.destroy();
          upstream.destroy();
        });
      }
      socket.pipe(upstream).pipe(socket);
    });
    await new Promise<void>((resolve) => server?.listen(port, '127.0.0.1', resolve));
    const address = server.address();
    port = typeof address === 'object' && address !== null ? address.port : 0;
  };
  const shut = async () => {
    const closed = new Promise((resolve) => server?.close(resolve));
    for (const socket of sockets) socket.destroy();
    await closed;
  };
  await open();
  return { url: withDatabase(`mongodb://127.0.0.1:${port}`, uniqueName()), shut, open, [Symbol.asyncDispose]: shut };
}

function accountsOf(database: ReturnType<typeof connectMongo>): Accounts {
  return createAccounts(database.connection, randomBytes(32), testBox('field'));
}

describe('connectMongo()', () => {
  it('fails within seconds while the database is away, as an outage, and works again by itself', async () => {
    await using gate = await openGate();
    await using database = connectMongo(gate.url, () => undefined);
    const accounts = accountsOf(database);
    const userId = newId();
    await accounts.insert({ userId, identity: {}, createdAt: new Date() });
    await gate.shut();
    const begin = performance.now();
    const errors = await Promise.all([
      errorOf(accounts.read(userId)),
      errorOf(accounts.claim(userId, { phone: '+1' })),
    ]);
    assert.deepEqual(errors.map(isMongoOutage), [true, true]);
    assert.ok(performance.now() - begin < 6000, `${performance.now() - begin} ms`);
    await gate.open();
    let found: unknown;
    for (const deadline = Date.now() + 20_000; found === undefined && Date.now() < deadline; await pause(50)) {
      found = await accounts.read(userId).catch(() => undefined);
    }
    assert.notEqual(found, undefined);
    await database.connection.dropDatabase();
  });

  it('opens by itself however late the database appears, and lets nobody wait longer than seconds until then', async () => {
    await using gate = await openGate();
    await gate.shut();
    const errors: unknown[] = [];
    await using database = connectMongo(gate.url, (err) => errors.push(err));
    const begin = performance.now();
    assert.equal(isMongoOutage(await errorOf(accountsOf(database).read('nobody'))), true);
    assert.ok(performance.now() - begin < 6000, `${performance.now() - begin} ms`);
    assert.ok(errors.every(isMongoOutage));
    await gate.open();
    const isBack = async () =>
      database.ping().then(
        () => true,
        () => false,
      );
    while (!(await isBack())) await setTimeout(50);
    assert.equal(await accountsOf(database).read('nobody'), undefined);
  });

  it('stops trying when it is closed', { timeout: 20_000 }, async () => {
    const database = connectMongo('mongodb://127.0.0.1:1/nothing', () => undefined);
    await database[Symbol.asyncDispose]();
  });
});

describe('isMongoOutage() and isDuplicateKey()', () => {
  it('tell an outage and a lost insert from a bug', async () => {
    await using database = connectMongo(withDatabase(testEngines().databaseUrl, uniqueName()), () => undefined);
    await database.ping();
    const things = database.connection.collection<{ _id: string }>('things');
    await things.insertOne({ _id: 'one' });
    const lost = await errorOf(things.insertOne({ _id: 'one' }));
    assert.deepEqual([isDuplicateKey(lost), isMongoOutage(lost)], [true, false]);
    const wrong = await errorOf(things.updateOne({ _id: 'one' }, { $nonsense: {} } as never));
    assert.deepEqual([isDuplicateKey(wrong), isMongoOutage(wrong)], [false, false]);
    assert.deepEqual([isDuplicateKey(new TypeError('x')), isMongoOutage(new TypeError('x'))], [false, false]);
    await database.connection.dropDatabase();
  });
});
