import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { describe, it } from 'node:test';
import nodemailer from 'nodemailer';
import { chromiumPath, noChromium, openChromium } from '../../engines/chromium.ts';
import { type Fakes, startFakes } from '../../engines/fakes/fakes.ts';
import type { Message } from '../../engines/fakes/outbox.ts';
import { untilHeld } from '../support/faults.ts';
import { stopTime } from '../support/stopped-time.ts';

const account = { accountSid: 'AC00000000000000000000000000000001', authToken: 'example-only-token' };

async function sendSms({ twilioUrl }: Fakes, to: string, body: string): Promise<void> {
  const res = await fetch(`${twilioUrl}/2010-04-01/Accounts/${account.accountSid}/Messages.json`, {
    method: 'POST',
    headers: { authorization: `Basic ${btoa(`${account.accountSid}:${account.authToken}`)}` },
    body: new URLSearchParams({ To: to, From: '+15005550006', Body: body }),
  });
  assert.equal(res.status, 201);
}

async function readMessages({ outboxUrl }: Fakes, query = ''): Promise<Message[]> {
  const res = await fetch(`${outboxUrl}/messages${query}`);
  assert.equal(res.status, 200);
  return (await res.json()) as Message[];
}

function putFault({ outboxUrl }: Fakes, fault: unknown): Promise<Response> {
  return fetch(`${outboxUrl}/faults`, { method: 'PUT', body: JSON.stringify(fault) });
}

describe('GET /messages', () => {
  it('returns accepted messages, oldest first, with the code from the body', async () => {
    await using fakes = await startFakes({ twilio: account });
    await sendSms(fakes, '+447700900101', 'Your code is 482913. It works for 3 minutes.');
    await sendSms(
      fakes,
      '+447700900102',
      'No code here, call +447700900000, token aX-4829-Zq_48291, http://127.0.0.1:8000/app',
    );
    const messages = await readMessages(fakes);
    assert.deepEqual(
      messages.map(({ id, at, ...message }) => message),
      [
        {
          channel: 'sms',
          to: '+447700900101',
          from: '+15005550006',
          body: 'Your code is 482913. It works for 3 minutes.',
          provider: 'twilio',
          code: '482913',
        },
        {
          channel: 'sms',
          to: '+447700900102',
          from: '+15005550006',
          body: 'No code here, call +447700900000, token aX-4829-Zq_48291, http://127.0.0.1:8000/app',
          provider: 'twilio',
        },
      ],
    );
    assert.ok(messages.every(({ at }) => new Date(at).toISOString() === at));
    assert.equal(new Set(messages.map(({ id }) => id)).size, 2);
  });

  it('filters by recipient, channel and time', async () => {
    await using fakes = await startFakes({ twilio: account });
    using time = stopTime(['Date']);
    await sendSms(fakes, '+447700900101', 'first');
    await time.pass(1);
    const since = new Date().toISOString();
    await sendSms(fakes, '+447700900101', 'second');
    await sendSms(fakes, '+447700900102', 'third');
    const mail = nodemailer.createTransport(fakes.smtpUrl);
    await mail.sendMail({ from: 'a@example.org', to: 'Joan@example.org', text: 'fourth' });
    mail.close();

    const bodies = async (query: string) => (await readMessages(fakes, query)).map(({ body }) => body.trim());
    assert.deepEqual(await bodies('?to=%2B447700900101'), ['first', 'second']);
    assert.deepEqual(await bodies('?to=+447700900101'), ['first', 'second']);
    assert.deepEqual(await bodies('?to=joan@example.org'), ['fourth']);
    assert.deepEqual(await bodies('?channel=email'), ['fourth']);
    assert.deepEqual(await bodies(`?since=${since}`), ['second', 'third', 'fourth']);
    assert.deepEqual(await bodies(`?since=${Date.parse(since)}&to=%2B447700900101&channel=`), ['second']);
  });

  it('refuses unknown parameters and values with 400 and a message', async () => {
    await using fakes = await startFakes({ twilio: account });
    for (const query of ['?recipient=x', '?channel=fax', '?since=yesterday', '?to=a&to=b']) {
      const res = await fetch(`${fakes.outboxUrl}/messages${query}`);
      assert.equal(res.status, 400, query);
      assert.ok(((await res.json()) as { message: string }).message.length > 0);
    }
  });
});

