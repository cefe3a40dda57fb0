import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, it } from 'node:test';
import twilio, { type Twilio } from 'twilio';
import { type Fakes, startFakes } from '../../engines/fakes/fakes.ts';
import type { Message } from '../../engines/fakes/outbox.ts';
import { stopTime } from '../support/stopped-time.ts';
import { until } from '../support/until.ts';

const account = { accountSid: 'AC00000000000000000000000000000001', authToken: 'example-only-token' };
const sms = { to: '+447700900101', from: '+15005550006', body: 'Your code is 482913' };

function connect({ twilioUrl }: Fakes, { authToken = account.authToken, timeout = 600_000 } = {}): Twilio {
  const client = twilio(account.accountSid, authToken, { timeout });
  client.api.baseUrl = twilioUrl;
  return client;
}

async function putFault({ outboxUrl }: Fakes, fault: Record<string, unknown>): Promise<void> {
  const body = JSON.stringify({ channel: 'sms', ...fault });
  const res = await fetch(`${outboxUrl}/faults`, { method: 'PUT', body });
  assert.equal(res.status, 200, await res.text());
}

async function readMessages({ outboxUrl }: Fakes): Promise<Message[]> {
  return (await (await fetch(`${outboxUrl}/messages`)).json()) as Message[];
}

