// @rerun never
/** The whole product on a Redis Cluster of three nodes, which refuses each command with keys of two nodes. */
import assert from 'node:assert/strict';
import { after, describe, it } from 'node:test';
import { redisUrlOf } from '../../adapters/redis/acl.ts';
import { checkRedisUsers } from '../../cli/checks/redis-users.ts';
import { checkRedis } from '../../cli/checks/stores.ts';
import { readConfig } from '../../platform/config/config.ts';
import { journeyVariables, liveThrough } from '../support/engine-journey.ts';
import { newAclKey, startOwnCluster, variablesFor } from '../support/redis-servers.ts';
import { startOwnTestSystem } from '../support/system.ts';

const aclKey = newAclKey();
const cluster = await startOwnCluster({ aclKey });
const env = { ...journeyVariables, ...variablesFor(cluster.place), REDIS_ACL_KEY: aclKey.reveal() };
const system = await startOwnTestSystem({ env });
after(async () => {
  await system.stop();
  await cluster[Symbol.asyncDispose]();
});

describe('on a Redis Cluster of three nodes', () => {
  it('people register, log in and write to each other, and every node has keys', async () => {
    await liveThrough(system.ready);
    const sizes = await Promise.all(cluster.nodes.map(({ redis }) => redis.dbsize()));
    assert.ok(Math.min(...sizes) > 0, `keys by node: ${sizes}`);
    const operator = { ...system.processes.env('api'), REDIS_URL: redisUrlOf(cluster.place.url, aclKey, 'operator') };
    const [, arrangement] = await checkRedis(operator);
    assert.match(arrangement?.about ?? '', /cluster of 3 primaries, 3 without a replica/);
    assert.deepEqual(
      (await checkRedisUsers(operator)).map(({ verdict, about }) => [verdict, about]),
      [['ok', '8 users have their rights']],
    );
  });

  it('does not start with MESSAGE_DURABILITY=replica, because WAIT covers one node', () => {
    const start = () => readConfig('api', { ...system.processes.env('api'), MESSAGE_DURABILITY: 'replica' });
    assert.throws(start, /MESSAGE_DURABILITY=replica needs one primary: in a Redis Cluster, WAIT covers only the node/);
  });
});
