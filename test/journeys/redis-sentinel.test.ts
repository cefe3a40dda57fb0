// @rerun never
/**
 * The whole product on a Redis that Sentinels watch, while its primary is killed: nothing that was acknowledged is lost. How
 * long Redis was away is printed, and decides nothing.
 */
import assert from 'node:assert/strict';
import { after, describe, it } from 'node:test';
import { call } from '../support/client.ts';
import { journeyVariables, logInAgain, register, stayLoggedIn, write } from '../support/engine-journey.ts';
import { acceptEachOther, messageTo, textOf } from '../support/messages.ts';
import { processOf } from '../support/outages.ts';
import { newAclKey, startOwnSentinels, variablesFor } from '../support/redis-servers.ts';
import { must } from '../support/registrations.ts';
import { createRestClient } from '../support/rest-client.ts';
import { startOwnTestSystem } from '../support/system.ts';
import { hangMs, until } from '../support/until.ts';

const aclKey = newAclKey();
const sentinels = await startOwnSentinels(aclKey);
const env = {
  ...journeyVariables,
  ...variablesFor(sentinels.place),
  REDIS_ACL_KEY: aclKey.reveal(),
  MESSAGE_DURABILITY: 'replica',
};
const system = await startOwnTestSystem({ env });
after(async () => {
  await system.stop();
  await sentinels[Symbol.asyncDispose]();
});

/** Waits until the replicas have what was written. Only sends wait for them by themselves. */
async function reachReplicas(): Promise<void> {
  const { redis } = sentinels.primary;
  await redis.set('reached', '1');
  assert.equal(await redis.wait(2, hangMs), 2);
}

/** Messages before and after the fail-over. */
const half = 20;
const away = `Redis was away, with ${half} sends`;

describe('with Redis Sentinel, when the primary is killed', () => {
  it('loses no message that was acknowledged, and continues with sessions and a registration that was under way', async () => {
    const api = createRestClient(system.ready.apiUrl);
    const [alice, bob] = [await register(system.ready, 1), await register(system.ready, 2)];
    await acceptEachOther(api, alice, bob);
    /** Sends until it is acknowledged, as an app does; the id of the message makes that safe. */
    const send = async (text: string) => {
      const body = messageTo([bob], text);
      await until(async () => (await api.sendMessage({ userId: bob.userId, token: alice.token, body })).status === 200);
    };
    const texts = Array.from({ length: 2 * half }, (_, index) => `message ${index}`);
    for (const text of texts.slice(0, half)) await send(text);

    // a registration, and sends at the same time, see the primary die
    const joan = register(system.ready, 3, async () => {
      await reachReplicas();
      console.time(away);
      await processOf(sentinels.primary.engine).kill();
      for (const text of texts.slice(half)) await send(text);
      console.timeEnd(away);
      await until(async () => (await call(system.ready.apiUrl, 'GET', '/health/ready')).status === 200);
    });
    await joan;

    const { body } = await must(api.readMessages({ token: bob.token }));
    assert.deepEqual(body.items.map(textOf), texts);
    await stayLoggedIn(api, alice);
    await logInAgain(system.ready, bob);
    await write(system.ready.apiUrl, alice, await joan);
  });
});
