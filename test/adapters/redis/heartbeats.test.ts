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
  it('shows the newest report of the processes of a role', async () => {
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

  it('shows nothing of a role that never reported', async () => {
    assert.equal(await heartbeats.read(uniqueName('role'), now), undefined);
  });

  it('takes a process that is silent for 15 s for dead, and forgets it', async () => {
    const role = uniqueName('role');
    await heartbeats.beat(role, 'one', { at: now - 15_001, dependencies: [] });
    assert.equal(await heartbeats.read(role, now), undefined);
    assert.equal(await redis.hlen(`health:${role}`), 0);
    await heartbeats.beat(role, 'two', { at: now - 15_000, dependencies: [] });
    assert.notEqual(await heartbeats.read(role, now), undefined);
  });

  it('forgets a process that stopped, and not the others', async () => {
    const role = uniqueName('role');
    await heartbeats.beat(role, 'one', { at: now, dependencies: [] });
    await heartbeats.beat(role, 'two', { at: now - 1, dependencies: [] });
    await heartbeats.stop(role, 'one');
    assert.equal((await heartbeats.read(role, now))?.at, now - 1);
  });
});
