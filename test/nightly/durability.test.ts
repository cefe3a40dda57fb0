/**
 * Whatever process is killed at whatever step, the user finishes the registration as usual: one message whose code
 * works, one account with one device, one account at the Signal server, one session. Then a second device is linked. Only a call that lost its own connection is repeated, and a start while Temporal is
 * unavailable: that is refused at once, and repeated with the same key.
 */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { System } from '../../engines/system.ts';
import type { Role } from '../../platform/config/roles.ts';
import { call, messagesTo, notificationsTo } from '../support/client.ts';
import { makeDevice, makeIdentity, type TestIdentity } from '../support/device-keys.ts';
import { setFault, untilHeld } from '../support/faults.ts';
import { type Act, acts, type Channel, createJourney, type Journey, personOf } from '../support/journey.ts';
import { createLinkSteps } from '../support/links.ts';
import { must } from '../support/registrations.ts';
import { createRestClient } from '../support/rest-client.ts';
import { signalBody } from '../support/signal-registration.ts';
import { connectStores, type Stores } from '../support/stores.ts';
import { startWholeTestSystem } from '../support/system.ts';
import { until } from '../support/until.ts';

type Victim = Role | 'temporal';

const policy = 'directory,captcha,code,credentials,device,signal';

describe('A registration, when a process is killed at each of its steps and during the send', () => {
  let system: System;
  let stores: Stores;
  let people = 0;
  let linked = 0;
  const identities = new Map<Journey, TestIdentity>();

  before(async () => {
    system = await startWholeTestSystem({
      env: { CAPTCHA_COST: '2', RESEND_API_KEY: 'fake', REGISTRATION_STEPS: policy },
    });
    stores = await connectStores(system);
  });
  after(async () => {
    await stores?.[Symbol.asyncDispose]();
    await system?.stop();
  });

  it('survives a kill of the registration worker', async () => {
    await survive('registration');
  });

  it('survives a kill of the directory worker', async () => {
    await survive('directory');
  });

  it('survives a kill of the signal worker', async () => {
    await survive('signal');
  });

  it('survives a kill of the delivery worker', async () => {
    await survive('delivery');
  });

  it('survives a kill of the api: only the calls whose connection was lost are repeated', async () => {
    await survive('api');
  });

  it('survives a kill of the Temporal server', async () => {
    await survive('temporal');
  });

  it('B9: calls once, when the delivery worker is killed during the call', async () => {
    const { outboxUrl } = system.ready;
    const journey = next('voice');
    await journey.walk('captcha');
    await setFault(outboxUrl, { channel: 'voice', mode: 'hold' });
    const sending = journey.act();
    await untilHeld(outboxUrl, { channel: 'voice' });
    await system.kill('delivery');
    await setFault(outboxUrl, { channel: 'voice', mode: 'none' });
    await system.restart('delivery');
    await sending;
    await journey.walk('session');
    assert.equal((await messagesTo(outboxUrl, journey.person.phone)).length, 1);
  });

  it('sends one welcome message, when the delivery worker is killed during the send', async () => {
    const { outboxUrl } = system.ready;
    const journey = next();
    await setFault(outboxUrl, { channel: 'email', provider: 'smtp', mode: 'error500' });
    await setFault(outboxUrl, { channel: 'email', provider: 'resend', mode: 'hold' });
    await journey.walk('session');
    await untilHeld(outboxUrl, { channel: 'email', provider: 'resend' });
    await system.kill('delivery');
    await setFault(outboxUrl, { channel: 'email', provider: 'resend', mode: 'none' });
    await system.restart('delivery');
    const { userId } = journey.answerOf('session').body.user;
    await until(async () => {
      const events = (await stores.redis.xrange('audit', '-', '+')).map(([, [, event = '{}']]) => JSON.parse(event));
      return events.some(({ action, user }) => action === 'notification-send' && user?.target?.id === userId);
    });
    assert.equal((await notificationsTo(outboxUrl, journey.person.email)).length, 1);
    await setFault(outboxUrl, { channel: 'email', mode: 'none' });
  });

  it('leaves no running workflow but those of the links, which notify the owner again later', async () => {
    const running = async (type: string) =>
      (await stores.temporal.workflow.count(`ExecutionStatus = "Running" AND WorkflowType ${type} "deviceLink"`)).count;
    await until(async () => (await running('!=')) === 0);
    assert.equal(await running('='), linked);
    const { count } = await stores.temporal.workflow.count('WorkflowType = "registration"');
    assert.equal(count, people);
  });

  function next(channel: Channel = 'sms'): Journey {
    const identity = makeIdentity();
    const device = makeDevice(identity);
    const journey = createJourney(system.ready, personOf(people++), channel, { device, signal: signalBody() });
    identities.set(journey, identity);
    return journey;
  }

  /**
   * Kills a victim while journeys wait between all steps, while each call is in progress (some just sent, some for
   * 60 ms), and while the provider has a message that it has not yet confirmed or whose confirmation was lost.
   */
  async function survive(victim: Victim): Promise<void> {
    const { outboxUrl } = system.ready;
    const standing = acts.slice(0, -1).map((act) => ({ journey: next(), act }));
    const walking = [60, 0].flatMap((leadMs) => acts.map((act) => ({ journey: next(), act, leadMs })));
    const unconfirmed = next();
    const unheard = next();
    await Promise.all([
      ...standing.map(({ journey, act }) => journey.walk(act)),
      ...walking.map(({ journey, act }) => walkBefore(journey, act)),
      unconfirmed.walk('captcha'),
      unheard.walk('captcha'),
    ]);

    await setFault(outboxUrl, { channel: 'sms', mode: 'slow', seconds: 4 });
    const underWay = new Set<Promise<unknown>>();
    const begin = (journey: Journey) => {
      const acting = journey.act().finally(() => underWay.delete(acting));
      underWay.add(acting);
      return acting;
    };
    const sends = [begin(unconfirmed)];
    await accepted(unconfirmed.person.phone);
    await setFault(outboxUrl, { channel: 'sms', mode: 'accept-then-drop' });
    const calls = walking.filter(({ leadMs }) => leadMs > 0).map(({ journey }) => begin(journey));
    sends.push(begin(unheard));
    await Promise.all([accepted(unheard.person.phone), sleep(60)]);
    calls.push(...walking.filter(({ leadMs }) => leadMs === 0).map(({ journey }) => begin(journey)));
    await new Promise((resolve) => setImmediate(resolve));
    const countUnderWay = underWay.size;
    await kill(victim);
    await setFault(outboxUrl, { channel: 'sms', mode: 'none' });
    await startAgain(victim);
    await Promise.all([...calls, ...sends]);

    const journeys = [...standing, ...walking].map(({ journey }) => journey).concat(unconfirmed, unheard);
    await Promise.all(journeys.map((journey) => journey.walk('session')));
    assert.ok(countUnderWay >= acts.length, `only ${countUnderWay} calls were in progress`);
    assertRepeats(journeys, victim);
    await Promise.all(journeys.map(assertFinishedOnce));
    await linkDevice(unconfirmed);
  }

  async function signalAccountsOf(phone: string): Promise<unknown[]> {
    const answer = await fetch(`${system.ready.signalServerUrl}/signal-server/accounts`);
    return ((await answer.json()) as { number: string }[]).filter(({ number }) => number === phone);
  }

  async function assertFinishedOnce(journey: Journey): Promise<void> {
    const { person, registration } = journey;
    const who = person.username;
    const status = await registration?.call('GET', '');
    assert.equal(status?.body.state, 'completed', who);
    assert.equal((await messagesTo(system.ready.outboxUrl, person.phone)).length, 1, `${who}: messages`);
    const accounts = await stores.accountsOf(who);
    assert.deepEqual(accounts, [status?.body.userId], `${who}: accounts`);
    assert.equal((await stores.claimsOf(status?.body.userId)).length, 5, `${who}: claims`);
    assert.equal((await stores.sessionsOf(status?.body.userId)).length, 1, `${who}: sessions`);
    const { accessToken } = journey.answerOf('session').body;
    const me = await call(system.ready.apiUrl, 'GET', '/api/v1/users/me', { token: accessToken });
    assert.equal(me.body.phone, person.phone, who);
    const devices = await call(system.ready.apiUrl, 'GET', '/api/v1/devices', { token: accessToken });
    assert.equal(devices.body.items.length, 1, `${who}: devices`);
    assert.equal((await signalAccountsOf(person.phone)).length, 1, `${who}: accounts at the Signal server`);
    assert.equal((await registration?.call('POST', '/session'))?.status, 409, `${who}: a second session`);
  }

  /** Links a second device to the account of a journey. */
  async function linkDevice(journey: Journey): Promise<void> {
    const identity = identities.get(journey) ?? makeIdentity();
    const api = createRestClient(system.ready.apiUrl);
    const { approved, complete } = createLinkSteps(api);
    const { accessToken: token, user } = journey.answerOf('session').body;
    const owner = { ...journey.answerOf('session').body, ...user, token, identity, deviceId: '1' };
    const link = await approved(owner);
    await must(complete(link, makeDevice(identity)), 201);
    assert.equal((await must(api.listDevices({ token }))).body.items.length, 2);
    linked++;
  }

  async function accepted(recipient: string): Promise<void> {
    await until(async () => (await messagesTo(system.ready.outboxUrl, recipient)).length > 0);
  }

  function kill(victim: Victim): Promise<void> {
    return victim === 'temporal' ? system.killTemporal() : system.kill(victim);
  }

  function startAgain(victim: Victim): Promise<void> {
    return victim === 'temporal' ? system.restartTemporal() : system.restart(victim);
  }
});

/** Performs every act before this one, and prepares this one. */
async function walkBefore(journey: Journey, act: Act): Promise<void> {
  const last = acts[acts.indexOf(act) - 1];
  if (last !== undefined) await journey.walk(last);
  await journey.prepare();
}

function assertRepeats(journeys: Journey[], victim: Victim): void {
  const repeated = journeys.flatMap((journey) => journey.repeated);
  if (victim === 'api') assert.notEqual(repeated.length, 0);
  // a start does not wait for Temporal to recover, every other call does
  else if (victim === 'temporal')
    assert.deepEqual(
      repeated.filter((act) => act !== 'start'),
      [],
    );
  else assert.deepEqual(repeated, []);
}
