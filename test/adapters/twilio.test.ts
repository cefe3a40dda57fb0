import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { after, before, beforeEach, describe, it } from 'node:test';
import { inspect } from 'node:util';
import { readTwilioReport } from '../../adapters/twilio/delivery-report.ts';
import { connectTwilio, type TwilioOptions } from '../../adapters/twilio.ts';
import { Failure } from '../../domain/failures.ts';
import type { SendOutcome } from '../../domain/providers.ts';
import { demoTwilio } from '../../engines/engines.ts';
import { type Fakes, startFakes } from '../../engines/fakes/fakes.ts';
import { Secret } from '../../platform/config/secret.ts';
import { messagesTo } from '../support/client.ts';
import { reportsTo } from '../support/delivery-reports.ts';
import { type FaultSetting, setFault } from '../support/faults.ts';
import { until } from '../support/until.ts';

const to = '+12025550102';
const body = '123456 is your code';
const reference = 'one.1';
let fakes: Fakes;

before(async () => {
  fakes = await startFakes({ twilio: demoTwilio });
});
after(() => fakes.close());
beforeEach(async () => {
  await setFault(fakes.outboxUrl, { channel: 'sms', mode: 'none' });
  await fetch(`${fakes.outboxUrl}/messages`, { method: 'DELETE' });
});

/** Connects to the fake. The timeout is longer than any response takes, unless a test sets one. */
function connect(given: Partial<TwilioOptions> = {}) {
  const authToken = new Secret(demoTwilio.authToken);
  return connectTwilio({ ...demoTwilio, authToken, baseUrl: fakes.twilioUrl, timeoutMs: 600_000, ...given });
}

const reportsAt = (url: string) => reportsTo(fakes.outboxUrl, url);
const fault = (settings: Omit<FaultSetting, 'channel'>) => setFault(fakes.outboxUrl, { channel: 'sms', ...settings });

async function failureOf(job: Promise<unknown>): Promise<Failure> {
  try {
    await job;
  } catch (err) {
    assert.ok(err instanceof Failure, inspect(err));
    return err;
  }
  throw new Error('Nothing was thrown');
}

/** Asserts that the failure is a temporary one and does not contain the recipient. */
async function assertUnavailable(job: Promise<unknown>, message: RegExp): Promise<void> {
  const failure = await failureOf(job);
  assert.equal(failure.code, 'unavailable');
  assert.match(failure.context.message ?? '', message);
  const text = inspect(failure, { depth: 9 });
  for (const personal of [to, to.slice(1), '123456', demoTwilio.authToken])
    assert.equal(text.includes(personal), false, text);
}

describe('readTwilioReport()', () => {
  it('distinguishes final states of messages and calls from intermediate ones', () => {
    assert.deepEqual(readTwilioReport({ MessageStatus: 'undelivered', ErrorCode: '30003' }), {
      outcome: 'undelivered',
      errorCode: '30003',
    });
    assert.deepEqual(readTwilioReport({ MessageStatus: 'failed', ErrorCode: '<script>' }), { outcome: 'failed' });
    assert.deepEqual(readTwilioReport({ CallStatus: 'completed' }), { outcome: 'delivered' });
    assert.deepEqual(readTwilioReport({ CallStatus: 'no-answer' }), { outcome: 'unanswered' });
    for (const form of [{ MessageStatus: 'sent' }, { CallStatus: 'ringing' }, { MessageStatus: '__proto__' }, {}]) {
      assert.equal(readTwilioReport(form as Record<string, string>), undefined);
    }
  });
});

