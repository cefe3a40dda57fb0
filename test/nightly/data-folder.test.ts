/** Measures how long a crashed program is down. */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { openTemporaryFolder } from '../../engines/data-folder.ts';
import { startRedis } from '../../engines/redis.ts';
import { until } from '../support/until.ts';

it('a crashed program is back within a second when it is kept alive', async () => {
  const said: string[] = [];
  await using folder = await openTemporaryFolder((line) => said.push(line));
  const redis = await startRedis({ folder, keepAlive: true });
  const begin = performance.now();
  process.kill(redis.process?.pid ?? 0, 'SIGKILL');
  await until(() => said.some((line) => line.startsWith('redis was restarted')));
  const tookMs = performance.now() - begin;
  assert.ok(tookMs < 1000, `${tookMs} ms`);
});
