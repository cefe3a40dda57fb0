import assert from 'node:assert/strict';
import { createServer } from 'node:net';
import { after, before, describe, it } from 'node:test';
import { connectRedis, isRedisOutage, loadScript } from '../../../adapters/redis/connect.ts';
import { openTemporaryFolder } from '../../../engines/data-folder.ts';
import type { Engine } from '../../../engines/engine.ts';
import { startRedis } from '../../../engines/redis.ts';
import { connectTestRedis, uniqueName } from '../../support/redis.ts';

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

  it('fails soon while Redis is away, by an error that is known as an outage, and works again by itself', async () => {
    const errors: Error[] = [];
    const redis = connectRedis(engine.url, (err) => errors.push(err));
    const key = uniqueName();
    await redis.set(key, 'before');
    await engine.process?.kill();
    const begin = performance.now();
    assert.equal(isRedisOutage(await errorOf(redis.get(key))), true);
    assert.ok(performance.now() - begin < 7000);
    await engine.process?.start();
    for (const deadline = Date.now() + 10_000; Date.now() < deadline; ) {
      if ((await redis.set(key, 'after').catch(() => undefined)) === 'OK') break;
    }
    assert.equal(await redis.get(key), 'after');
    assert.ok(errors.length > 0);
    redis.disconnect();
  });

  it('does not wait for a server that accepts and says nothing', async () => {
    const server = createServer(() => undefined);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const address = server.address();
    const port = typeof address === 'object' && address !== null ? address.port : 0;
    const redis = connectRedis(`redis://127.0.0.1:${port}`, () => undefined);
    const begin = performance.now();
    assert.equal(isRedisOutage(await errorOf(redis.get('key'))), true);
    assert.ok(performance.now() - begin < 9000);
    redis.disconnect();
    server.close();
  });
});

describe('isRedisOutage()', () => {
  it('tells an outage from a wrong command and from a bug', async () => {
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
  it('works on after Redis has forgotten the scripts it knew', async () => {
    const redis = connectTestRedis();
    const take = loadScript(redis, 'rate-limit');
    const args = [Date.now(), 'try', 5, 1000];
    await take([uniqueName()], args);
    await redis.script('FLUSH');
    const [allowed] = (await take([uniqueName()], args)) as number[];
    assert.equal(allowed, 1);
    redis.disconnect();
  });
});
