// @rerun never
/**
 * Whatever process is killed during a call, the user finishes the registration as usual: one message whose code works,
 * one account, one session. Outages of a whole system are in test/journeys/outages.test.ts. Kills of every process at
 * every step, where most calls need no repeat, are in test/nightly/durability.test.ts.
 */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Role } from '../../platform/config/roles.ts';
import { messagesTo } from '../support/client.ts';
import { reportEventsOf, reportsTo } from '../support/delivery-reports.ts';
import { makeDevice, makeIdentity } from '../support/device-keys.ts';
import { setFault, untilHeld } from '../support/faults.ts';
import { type Channel, createJourney, type Journey, type OutboxMail, personOf } from '../support/journey.ts';
import { signalBody } from '../support/signal-registration.ts';
import { startOwnTestSystem } from '../support/system.ts';
import { until } from '../support/until.ts';
import { withSystem } from '../support/with-system.ts';

const { system, behind, api } = await withSystem(
  {
    INFOBIP_API_KEY: 'fake',
    INFOBIP_FROM: 'Vyry',
    REGISTRATION_STEPS: 'directory,captcha,code,credentials,device,signal',
  },
  { start: startOwnTestSystem },
);

describe('A registration, when a process is killed during a call', () => {
  let people = 0;

  it('survives a kill of the directory worker', async () => {
    const journey = next();
    await journey.walk('start');
    await actWhile(journey, 'directory', async () => {
      await system.kill('directory');
      await system.restart('directory');
    });
    await assertFinishedOnce(journey);
  });

  it('survives a kill of the registration worker', async () => {
    const journey = next();
    await journey.walk('code');
    await actWhile(journey, 'registration', async () => {
      await system.kill('registration');
      await system.restart('registration');
    });
    await assertFinishedOnce(journey);
  });

  it('survives a kill of the api: the call whose connection was lost is repeated, and does nothing twice', async () => {
    const journey = next();
    await journey.walk('code');
    await actWhile(journey, 'registration', async () => {
      await system.kill('api');
      process.kill(pidOf('registration'), 'SIGCONT');
      await system.restart('api');
    });
    assert.ok(journey.repeated.includes('credentials'));
    await assertFinishedOnce(journey);
  });

  it('survives kills of registration, api and signal at its last steps, with one device and one account at the Signal server', async () => {
    const { outboxUrl } = system.ready;
    const journey = next();
    await journey.walk('credentials');
    process.kill(pidOf('registration'), 'SIGSTOP');
    const describing = actUntilDone(journey);
    await until(async () => (await behind.keys(`registration-device:{${idOf(journey)}}`)).length === 1);
    await system.kill('api');
    await system.kill('registration');
    await system.restart('registration');
    await system.restart('api');
    await describing;
    assert.ok(journey.repeated.includes('device'));
    await setFault(outboxUrl, { channel: 'signal', mode: 'hold' });
    const registering = actUntilDone(journey);
    await untilHeld(outboxUrl, { channel: 'signal' });
    await system.kill('signal');
    await setFault(outboxUrl, { channel: 'signal', mode: 'none' });
    await system.restart('signal');
    await registering;
    await assertFinishedOnce(journey);
  });

  it('survives a kill of the delivery worker during the send, with one SMS', async () => {
    const journey = next();
    await killInsideSend(journey, 'sms', 'twilio');
    await assertFinishedOnce(journey);
    await until(async () => (await reportEventsOf(behind, idOf(journey))).length > 0);
    assert.equal((await reportEventsOf(behind, idOf(journey))).length, 1);
  });

  it('sends at most one extra e-mail, with the same code and Message-ID, when delivery is killed during the send', async () => {
    const journey = next('email');
    await killInsideSend(journey, 'email', 'smtp');
    await until(async () => (await messagesTo(system.ready.outboxUrl, journey.person.email)).length === 2);
    await journey.walk('device');
    // no number is verified, so the step signal stays blocked
    assert.equal((await journey.registration?.call('DELETE', ''))?.status, 204);
    const mails = (await messagesTo(system.ready.outboxUrl, journey.person.email)) as OutboxMail[];
    assert.equal(mails.length, 2);
    assert.equal(new Set(mails.map(({ code }) => code)).size, 1);
    assert.equal(new Set(mails.map(({ messageId }) => messageId)).size, 1);
  });

  it('records a delivery report once, when delivery and api are killed before it is accepted', async () => {
    const { apiUrl, outboxUrl } = system.ready;
    const journey = next();
    await journey.walk('captcha');
    for (const provider of ['twilio', 'infobip'])
      await setFault(outboxUrl, { channel: 'sms', provider, mode: 'error500' });
    await journey.act();
    await until(async () => (await journey.registration?.call('GET', ''))?.body.waitingFor === 'sms');
    process.kill(pidOf('api'), 'SIGSTOP');
    await setFault(outboxUrl, { channel: 'sms', provider: 'infobip', mode: 'none' });
    const tries = () => reportsTo(outboxUrl, `${apiUrl}/api/v1/delivery-reports/infobip`);
    await until(async () => (await tries()).at(-1)?.status === undefined && (await tries()).length > 0);
    await until(async () => (await behind.verificationOf(idOf(journey)))['sentAt:1'] !== undefined);
    await system.kill('delivery');
    await system.kill('api');
    await system.restart('api');
    // the provider repeats the report
    await until(async () => (await tries()).at(-1)?.status === 204);
    await system.restart('delivery');
    await setFault(outboxUrl, { channel: 'sms', provider: 'twilio', mode: 'none' });
    await until(async () => (await reportEventsOf(behind, idOf(journey))).length > 0);
    await assertFinishedOnce(journey);
    const events = await reportEventsOf(behind, idOf(journey));
    assert.deepEqual(
      events.map(({ vyry }) => vyry.messaging.provider),
      ['infobip'],
    );
  });

  it('leaves no running workflow', async () => {
    await until(async () => (await behind.temporal.workflow.count('ExecutionStatus = "Running"')).count === 0);
    const { count } = await behind.temporal.workflow.count('WorkflowType = "registration"');
    assert.equal(count, people);
  });

  function next(channel: Channel = 'sms'): Journey {
    const bodies = { device: makeDevice(makeIdentity(), { oneTimeKeys: 1 }), signal: signalBody() };
    return createJourney(system.ready, personOf(people++), channel, bodies);
  }

  function pidOf(role: Role): number {
    const pid = system.ready.pids[role];
    if (pid === undefined) throw new Error(`${role} is not running`);
    return pid;
  }

  /** Performs the next act, and runs `happens` while its one-time secret waits for a frozen worker. */
  async function actWhile(journey: Journey, frozen: Role, happens: () => Promise<void>): Promise<void> {
    const older = await behind.keys('secret:*');
    process.kill(pidOf(frozen), 'SIGSTOP');
    const acting = actUntilDone(journey);
    await until(async () => (await behind.keys('secret:*')).some((key) => !older.includes(key)));
    await happens();
    await acting;
  }

  /** Repeats a call with the same key, as an app does, when no worker responded within its deadline. */
  async function actUntilDone(journey: Journey): Promise<void> {
    await until(async () => {
      await journey.act();
      return true;
    });
  }

  /** Sends a code by a provider that accepts it, but whose response is held until delivery is killed and restarted. */
  async function killInsideSend(journey: Journey, channel: Channel, provider: string): Promise<void> {
    const { outboxUrl } = system.ready;
    await journey.walk('captcha');
    await setFault(outboxUrl, { channel, provider, mode: 'hold' });
    const sending = journey.act();
    await untilHeld(outboxUrl, { channel, provider });
    await system.kill('delivery');
    await setFault(outboxUrl, { channel, provider, mode: 'none' });
    await system.restart('delivery');
    await sending;
  }

  async function signalAccountsOf(phone: string): Promise<{ uuid: string; number: string }[]> {
    const answer = await fetch(`${system.ready.signalServerUrl}/signal-server/accounts`);
    return ((await answer.json()) as { uuid: string; number: string }[]).filter(({ number }) => number === phone);
  }

  async function assertFinishedOnce(journey: Journey): Promise<void> {
    await journey.walk('session');
    const { person, registration } = journey;
    const status = await registration?.call('GET', '');
    assert.equal(status?.body.state, 'completed');
    assert.equal((await messagesTo(system.ready.outboxUrl, person.phone)).length, 1);
    assert.deepEqual(await behind.accountsOf(person.username), [status?.body.userId]);
    assert.equal((await behind.claimsOf(status?.body.userId)).length, 5);
    assert.equal((await behind.sessionsOf(status?.body.userId)).length, 1);
    const { accessToken } = journey.answerOf('session').body;
    const me = await api.readMe({ token: accessToken });
    assert.equal(me.body.phone, person.phone);
    const { items } = (await api.listDevices({ token: accessToken })).body;
    assert.partialDeepStrictEqual(items, [{ deviceId: '1', current: true, keys: { count: 1, pqCount: 1 } }]);
    assert.equal(items.length, 1);
    const atSignal = await signalAccountsOf(person.phone);
    assert.deepEqual(
      atSignal.map(({ uuid }) => uuid),
      [journey.answerOf('signal').body.uuid],
    );
    assert.equal((await registration?.call('POST', '/session'))?.status, 409, 'a second session');
  }
});

function idOf({ registration }: Journey): string {
  if (registration === undefined) throw new Error('Not started');
  return registration.id;
}
