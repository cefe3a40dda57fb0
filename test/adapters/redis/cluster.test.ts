// @rerun never
/**
 * The other files of this folder once more, on a Redis Cluster of three nodes: it refuses each command, transaction and script
 * with keys of two slots, keeps scripts on each node, and scans only one.
 */
import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { after, describe, it } from 'node:test';
import { connectSubscriber, loadScript, scanKeys } from '../../../adapters/redis/connect.ts';
import { createSubscriptions } from '../../../adapters/redis/subscriptions.ts';
import { clusterVariable, connectTestRedis, uniqueName } from '../../support/redis.ts';
import { startOwnCluster } from '../../support/redis-servers.ts';
import { until } from '../../support/until.ts';

/** These start servers of their own, connect to a single one, or stop the clock of the whole process. */
const single = ['acl', 'cluster', 'connect', 'inbox-servers', 'outages', 'audit', 'subscriptions', 'rate-limit-leases'];

const cluster = await startOwnCluster();
process.env[clusterVariable] = JSON.stringify(cluster.place.clusterNodes);

describe('a connection to a Redis Cluster', () => {
  it('sends each command to the node of its keys, refuses two slots, and finds the keys of every node', async () => {
    const redis = connectTestRedis();
    const prefix = uniqueName();
    const names = Array.from({ length: 30 }, (_, index) => `${prefix}:${index}`);
    await Promise.all(names.map((name) => redis.set(name, name)));
    assert.deepEqual(await Promise.all(names.map((name) => redis.get(name))), names);
    const [one = '', other = ''] = names;
    await assert.rejects(redis.mget(one, other), /CROSSSLOT/);
    const found = new Set<string>();
    for await (const page of scanKeys(redis, { match: `${prefix}:*`, count: 5 }))
      for (const key of page) found.add(key);
    assert.deepEqual(found, new Set(names));
    const release = loadScript(redis, 'idempotency-release');
    await Promise.all(names.map((name) => release([`released:${name}`], ['reserved'])));
    redis.disconnect();
  });

  it('subscribes at one node, and at the next one after the connection was lost', async () => {
    const [redis, subscriber] = [connectTestRedis(), connectSubscriber(cluster.place, () => undefined)];
    const [channel, heard] = [uniqueName(), new Set<string>()];
    const subscriptions = createSubscriptions(subscriber);
    const hears = (text: string) =>
      until(async () => {
        await redis.publish(channel, text);
        return heard.has(text);
      });
    await subscriptions.subscribe(channel, (text) => heard.add(text));
    await hears('first');
    const { port } = subscriber.options;
    let losses = 0;
    subscriptions.onConnect(() => {
      losses += 1;
    });
    subscriber.stream.destroy();
    await hears('second');
    assert.notEqual(subscriber.options.port, port);
    assert.equal(losses, 1);
    for (const connection of [redis, subscriber]) connection.disconnect();
  });
});

for (const file of readdirSync(import.meta.dirname)) {
  if (!single.includes(file.replace('.test.ts', ''))) await import(`./${file}`);
}

// after the hooks of those files, which close their connections: one that loses its node is an error
after(() => cluster[Symbol.asyncDispose]());
