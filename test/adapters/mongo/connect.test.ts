import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { describe, it } from 'node:test';
import { type Accounts, createAccounts } from '../../../adapters/mongo/accounts.ts';
import { connectMongo, isDuplicateKey } from '../../../adapters/mongo/connect.ts';
import { isMongoOutage } from '../../../adapters/mongo/outages.ts';
import { withDatabase } from '../../../engines/processes.ts';
import { newId } from '../../../platform/crypto.ts';
import { testEngines } from '../../support/engines.ts';
import { testCipher, uniqueName } from '../../support/redis.ts';
import { eventually, until } from '../../support/until.ts';

async function errorOf(job: Promise<unknown>): Promise<unknown> {
  try {
    await job;
  } catch (err) {
    return err;
  }
  throw new Error('Nothing was thrown');
}

/** A TCP proxy to the database that a test can close and reopen. */
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

/** Resolves to true when the database responds; throws otherwise. */
async function isThere(database: ReturnType<typeof connectMongo>): Promise<boolean> {
  await database.ping();
  return true;
}

function accountsOf(database: ReturnType<typeof connectMongo>): Accounts {
  return createAccounts(database.connection, [randomBytes(32)], testCipher('field'), {
    around: (_userId, write) => write(),
  });
}

describe('connectMongo()', () => {
  it('writes to the majority and reads from the primary, whatever the URL says', async () => {
    const url = `${withDatabase(testEngines().databaseUrl, uniqueName())}?w=1&readPreference=secondaryPreferred`;
    await using database = connectMongo(url, () => undefined);
    await database.ping();
    const { writeConcern, readPreference } = database.connection.getClient().options;
    assert.deepEqual([writeConcern?.w, readPreference.mode], ['majority', 'primary']);
  });

  it('fails with an outage error while the database is down, and recovers automatically', async () => {
    await using gate = await openGate();
    await using database = connectMongo(gate.url, () => undefined, { serverMs: 500, answerMs: 600_000 });
    const accounts = accountsOf(database);
    const userId = newId();
    await until(async () => {
      await accounts.insert({ userId, identity: {}, createdAt: new Date() });
      return true;
    });
    await gate.shut();
    const errors = await Promise.all([
      errorOf(accounts.read(userId)),
      errorOf(accounts.claim(userId, { phone: '+1' })),
    ]);
    assert.deepEqual(errors.map(isMongoOutage), [true, true]);
    await gate.open();
    const found = await eventually(() => accounts.read(userId));
    assert.equal(found.userId, userId);
    await database.connection.dropDatabase();
  });

  it('connects automatically when the database appears; until then each call waits at most three seconds', async () => {
    await using gate = await openGate();
    await gate.shut();
    const errors: unknown[] = [];
    await using database = connectMongo(gate.url, (err) => errors.push(err));
    const err = await errorOf(accountsOf(database).read('nobody'));
    assert.equal(isMongoOutage(err), true);
    assert.match((err as Error).message, /timed out after 3000ms/);
    assert.ok(errors.every(isMongoOutage));
    await gate.open();
    await until(() => isThere(database));
    await until(async () => (await accountsOf(database).read('nobody')) === undefined);
  });

  it('stops trying when it is closed', async () => {
    const database = connectMongo('mongodb://127.0.0.1:1/nothing', () => undefined);
    await database[Symbol.asyncDispose]();
  });
});

describe('isMongoOutage() and isDuplicateKey()', () => {
  it('distinguish an outage and a duplicate key from a bug', async () => {
    const url = withDatabase(testEngines().databaseUrl, uniqueName());
    await using database = connectMongo(url, () => undefined, { serverMs: 600_000, answerMs: 600_000 });
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