describe('send()', () => {
  it('sends Twilio the URL for delivery reports, if there is one', async () => {
    const reportUrl = `${fakes.outboxUrl}/nobody`;
    const idOf = (sent: SendOutcome) => (sent.result === 'sent' ? sent.providerId : '');
    const isTold = async (id: string) => (await reportsAt(reportUrl)).some((report) => report.body.includes(id));
    const told = idOf(await connect().send({ to, body, reference, reportUrl }));
    await until(() => isTold(told));
    assert.equal(await isTold(idOf(await connect().send({ to, body, reference }))), false);
  });

  it('sends a message and returns its id at Twilio', async () => {
    const outcome = await connect().send({ to, body, reference });
    assert.equal(outcome.result, 'sent');
    assert.match(outcome.result === 'sent' ? outcome.providerId : '', /^SM[0-9a-f]{32}$/);
    const [message] = await messagesTo(fakes.outboxUrl, to);
    assert.equal(message?.body, body);
    assert.equal(message?.code, '123456');
  });

  it('returns a permanent refusal for errors that no retry can fix', async () => {
    const reasons: Record<string, string> = {
      21211: 'number-not-valid',
      21408: 'country-not-enabled',
      21610: 'recipient-opted-out',
      21612: 'number-not-reachable',
      21614: 'number-not-mobile',
      21635: 'number-not-mobile',
      21266: 'number-not-valid',
      30450: 'fraud-suspected',
    };
    for (const [providerCode, reason] of Object.entries(reasons)) {
      await fault({ mode: 'error400', providerCode });
      assert.deepEqual(await connect().send({ to, body, reference }), { result: 'refused', reason }, providerCode);
    }
  });

  it('refuses an invalid number', async () => {
    assert.deepEqual(await connect().send({ to: '+0', body, reference }), {
      result: 'refused',
      reason: 'number-not-valid',
    });
  });

  it('treats everything else as an outage: errors of Twilio, rate limits and wrong settings', async () => {
    await fault({ mode: 'error500' });
    await assertUnavailable(connect().send({ to, body, reference }), /^twilio 500 20500$/);
    await fault({ mode: 'error500', providerCode: '20503' });
    await assertUnavailable(connect().send({ to, body, reference }), /^twilio 503/);
    await fault({ mode: 'error400', providerCode: '20429' });
    await assertUnavailable(connect().send({ to, body, reference }), /^twilio 429/);
    await fault({ mode: 'none' });
    await assertUnavailable(
      connect({ authToken: new Secret('wrong') }).send({ to, body, reference }),
      /^twilio 401 20003$/,
    );
    await assertUnavailable(connect({ from: 'not a sender!' }).send({ to, body, reference }), /^twilio 400 21212$/);
    const refused = await failureOf(connect({ from: 'not a sender!' }).send({ to, body, reference }));
    assert.equal(refused.context.reason, 'configuration-refused');
    assert.deepEqual(await messagesTo(fakes.outboxUrl, to), []);
  });

  it('treats an unreachable server as an outage, and does not retry on its own', async () => {
    await assertUnavailable(connect({ baseUrl: 'http://127.0.0.1:1' }).send({ to, body, reference }), /ECONNREFUSED/);
    let calls = 0;
    const server = createServer((_req, res) => {
      calls++;
      res.writeHead(429).end('{}');
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const address = server.address();
    const port = typeof address === 'object' && address !== null ? address.port : 0;
    await assertUnavailable(
      connect({ baseUrl: `http://127.0.0.1:${port}/` }).send({ to, body, reference }),
      /^twilio 429/,
    );
    assert.equal(calls, 1);
    server.closeAllConnections();
    server.close();
  });

  it('treats a lost response as an outage, after which find() returns the message', async () => {
    await fault({ mode: 'accept-then-drop' });
    const begin = new Date();
    await assertUnavailable(connect().send({ to, body, reference }), /^twilio/);
    await fault({ mode: 'none' });
    assert.match((await connect().find({ to, body }, begin)) ?? '', /^SM/);
  });

  it('gives up when Twilio does not respond in time', async () => {
    await fault({ mode: 'hold' });
    const failure = await failureOf(connect({ timeoutMs: 100 }).send({ to, body, reference }));
    assert.deepEqual([failure.code, failure.context.reason], ['unavailable', 'timeout']);
  });
});

describe('find()', () => {
  it('finds the message by recipient, text and time', async () => {
    const twilio = connect();
    const begin = new Date();
    const sent = await twilio.send({ to, body, reference });
    assert.equal(sent.result, 'sent');
    assert.equal(await twilio.find({ to, body }, begin), sent.result === 'sent' && sent.providerId);
    assert.equal(await twilio.find({ to: '+12025550103', body }, begin), undefined);
    assert.equal(await twilio.find({ to, body: '654321 is your code' }, begin), undefined);
    const later = new Date(Date.now() + 60_000);
    assert.equal(await twilio.find({ to, body }, later), undefined);
  });

  it('finds it among other messages of the same time', async () => {
    const twilio = connect();
    const begin = new Date();
    for (let index = 0; index < 15; index++)
      await twilio.send({ to, body: `${100_000 + index} is your code`, reference });
    for (const index of [0, 7, 14]) {
      assert.match(
        (await twilio.find({ to, body: `${100_000 + index} is your code` }, begin)) ?? '',
        /^SM/,
        `${index}`,
      );
    }
  });

  it('throws while Twilio is unavailable', async () => {
    await fault({ mode: 'error500' });
    await assertUnavailable(connect().find({ to, body }, new Date()), /^twilio 500/);
  });
});

describe('ping()', () => {
  it('resolves only when the account can be used', async () => {
    await connect().ping();
    await assertUnavailable(connect({ authToken: new Secret('wrong') }).ping(), /^twilio 401/);
    await fault({ mode: 'error500' });
    await assertUnavailable(connect().ping(), /^twilio 500/);
  });
});
