import assert from 'node:assert/strict';
import { createServer, type Socket } from 'node:net';
import { after, afterEach, before, describe, it } from 'node:test';
import { inspect } from 'node:util';
import { connectMail, type Mail, type MailOptions } from '../../adapters/mail.ts';
import { Failure } from '../../domain/failures.ts';
import type { MailMessage } from '../../domain/providers.ts';
import { demoTwilio } from '../../engines/engines.ts';
import { type Fakes, startFakes } from '../../engines/fakes/fakes.ts';
import { Secret } from '../../platform/config/secret.ts';
import { type FaultSetting, setFault } from '../support/faults.ts';
import { stopTime } from '../support/stopped-time.ts';
import { until } from '../support/until.ts';

const message: MailMessage = {
  to: 'ada@example.com',
  subject: 'Your code',
  text: '123456 is your code',
  html: '<p>123456 is your code</p>',
  messageId: 'a1.1',
};
let fakes: Fakes;
const open: Mail[] = [];

before(async () => {
  fakes = await startFakes({ twilio: demoTwilio });
});
after(() => fakes.close());
afterEach(async () => {
  for (const mail of open.splice(0)) mail.close();
  await setFault(fakes.outboxUrl, { channel: 'email', mode: 'none' });
  await fetch(`${fakes.outboxUrl}/messages`, { method: 'DELETE' });
});

/** Connects to a mail server. The timeout is longer than any response takes, unless a test sets one. */
function connect(url = fakes.smtpUrl, options: Partial<MailOptions> = {}): Mail {
  const from = 'Vyry <no-reply@vyry.example>';
  const mail = connectMail({ url: new Secret(url), from, timeoutMs: 600_000, ...options });
  open.push(mail);
  return mail;
}

const fault = (settings: Omit<FaultSetting, 'channel'>) => setFault(fakes.outboxUrl, { channel: 'email', ...settings });

interface Received {
  to: string;
  from: string;
  subject: string;
  body: string;
  messageId: string;
}

async function received(): Promise<Received[]> {
  return (await (await fetch(`${fakes.outboxUrl}/messages`)).json()) as Received[];
}

/** Asserts that the failure is a temporary one and does not contain the recipient. */
async function assertUnavailable(job: Promise<unknown>, expected: RegExp, reason?: string): Promise<void> {
  const err = await job.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  assert.ok(err instanceof Failure, inspect(err));
  assert.equal(err.code, 'unavailable');
  assert.match(err.context.message ?? '', expected);
  if (reason !== undefined) assert.equal(err.context.reason, reason);
  const text = inspect(err, { depth: 9 });
  for (const personal of ['ada@', '123456', 'password-of-the-mail-server'])
    assert.equal(text.includes(personal), false, text);
}