describe('DELETE /messages', () => {
  it('empties the outbox', async () => {
    await using fakes = await startFakes({ twilio: account });
    await sendSms(fakes, '+447700900101', 'gone soon');
    const res = await fetch(`${fakes.outboxUrl}/messages`, { method: 'DELETE' });
    assert.equal(res.status, 204);
    assert.deepEqual(await readMessages(fakes), []);
  });
});

describe('PUT /faults', () => {
  it('returns the active faults and drops one when its seconds are over', async () => {
    await using fakes = await startFakes({ twilio: account });
    using time = stopTime(['Date']);
    await putFault(fakes, { channel: 'email', mode: 'slow' });
    const res = await putFault(fakes, { channel: 'sms', provider: 'twilio', mode: 'error500', seconds: 60 });
    assert.equal(res.status, 200);
    const [slow, broken] = (await (await fetch(`${fakes.outboxUrl}/faults`)).json()) as Record<string, unknown>[];
    assert.deepEqual(slow, { channel: 'email', mode: 'slow', seconds: 30 });
    const until = new Date(Date.now() + 60_000).toISOString();
    assert.deepEqual([broken?.mode, broken?.until], ['error500', until]);

    await time.pass(59_999);
    assert.deepEqual(await (await fetch(`${fakes.outboxUrl}/faults`)).json(), [slow, broken]);
    await time.pass(1);
    assert.deepEqual(await (await fetch(`${fakes.outboxUrl}/faults`)).json(), [slow]);
    await putFault(fakes, { channel: 'email', mode: 'none' });
    assert.deepEqual(await (await fetch(`${fakes.outboxUrl}/faults`)).json(), []);
  });

  it('holds responses until the fault is switched off, and counts them', async () => {
    await using fakes = await startFakes({ twilio: account });
    await putFault(fakes, { channel: 'sms', mode: 'hold' });
    let isAnswered = false;
    const sent = sendSms(fakes, '+447700900101', 'held').then(() => {
      isAnswered = true;
    });
    await untilHeld(fakes.outboxUrl, { channel: 'sms' });
    assert.deepEqual([isAnswered, (await readMessages(fakes)).length], [false, 1], 'accepted, but no response yet');
    await putFault(fakes, { channel: 'sms', mode: 'none' });
    await sent;
  });

  it('replaces every fault of a channel when no provider is given', async () => {
    await using fakes = await startFakes({ twilio: account });
    await putFault(fakes, { channel: 'captcha', provider: 'hcaptcha', mode: 'html' });
    await putFault(fakes, { channel: 'captcha', provider: 'turnstile', mode: 'empty' });
    const res = await putFault(fakes, { channel: 'captcha', mode: 'error500' });
    assert.deepEqual(await res.json(), [{ channel: 'captcha', mode: 'error500' }]);
  });

  it('refuses unknown values with 400 and changes nothing', async () => {
    await using fakes = await startFakes({ twilio: account });
    const refused = [
      { channel: 'fax', mode: 'slow' },
      { channel: 'sms', mode: 'html' },
      { channel: 'sms', mode: 'slow', provider: 'carrier-pigeon' },
      { channel: 'sms', mode: 'slow', seconds: -1 },
      { channel: 'sms', mode: 'error400', providerCode: 'nonsense' },
      { channel: 'sms', mode: 'slow', forever: true },
      { channel: 'sms' },
      null,
    ];
    for (const fault of refused) {
      const res = await putFault(fakes, fault);
      assert.equal(res.status, 400, JSON.stringify(fault));
      assert.ok(((await res.json()) as { message: string }).message.length > 0);
    }
    const broken = await fetch(`${fakes.outboxUrl}/faults`, { method: 'PUT', body: '{' });
    assert.equal(broken.status, 400);
    assert.deepEqual(await (await fetch(`${fakes.outboxUrl}/faults`)).json(), []);
  });
});

