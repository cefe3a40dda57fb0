import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { Redis } from '../../../adapters/redis/connect.ts';
import { createHeartbeats, type Heartbeats } from '../../../adapters/redis/heartbeats.ts';
import { connectTestRedis, uniqueName } from '../../support/redis.ts';

let redis: Redis;
let heartbeats: Heartbeats;

before(() => {
  redis = connectTestRedis();
  heartbeats = createHeartbeats(redis);
});
after(() => redis.disconnect());

const now = Date.now();

describe('createHeartbeats()', () => {
  it('returns the newest report of the processes of a role', async () => {
    const role = uniqueName('role');
    await heartbeats.beat(role, 'one', { at: now - 2000, dependencies: [{ name: 'ldap', status: 'down' }] });
    await heartbeats.beat(role, 'two', {
      at: now - 1000,
      dependencies: [{ name: 'ldap', status: 'up', latencyMs: 3 }],
    });
    assert.deepEqual(await heartbeats.read(role, now), {
      at: now - 1000,
      dependencies: [{ name: 'ldap', status: 'up', latencyMs: 3 }],
    });
  });

  it('returns nothing for a role that never reported', async () => {
    assert.equal(await heartbeats.read(uniqueName('role'), now), undefined);
  });

  it('treats a process that is silent for more than 15 s as dead and removes it', async () => {
    const role = uniqueName('role');
    await heartbeats.beat(role, 'one', { at: now - 15_001, dependencies: [] });
    assert.equal(await heartbeats.read(role, now), undefined);
    assert.equal(await redis.hlen(`health:${role}`), 0);
    await heartbeats.beat(role, 'two', { at: now - 15_000, dependencies: [] });
    assert.notEqual(await heartbeats.read(role, now), undefined);
  });

  it('removes a process that stopped, and no other', async () => {
    const role = uniqueName('role');
    await heartbeats.beat(role, 'one', { at: now, dependencies: [] });
    await heartbeats.beat(role, 'two', { at: now - 1, dependencies: [] });
    await heartbeats.stop(role, 'one');
    assert.equal((await heartbeats.read(role, now))?.at, now - 1);
  });
});
