/** Outages with measured times: longer than the lifetime of a registration, and a response within two seconds. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { System } from '../../engines/system.ts';
import { type Answer, call, messagesTo } from '../support/client.ts';
import { setFault } from '../support/faults.ts';
import { createJourney, type Journey, personOf } from '../support/journey.ts';
import { assertUnavailable, assertWaits, processOf, registrationOf, statusOf } from '../support/outages.ts';
import { connectStores, type Stores } from '../support/stores.ts';
import { startWholeTestSystem } from '../support/system.ts';
import { until } from '../support/until.ts';

const minuteMs = 60_000;
const ttlSeconds = 30;

describe('A registration, when external systems are unavailable', () => {
  let system: System;
  let stores: Stores;
  let people = 0;

  before(async () => {
    system = await startWholeTestSystem({
      env: {
        CAPTCHA_COST: '2',
        REGISTRATION_TTL: String(ttlSeconds),
        OTP_TTL: '30',
        // one for a wrong password: an outage that counted as an attempt would use up the other
        DIRECTORY_TRIES: '2',
      },
    });
    stores = await connectStores(system);
  });
  after(async () => {
    await stores?.[Symbol.asyncDispose]();
    await system?.stop();
  });

  it('waits a minute for directory and SMS provider, longer than its lifetime, and continues on its own', {
    timeout: 3 * minuteMs,
  }, async () => {
    const [atDirectory, mistyped, atSend, idle] = [next(), next(), next(), next()];
    await Promise.all([atDirectory, mistyped, idle].map((journey) => journey.walk('start')));
    await atSend.walk('captcha');
    await processOf(system.engines?.ldap).kill();
    await setFault(system.ready.outboxUrl, { channel: 'sms', mode: 'error500' });
    const begin = Date.now();

    const { username, password } = atDirectory.person;
    for (const _ of [1, 2]) {
      const answer = await registrationOf(atDirectory).call('PUT', '/directory', { username, password });
      assertUnavailable(answer);
    }
    const wrong = { username: mistyped.person.username, password: 'not-this-one' };
    assertUnavailable(await registrationOf(mistyped).call('PUT', '/directory', wrong));
    const sent = await atSend.act();
    assert.equal(sent.status, 202);

    while (Date.now() - begin < minuteMs) {
      await assertWaits(atDirectory, 'directory', 'directory');
      await assertWaits(mistyped, 'directory', 'directory');
      await assertWaits(atSend, 'sms', 'code');
      await sleep(5000);
    }
    assert.equal((await statusOf(idle)).state, 'expired');
    assert.deepEqual(await messagesTo(system.ready.outboxUrl, atSend.person.phone), []);
    await assertListed('directory', [atDirectory, mistyped]);
    await assertListed('sms', [atSend]);

    await processOf(system.engines?.ldap).start();
    await setFault(system.ready.outboxUrl, { channel: 'sms', mode: 'none' });
    await Promise.all([
      untilStep(atDirectory, 'directory', 'done').then(async (answer) => {
        atDirectory.skip(answer);
        await atDirectory.walk('session');
      }),
      // the wrong password does not count as an outage, and the outage did not count as a wrong password
      untilStep(mistyped, 'directory', 'open').then(() => mistyped.walk('session')),
      atSend.walk('session'),
    ]);
    for (const journey of [atDirectory, mistyped, atSend]) {
      assert.equal((await messagesTo(system.ready.outboxUrl, journey.person.phone)).length, 1);
    }
  });

  it('is refused in less than 2 s while Temporal is unavailable', async () => {
    await system.killTemporal();
    for (const key of [1, 2, 3]) {
      const begin = performance.now();
      assertUnavailable(await start(`outage-${key}`));
      const tookMs = performance.now() - begin;
      assert.ok(tookMs < 2000, `response ${key} took ${tookMs} ms`);
    }
    await system.restartTemporal();
    await until(async () => (await start('outage-1')).status === 201);
  });

  function next(): Journey {
    return createJourney(system.ready, personOf(people++));
  }

  function start(key?: string): Promise<Answer> {
    const headers: Record<string, string> = key === undefined ? {} : { 'Idempotency-Key': key };
    return call(system.ready.apiUrl, 'POST', '/api/v1/registrations', { body: {}, headers });
  }

  async function assertListed(waitingFor: string, journeys: Journey[]): Promise<void> {
    const found: string[] = [];
    for await (const { workflowId } of stores.temporal.workflow.list({
      query: `WorkflowType = "registration" AND VyryWaitingFor = "${waitingFor}"`,
    })) {
      found.push(workflowId);
    }
    assert.deepEqual(found.sort(), journeys.map((journey) => `registration:${journey.registration?.id}`).sort());
  }
});

/** Long-polls, without changing anything, until a step has a status. */
async function untilStep(journey: Journey, name: string, status: string): Promise<Answer> {
  for (let tries = 0; tries < 10; tries++) {
    const answer = await registrationOf(journey).call('GET', '?waitSeconds=10');
    const step = answer.body.steps.find((known: { name: string }) => known.name === name);
    if (step.status === status) return answer;
  }
  throw new Error(`${name} is not ${status}`);
}