/** A webhook that collects the delivery reports it receives. */
async function startWebhook() {
  const reports: { signature: string; params: Record<string, string> }[] = [];
  const server = createServer(async (req, res) => {
    let body = '';
    for await (const chunk of req) body += String(chunk);
    const signature = String(req.headers['x-twilio-signature']);
    reports.push({ signature, params: Object.fromEntries(new URLSearchParams(body)) });
    res.writeHead(204).end();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/delivery-reports?flow=7&name=a%20b`,
    reports,
    async [Symbol.asyncDispose]() {
      server.close();
      server.closeAllConnections();
      await once(server, 'close');
    },
  };
}

describe('Twilio fake: messages', () => {
  it('accepts an SMS, and returns it in the outbox and by its sid', async () => {
    await using fakes = await startFakes({ twilio: account });
    const client = connect(fakes);
    const { statusCode, body: message } = await client.messages.createWithHttpInfo(sms);
    assert.equal(statusCode, 201);
    assert.match(message.sid, /^SM[0-9a-f]{32}$/);
    assert.equal(message.status, 'queued');
    assert.equal(message.dateSent, null);
    assert.equal(message.numSegments, '1');
    const [stored] = await readMessages(fakes);
    assert.equal(stored?.id, message.sid);
    assert.equal(stored?.code, '482913');
    const fetched = await client.messages(message.sid).fetch();
    assert.deepEqual([fetched.to, fetched.from, fetched.body], [sms.to, sms.from, sms.body]);
  });

  it('accepts a messaging service in place of a sender', async () => {
    await using fakes = await startFakes({ twilio: account });
    const messagingServiceSid = 'MG00000000000000000000000000000002';
    const { to, body } = sms;
    const message = await connect(fakes).messages.create({ to, body, messagingServiceSid });
    assert.equal(message.status, 'accepted');
    assert.equal(message.from, null);
    assert.equal(message.messagingServiceSid, messagingServiceSid);
  });

  it('lists by recipient, sender and time, newest first, also after the outbox was emptied', async () => {
    await using fakes = await startFakes({ twilio: account });
    using _time = stopTime(['Date']);
    const client = connect(fakes);
    const first = await client.messages.create(sms);
    const second = await client.messages.create({ ...sms, body: 'again' });
    await client.messages.create({ ...sms, to: '+447700900102', from: 'Vyry' });
    await fetch(`${fakes.outboxUrl}/messages`, { method: 'DELETE' });

    const sids = async (filter: Parameters<typeof client.messages.list>[0]) =>
      (await client.messages.list(filter)).map(({ sid }) => sid);
    const now = Date.now();
    assert.deepEqual(await sids({ to: sms.to, dateSentAfter: new Date(now - 5000) }), [second.sid, first.sid]);
    assert.deepEqual(await sids({ from: sms.from }), [second.sid, first.sid]);
    assert.deepEqual(await sids({ to: sms.to, dateSentAfter: new Date(now + 5000) }), []);
    assert.deepEqual(await sids({ to: sms.to, dateSentBefore: new Date(now - 60_000) }), []);
    const [listed] = await client.messages.list({ to: sms.to, limit: 1 });
    // times have whole seconds
    assert.equal(listed?.dateSent?.getTime(), Math.floor(now / 1000) * 1000);
  });

  it('pages a list forwards and backwards', async () => {
    await using fakes = await startFakes({ twilio: account });
    const client = connect(fakes);
    for (let number = 1; number <= 5; number += 1) await client.messages.create({ ...sms, body: `n${number}` });
    const bodies = (await client.messages.list({ to: sms.to, pageSize: 2 })).map(({ body }) => body);
    assert.deepEqual(bodies, ['n5', 'n4', 'n3', 'n2', 'n1']);

    const first = await client.messages.page({ to: sms.to, pageSize: 2 });
    const second = await first.nextPage();
    assert.deepEqual(
      second?.instances.map(({ body }) => body),
      ['n3', 'n2'],
    );
    const back = await second?.previousPage();
    assert.deepEqual(
      back?.instances.map(({ body }) => body),
      ['n5', 'n4'],
    );
  });

  it('returns the account', async () => {
    await using fakes = await startFakes({ twilio: account });
    const fetched = await connect(fakes).api.v2010.accounts(account.accountSid).fetch();
    assert.equal(fetched.status, 'active');
  });
});

describe('Twilio fake: errors', () => {
  it('refuses bad requests with the documented error codes and stores nothing', async () => {
    await using fakes = await startFakes({ twilio: account });
    const client = connect(fakes);
    const { to, from, body } = sms;
    await assert.rejects(client.messages.create({ to: '+12', from, body }), { status: 400, code: 21211 });
    await assert.rejects(client.messages.create({ to, body }), { status: 400, code: 21603 });
    await assert.rejects(client.messages.create({ to, from: '+0', body }), { status: 400, code: 21212 });
    await assert.rejects(client.messages.create({ to, from }), { status: 400, code: 21602 });
    await assert.rejects(client.messages.create({ to, from, body: 'x'.repeat(1601) }), { code: 21617 });
    await assert.rejects(client.messages('SM0').fetch(), { status: 404, code: 20404 });
    assert.deepEqual(await readMessages(fakes), []);
  });

  it('refuses a wrong token with 20003', async () => {
    await using fakes = await startFakes({ twilio: account });
    const stranger = connect(fakes, { authToken: 'wrong' });
    const moreInfo = 'https://www.twilio.com/docs/errors/20003';
    await assert.rejects(stranger.messages.create(sms), { status: 401, code: 20003, moreInfo });
  });
});

describe('Twilio fake: faults', () => {
  it('error400 refuses sends with the code of the fault until it ends', async () => {
    await using fakes = await startFakes({ twilio: account });
    const client = connect(fakes);
    using time = stopTime(['Date']);
    await putFault(fakes, { mode: 'error400' });
    await assert.rejects(client.messages.create(sms), { status: 400, code: 21211 });
    await putFault(fakes, { mode: 'error400', providerCode: 21610, seconds: 60 });
    await assert.rejects(client.messages.create(sms), { status: 400, code: 21610 });
    assert.deepEqual(await readMessages(fakes), []);
    await time.pass(60_000);
    await client.messages.create(sms);
  });

  it('error400 with 20429 responds with 429 and Retry-After', async () => {
    await using fakes = await startFakes({ twilio: account });
    const client = connect(fakes);
    using time = stopTime(['Date']);
    await putFault(fakes, { mode: 'error400', providerCode: '20429', seconds: 20 });
    await time.pass(4000);
    await assert.rejects(client.messages.create(sms), { status: 429, code: 20429 });
    assert.equal(Number(client.httpClient?.lastResponse?.headers['retry-after']), 16);
  });

  it('error500 fails sends, lists and the account', async () => {
    await using fakes = await startFakes({ twilio: account });
    const client = connect(fakes);
    await putFault(fakes, { provider: 'twilio', mode: 'error500' });
    await assert.rejects(client.messages.create(sms), { status: 500, code: 20500 });
    await assert.rejects(client.messages.list({ limit: 1 }), { status: 500 });
    await assert.rejects(client.api.v2010.accounts(account.accountSid).fetch(), { status: 500 });
    assert.deepEqual(await readMessages(fakes), []);
  });

  it('slow accepts at once and responds late, so that a client that gave up finds the message', async () => {
    await using fakes = await startFakes({ twilio: account });
    await putFault(fakes, { mode: 'slow', seconds: 20 });
    using time = stopTime();
    let isAnswered = false;
    const sending = connect(fakes)
      .messages.create(sms)
      .then(() => {
        isAnswered = true;
      });
    await until(async () => (await readMessages(fakes)).length === 1);
    await time.pass(19_999);
    assert.equal(isAnswered, false);
    await time.pass(1);
    await sending;
    const hasty = connect(fakes, { timeout: 100 });
    await until(async () => {
      await assert.rejects(hasty.messages.create(sms), { code: 'ECONNABORTED' });
      return (await readMessages(fakes)).length > 1;
    });
  });

  it('accept-then-drop stores and lists the message, and does not respond', async () => {
    await using fakes = await startFakes({ twilio: account });
    const client = connect(fakes);
    using _time = stopTime(['Date']);
    await putFault(fakes, { mode: 'accept-then-drop' });
    await assert.rejects(client.messages.create(sms), { code: 'ECONNRESET' });
    const [found, ...others] = await client.messages.list({ to: sms.to, dateSentAfter: new Date(Date.now() - 5000) });
    assert.equal(found?.body, sms.body);
    assert.deepEqual(others, []);
    assert.equal((await readMessages(fakes)).length, 1);
  });
});

describe('Twilio fake: delivery reports', () => {
  it('have a signature that the Twilio SDK accepts', async () => {
    await using fakes = await startFakes({ twilio: account, reportTimeoutMs: 600_000 });
    await using webhook = await startWebhook();
    const { sid } = await connect(fakes).messages.create({ ...sms, statusCallback: webhook.url });
    await until(() => webhook.reports.length === 2);
    assert.deepEqual(
      webhook.reports.map(({ params }) => [params.MessageSid, params.MessageStatus]),
      [
        [sid, 'sent'],
        [sid, 'delivered'],
      ],
    );
    for (const { signature, params } of webhook.reports) {
      assert.ok(twilio.validateRequest(account.authToken, signature, webhook.url, params));
      assert.ok(!twilio.validateRequest('another-token', signature, webhook.url, params));
      assert.ok(!twilio.validateRequest(account.authToken, signature, webhook.url, { ...params, To: '+1' }));
    }
  });

  it('duplicate-report sends the last report twice', async () => {
    await using fakes = await startFakes({ twilio: account, reportTimeoutMs: 600_000 });
    await using webhook = await startWebhook();
    await putFault(fakes, { mode: 'duplicate-report' });
    await connect(fakes).messages.create({ ...sms, statusCallback: webhook.url });
    await until(() => webhook.reports.length === 3);
    assert.deepEqual(webhook.reports[1], webhook.reports[2]);
  });

  it('follow the fault: undelivered, out of order, delayed or none', async () => {
    await using fakes = await startFakes({ twilio: account, reportTimeoutMs: 600_000 });
    await using webhook = await startWebhook();
    const told = async (fault: Record<string, unknown>, count: number) => {
      webhook.reports.length = 0;
      await putFault(fakes, fault);
      await connect(fakes).messages.create({ ...sms, statusCallback: webhook.url });
      await until(() => webhook.reports.length === count);
      return webhook.reports.map(({ params }) => params.MessageStatus);
    };
    assert.deepEqual(await told({ mode: 'report-undelivered' }, 2), ['sent', 'undelivered']);
    assert.equal(webhook.reports[1]?.params.ErrorCode, '30003');
    assert.deepEqual(await told({ mode: 'report-out-of-order' }, 3), ['delivered', 'sent', 'undelivered']);
    {
      using time = stopTime();
      assert.deepEqual(await told({ mode: 'report-delayed', seconds: 60 }, 0), []);
      await until(async () => {
        await time.pass(60_000);
        return webhook.reports.length === 2;
      });
    }
    assert.deepEqual(await told({ mode: 'report-none' }, 0), []);
  });

  it('report the end of a call', async () => {
    await using fakes = await startFakes({ twilio: account, reportTimeoutMs: 600_000 });
    await using webhook = await startWebhook();
    const call = { to: sms.to, from: sms.from, twiml: '<Response><Say>Hello</Say></Response>' };
    const { sid } = await connect(fakes).calls.create({ ...call, statusCallback: webhook.url });
    await until(() => webhook.reports.length === 1);
    const [report] = webhook.reports;
    assert.deepEqual([report?.params.CallSid, report?.params.CallStatus], [sid, 'completed']);
    assert.ok(twilio.validateRequest(account.authToken, report?.signature ?? '', webhook.url, report?.params ?? {}));
  });
});