describe('send()', () => {
  it('sends a message to one recipient with the given Message-ID', async () => {
    const outcome = await connect().send(message);
    assert.deepEqual(outcome, { result: 'sent', providerId: '<a1.1@vyry.example>' });
    const [mail, ...others] = await received();
    assert.equal(others.length, 0);
    assert.deepEqual(
      { to: mail?.to, from: mail?.from, subject: mail?.subject, body: mail?.body.trim(), messageId: mail?.messageId },
      {
        to: 'ada@example.com',
        from: 'no-reply@vyry.example',
        subject: 'Your code',
        body: '123456 is your code',
        messageId: '<a1.1@vyry.example>',
      },
    );
  });

  it('sends to one mailbox only, whatever the address contains', async () => {
    const mail = connect();
    for (const to of [
      'ada@example.com, eve@example.com',
      'ada@example.com\r\nBcc: eve@example.com',
      'N <ada@example.com>',
    ]) {
      await mail.send({ ...message, to }).catch(() => undefined);
    }
    const recipients = (await received()).map(({ to }) => to);
    assert.equal(recipients.includes('eve@example.com'), false, recipients.join());
  });

  it('prevents header injection through the subject', async () => {
    await connect().send({ ...message, subject: 'Hello\r\nBcc: eve@example.com' });
    const mails = await received();
    assert.deepEqual(
      mails.map(({ to }) => to),
      ['ada@example.com'],
    );
  });

  it('returns a permanent refusal when the server rejects the mailbox', async () => {
    await fault({ mode: 'error400' });
    assert.deepEqual(await connect().send(message), { result: 'refused', reason: 'mailbox-refused' });
    assert.deepEqual(await received(), []);
  });

  it('treats a temporary refusal (4yz) as an outage', async () => {
    await fault({ mode: 'error500' });
    await assertUnavailable(connect().send(message), /^smtp 451/);
    await fault({ mode: 'none' });
    assert.equal((await connect().send(message)).result, 'sent');
  });

  it('judges a permanent refusal by the command and the enhanced code: the recipient, or us', async () => {
    const recipient = { result: 'refused', reason: 'mailbox-refused' };
    const cases: [command: string, reply: string, expected: typeof recipient | [message: RegExp, reason: string]][] = [
      ['RCPT', '550 5.1.1 No such user', recipient],
      ['RCPT', '550-5.2.1 The mailbox is\r\n550 5.2.1 disabled', recipient],
      ['RCPT', '550 5.1.10 The domain accepts no mail', recipient],
      ['RCPT', '550 5.4.1 Access denied', recipient],
      ['RCPT', '550 No such user here', recipient],
      ['RCPT', '553 No such user here', recipient],
      ['RCPT', '550 5.7.1 Relaying denied to ada@example.com', [/^smtp 550 5\.7\.1 RCPT TO$/, 'relay-refused']],
      ['RCPT', '554 5.7.1 Blocked', [/^smtp 554 5\.7\.1 RCPT TO$/, 'relay-refused']],
      ['RCPT', '550 5.1.8 Sender rejected', [/^smtp 550 5\.1\.8 RCPT TO$/, 'relay-refused']],
      ['RCPT', '554 Not now', [/^smtp 554 RCPT TO$/, 'relay-refused']],
      ['MAIL', '550 5.7.60 Not allowed to send as ada@', [/^smtp 550 5\.7\.60 MAIL FROM$/, 'sender-refused']],
      ['MAIL', '550 5.1.1 Unknown', [/^smtp 550 5\.1\.1 MAIL FROM$/, 'sender-refused']],
      ['MAIL', '553 Sender refused', [/^smtp 553 MAIL FROM$/, 'sender-refused']],
      ['.', '550 5.1.1 No such user', recipient],
      ['.', '550 No', [/^smtp 550 DATA$/, 'message-refused']],
      ['.', '554 5.7.26 Unauthenticated', [/^smtp 554 5\.7\.26 DATA$/, 'message-refused']],
      ['.', '552 5.2.3 Too long', [/^smtp 552 5\.2\.3 DATA$/, 'message-refused']],
      ['RCPT', '452 4.2.2 Full', [/^smtp 452 4\.2\.2 RCPT TO$/, 'answers-452']],
    ];
    let refused = { command: '', reply: '' };
    const server = await startScripted((line) => {
      if (refused.command !== '' && (line === refused.command || line.startsWith(`${refused.command} `)))
        return `${refused.reply}\r\n`;
      if (line === 'DATA') return '354 Go ahead\r\n';
      return /^(EHLO|MAIL|RCPT|RSET|QUIT|\.$)/.test(line) ? '250 OK\r\n' : '';
    });
    const mail = connect(`smtp://127.0.0.1:${server.port}`);
    for (const [command, reply, expected] of cases) {
      refused = { command, reply };
      if (Array.isArray(expected)) await assertUnavailable(mail.send(message), ...expected);
      else assert.deepEqual(await mail.send(message), expected, reply);
    }
    mail.close();
    await server.close();
  });

  it('sends no password to a server without STARTTLS, unless it is on loopback or allowed', async () => {
    const lines: string[] = [];
    const server = await startScripted((line) => {
      lines.push(line);
      if (line.startsWith('EHLO')) return '250-hello\r\n250 AUTH PLAIN\r\n';
      return line.startsWith('AUTH') ? '535 5.7.8 No\r\n' : '502 5.5.1 Not implemented\r\n';
    });
    // an address of this machine that does not look like one
    const url = (host: string) => `smtp://vyry:password-of-the-mail-server@${host}:${server.port}`;
    await assertUnavailable(connect(url('0.0.0.0')).send(message), /^smtp 502 5\.5\.1 ETLS$/, 'start-tls-refused');
    assert.ok(!lines.some((line) => line.startsWith('AUTH')));
    for (const mail of [connect(url('127.0.0.1')), connect(url('0.0.0.0'), { allowsPlaintext: true })])
      await assertUnavailable(mail.send(message), /^smtp 535 5\.7\.8 EAUTH$/, 'credentials-refused');
    await server.close();
  });

  it('treats a lost response as an outage; the retry has the same Message-ID', async () => {
    const mail = connect();
    await fault({ mode: 'accept-then-drop' });
    await assertUnavailable(mail.send(message), /^smtp/);
    await fault({ mode: 'none' });
    await mail.send(message);
    const ids = (await received()).map(({ messageId }) => messageId);
    assert.deepEqual(ids, ['<a1.1@vyry.example>', '<a1.1@vyry.example>']);
  });

  it('treats an unreachable server and a refused login as an outage', async () => {
    await assertUnavailable(connect('smtp://127.0.0.1:1').send(message), /^smtp ECONNECTION|ESOCKET|ECONNREFUSED/);
    const refusing = await startScripted((line) => {
      if (line.startsWith('EHLO')) return '250-hello\r\n250 AUTH PLAIN\r\n';
      return line.startsWith('AUTH') ? '535 5.7.8 Authentication failed\r\n' : '250 OK\r\n';
    });
    const url = `smtp://vyry:password-of-the-mail-server@127.0.0.1:${refusing.port}`;
    await assertUnavailable(connect(url).send(message), /^smtp 535 5\.7\.8 EAUTH$/);
    await refusing.close();
  });

  it('waits at most ten seconds for a greeting', async () => {
    const silent = await startScripted(() => '');
    using time = stopTime(['setTimeout', 'Date']);
    const mail = connect(`smtp://127.0.0.1:${silent.port}`, { timeoutMs: undefined });
    let isOver = false;
    const sending = assertUnavailable(mail.send(message), /^smtp/, 'timeout').then(() => {
      isOver = true;
    });
    await until(() => silent.connections() === 1);
    await time.pass(9999);
    assert.equal(isOver, false);
    await until(async () => {
      await time.pass(1);
      return isOver;
    });
    await sending;
    await silent.close();
  });

  it('gives up on a server that does not confirm a message in time', async () => {
    await fault({ mode: 'hold' });
    await assertUnavailable(connect(fakes.smtpUrl, { timeoutMs: 100 }).send(message), /^smtp/, 'timeout');
  });

  it('reconnects after the server has closed the connection', async () => {
    const mail = connect();
    await mail.send(message);
    await fault({ mode: 'accept-then-drop' });
    await mail.send(message).catch(() => undefined);
    await fault({ mode: 'none' });
    assert.equal((await mail.send({ ...message, messageId: 'a1.2' })).result, 'sent');
  });
});

describe('ping()', () => {
  it('resolves only when the mail server can be used', async () => {
    await connect().ping();
    await assertUnavailable(connect('smtp://127.0.0.1:1').ping(), /^smtp .*ESOCKET$/);
  });
});

/** Starts a mail server that answers each line as the test says. */
async function startScripted(
  answer: (line: string) => string,
): Promise<{ port: number; connections(): number; close(): Promise<void> }> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket.on('error', () => undefined));
    if (answer('EHLO') !== '') socket.write('220 ready\r\n');
    socket.on('data', (bytes) => {
      for (const line of bytes.toString().split('\r\n').filter(Boolean)) socket.write(answer(line));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  return {
    port: typeof address === 'object' && address !== null ? address.port : 0,
    connections: () => sockets.size,
    async close() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
