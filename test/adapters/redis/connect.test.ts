import assert from 'node:assert/strict';
import { createServer, type Socket } from 'node:net';
import { after, before, describe, it } from 'node:test';
import { connectRedis, loadScript } from '../../../adapters/redis/connect.ts';
import { isRedisOutage } from '../../../adapters/redis/outages.ts';
import { openTemporaryFolder } from '../../../engines/data-folder.ts';
import type { Engine } from '../../../engines/engine.ts';
import { startRedis } from '../../../engines/redis.ts';
import { connectTestRedis, uniqueName } from '../../support/redis.ts';
import { stopTime } from '../../support/stopped-time.ts';
import { until } from '../../support/until.ts';

async function errorOf(job: Promise<unknown>): Promise<unknown> {
  try {
    await job;
  } catch (err) {
    return err;
  }
  throw new Error('Nothing was thrown');
}

describe('connectRedis()', () => {
  let engine: Engine;
  let folder: Awaited<ReturnType<typeof openTemporaryFolder>>;

  before(async () => {
    folder = await openTemporaryFolder();
    engine = await startRedis({ folder });
  });
  after(() => folder.close());

  it('fails at once with an outage error while Redis is down, and recovers automatically', async () => {
    const errors: Error[] = [];
    // a call that waited would run into the time limit of the test runner
    const redis = connectRedis(engine.url, (err) => errors.push(err), { timeoutMs: 3_600_000 });
    const key = uniqueName();
    await redis.set(key, 'before');
    await engine.process?.kill();
    assert.equal(isRedisOutage(await errorOf(redis.get(key))), true);
    await engine.process?.start();
    await until(async () => (await redis.set(key, 'after')) === 'OK');
    assert.equal(await redis.get(key), 'after');
    assert.ok(errors.length > 0);
    redis.disconnect();
  });

  it('waits five seconds for a server that accepts connections and does not respond', async () => {
    const sockets: Socket[] = [];
    const server = createServer((socket) => sockets.push(socket));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const address = server.address();
    const port = typeof address === 'object' && address !== null ? address.port : 0;
    using time = stopTime();
    const redis = connectRedis(`redis://127.0.0.1:${port}`, () => undefined);
    let err: unknown;
    const asking = errorOf(redis.get('key')).then((thrown) => {
      err = thrown;
    });
    await time.pass(4999);
    assert.equal(err, undefined);
    await time.pass(1);
    await asking;
    assert.equal(isRedisOutage(err), true);
    redis.disconnect();
    for (const socket of sockets) socket.destroy();
    server.close();
  });
});

describe('isRedisOutage()', () => {
  it('distinguishes an outage from a wrong command and from a bug', async () => {
    const redis = connectTestRedis();
    const key = uniqueName();
    await redis.set(key, 'text');
    assert.equal(isRedisOutage(await errorOf(redis.hget(key, 'field'))), false);
    assert.equal(isRedisOutage(new TypeError('x is not a function')), false);
    assert.equal(isRedisOutage('Connection is closed.'), false);
    redis.disconnect();
    assert.equal(isRedisOutage(await errorOf(redis.get(key))), true);
  });
});

describe('loadScript()', () => {
  it('reloads a script after Redis has lost its script cache', async () => {
    const redis = connectTestRedis();
    const take = loadScript(redis, 'rate-limit');
    const args = [Date.now(), 'try', 1, 0, 0, 1, 5, 1000];
    await take([uniqueName()], args);
    await redis.script('FLUSH');
    const [, [allowed]] = (await take([uniqueName()], args)) as [number, number[]];
    assert.equal(allowed, 1);
    redis.disconnect();
  });
});
