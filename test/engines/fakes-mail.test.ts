import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import nodemailer, { type Transporter } from 'nodemailer';
import { type Fakes, startFakes } from '../../engines/fakes/fakes.ts';
import type { Message } from '../../engines/fakes/outbox.ts';
import { stopTime } from '../support/stopped-time.ts';
import { until } from '../support/until.ts';

const account = { accountSid: 'AC00000000000000000000000000000001', authToken: 'example-only-token' };
const mail = {
  from: 'Vyry <no-reply@example.org>',
  to: 'joan@example.org',
  subject: 'Your code – Vyry',
  text: 'Grüß Gott, the code is 482913.',
  html: '<p>Grüß Gott, the code is <b>482913</b>.</p>',
  messageId: '<attempt-1@vyry.example.org>',
};

function connect({ smtpUrl }: Fakes, options: Record<string, unknown> = {}): Transporter & Disposable {
  const patience = { connectionTimeout: 600_000, greetingTimeout: 600_000 };
  const transport = nodemailer.createTransport({ url: smtpUrl, ...patience, ...options });
  return Object.assign(transport, { [Symbol.dispose]: () => transport.close() });
}

async function putFault({ outboxUrl }: Fakes, fault: Record<string, unknown>): Promise<void> {
  const body = JSON.stringify({ channel: 'email', ...fault });
  const res = await fetch(`${outboxUrl}/faults`, { method: 'PUT', body });
  assert.equal(res.status, 200, await res.text());
}

async function readMessages({ outboxUrl }: Fakes): Promise<Message[]> {
  return (await (await fetch(`${outboxUrl}/messages?channel=email`)).json()) as Message[];
}

describe('mail fake', () => {
  it('shows a message in the outbox: text part, code and Message-ID', async () => {
    await using fakes = await startFakes({ twilio: account });
    using transport = connect(fakes);
    await transport.sendMail(mail);
    const [message, ...others] = await readMessages(fakes);
    assert.deepEqual(others, []);
    assert.equal(message?.to, 'joan@example.org');
    assert.equal(message.from, 'no-reply@example.org');
    assert.equal(message.subject, 'Your code – Vyry');
    assert.equal(message.body.trim(), 'Grüß Gott, the code is 482913.');
    assert.equal(message.code, '482913');
    assert.equal(message.messageId, '<attempt-1@vyry.example.org>');
    assert.equal(message.provider, 'smtp');
  });

  it('accepts any credentials and stores one entry per recipient', async () => {
    await using fakes = await startFakes({ twilio: account });
    using transport = connect(fakes, { auth: { user: 'vyry', pass: 'secret' } });
    await transport.sendMail({ ...mail, to: 'a@example.org', bcc: 'b@example.org' });
    const recipients = (await readMessages(fakes)).map(({ to }) => to);
    assert.deepEqual(recipients, ['a@example.org', 'b@example.org']);
  });

  it('error500 responds with 451 and stores nothing', async () => {
    await using fakes = await startFakes({ twilio: account });
    using transport = connect(fakes);
    await putFault(fakes, { mode: 'error500' });
    await assert.rejects(transport.sendMail(mail), { responseCode: 451, response: /^451 4\.3\.0 / });
    assert.deepEqual(await readMessages(fakes), []);
  });

  it('error400 responds with 550 and the enhanced status code of the fault', async () => {
    await using fakes = await startFakes({ twilio: account });
    using transport = connect(fakes);
    await putFault(fakes, { mode: 'error400' });
    await assert.rejects(transport.sendMail(mail), { responseCode: 550, response: /^550 5\.1\.1 / });
    await putFault(fakes, { mode: 'error400', provider: 'smtp', providerCode: '5.7.1' });
    await assert.rejects(transport.sendMail(mail), { responseCode: 550, response: /^550 5\.7\.1 / });
    assert.deepEqual(await readMessages(fakes), []);
  });

  it('slow accepts at once and responds late', async () => {
    await using fakes = await startFakes({ twilio: account });
    using transport = connect(fakes);
    await putFault(fakes, { mode: 'slow', seconds: 86_400 });
    using time = stopTime();
    let isAnswered = false;
    const sending = transport.sendMail(mail).then(() => {
      isAnswered = true;
    });
    // the greeting is sent after a delay
    await until(async () => {
      await time.pass(100);
      return (await readMessages(fakes)).length === 1;
    });
    assert.equal(isAnswered, false);
    await time.pass(86_400_000);
    await sending;
  });

  it('accept-then-drop stores the message and does not respond', async () => {
    await using fakes = await startFakes({ twilio: account });
    using transport = connect(fakes);
    await putFault(fakes, { mode: 'accept-then-drop' });
    await assert.rejects(transport.sendMail(mail), { code: 'ECONNECTION' });
    assert.equal((await readMessages(fakes)).length, 1);
    await putFault(fakes, { mode: 'none' });
    await transport.sendMail(mail);
    assert.equal((await readMessages(fakes)).length, 2);
  });

  it('closes while a client is connected', async () => {
    const fakes = await startFakes({ twilio: account });
    using transport = connect(fakes, { pool: true });
    await transport.sendMail(mail);
    // time is stopped, so waiting for the client would never end
    using _time = stopTime();
    await fakes.close();
  });
});