describe('GET /', () => {
  it('shows messages and faults as a page, with escaped message text', async () => {
    await using fakes = await startFakes({ twilio: account });
    await sendSms(fakes, '+447700900101', '<img src=x onerror="alert(1)"> code 482913 & more');
    await putFault(fakes, { channel: 'email', mode: 'accept-then-drop' });
    const res = await fetch(fakes.outboxUrl);
    const page = await res.text();
    assert.match(res.headers.get('content-type') ?? '', /^text\/html/);
    assert.match(res.headers.get('content-security-policy') ?? '', /default-src 'none'/);
    assert.ok(page.includes('&lt;img src=x onerror=&quot;alert(1)&quot;&gt; code 482913 &amp; more'));
    assert.ok(!page.includes('<img'));
    assert.ok(page.includes('accept-then-drop'));
  });

  it('sets and clears faults by its switches, and shows why a fault is refused', async (t) => {
    if (chromiumPath() === undefined) return t.diagnostic(noChromium);
    await using fakes = await startFakes({ twilio: account });
    await using browser = await openChromium();
    const page = await browser.newPage();
    await page.goto(fakes.outboxUrl);
    await page.selectOption('[name=target]', 'sms/twilio');
    assert.equal(await page.locator('[name=mode] option:text-is("html")').isDisabled(), true, 'not a mode of SMS');
    await page.selectOption('[name=mode]', 'error400');
    await page.fill('[name=providerCode]', 'no code');
    await page.click('button:text-is("Set")');
    await page.getByText('not a code of a provider of sms').waitFor();
    await page.fill('[name=providerCode]', '21610');
    await page.click('button:text-is("Set")');
    await page.getByRole('button', { name: 'Clear' }).waitFor();
    const active = async () => (await fetch(`${fakes.outboxUrl}/faults`)).json();
    assert.deepEqual(await active(), [{ channel: 'sms', mode: 'error400', provider: 'twilio', providerCode: '21610' }]);
    await page.getByRole('button', { name: 'Clear' }).click();
    await page.getByRole('button', { name: 'Clear' }).waitFor({ state: 'detached' });
    assert.deepEqual(await active(), []);
  });

  it('responds with 404 and 405 for anything else', async () => {
    await using fakes = await startFakes({ twilio: account });
    assert.equal((await fetch(`${fakes.outboxUrl}/nothing`)).status, 404);
    const res = await fetch(`${fakes.outboxUrl}/messages`, { method: 'PUT' });
    assert.equal(res.status, 405);
    assert.equal(res.headers.get('allow'), 'GET, DELETE');
  });
});

describe('engines/fakes/main.ts', () => {
  const main = ['engines/fakes/main.ts', '--account-sid', account.accountSid, '--auth-token', account.authToken];

  it('prints its addresses and ends on SIGTERM, even with a request in progress', async () => {
    const child = spawn(process.execPath, main, { stdio: ['ignore', 'pipe', 'inherit'] });
    const [line] = (await once(createInterface(child.stdout), 'line')) as [string];
    const started = JSON.parse(line) as Fakes & { event: string };
    assert.equal(started.event, 'process.started');
    assert.deepEqual(await readMessages(started), []);

    await putFault(started, { channel: 'captcha', mode: 'hold' });
    const underWay = assert.rejects(fetch(started.captchaUrls.hcaptcha, { method: 'POST' }));
    await untilHeld(started.outboxUrl, { channel: 'captcha' });
    child.kill('SIGTERM');
    const [code] = await once(child, 'exit');
    assert.equal(code, 0);
    await underWay;
  });
});
