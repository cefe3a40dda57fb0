import assert from 'node:assert/strict';
import { after, before, it } from 'node:test';
import type { Redis } from '../../../adapters/redis/connect.ts';
import { connectRedis } from '../../../adapters/redis/connect.ts';
import { createSubscriptions } from '../../../adapters/redis/subscriptions.ts';
import { testEngines } from '../../support/engines.ts';
import { connectTestRedis, uniqueName } from '../../support/redis.ts';
import { until } from '../../support/until.ts';

let redis: Redis;
let subscriber: Redis;

before(() => {
  redis = connectTestRedis();
  subscriber = connectRedis(testEngines().redisUrl, () => undefined);
});
after(() => {
  for (const connection of [redis, subscriber]) connection.disconnect();
});

it('hears its channels, also after the connection was lost, and tells that it was', async () => {
  const [channel, other] = [uniqueName(), uniqueName()];
  const subscriptions = createSubscriptions(subscriber);
  const id = await subscriber.client('ID');
  const heard: string[] = [];
  let connections = 0;
  subscriptions.onConnect(() => {
    connections += 1;
  });
  await subscriptions.subscribe(channel, (payload) => heard.push(payload));
  await subscriptions.subscribe(other, (payload) => heard.push(payload));
  await redis.publish(channel, 'first');
  await until(() => heard.length === 1);
  await redis.client('KILL', 'ID', id);
  await until(() => connections === 1);
  await redis.publish(channel, 'second');
  await until(() => heard.length === 2);
  await subscriptions.unsubscribe(channel);
  assert.equal(await redis.publish(channel, 'third'), 0);
  await redis.publish(other, 'fourth');
  await until(() => heard.length === 3);
  assert.deepEqual(heard, ['first', 'second', 'fourth']);
});

it('subscribes once Redis is available', async () => {
  const absent = connectRedis('redis://127.0.0.1:1', () => undefined);
  const subscriptions = createSubscriptions(absent);
  await subscriptions.subscribe(uniqueName(), () => undefined);
  await subscriptions.unsubscribe(uniqueName());
  absent.disconnect();
});
