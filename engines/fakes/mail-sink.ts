/**
 * Fake of a mail server: puts every message received by SMTP (RFC 5321) into the outbox, one entry per recipient.
 */
import { once } from 'node:events';
import type { AddressInfo, Socket } from 'node:net';
import { buffer } from 'node:stream/consumers';
import PostalMime, { type Email } from 'postal-mime';
import { SMTPServer, type SMTPServerDataStream, type SMTPServerSession } from 'smtp-server';
import type { Fault, Faults } from './faults.ts';
import type { Outbox } from './outbox.ts';

interface Surroundings {
  outbox: Outbox;
  faults: Faults;
}

type Verdict = { failure?: Error; isDropped?: true };

/** Starts the server. It accepts any credentials and has no TLS; port 0 is a free one. */
export async function startMailSink(
  { outbox, faults }: Surroundings,
  { host, port }: { host: string; port: number },
): Promise<{ port: number; close(): Promise<void> }> {
  const closing = new AbortController();
  const sockets = new Set<Socket>();
  const smtp = new SMTPServer({
    authOptional: true,
    disabledCommands: ['STARTTLS'],
    disableReverseLookup: true,
    // the library would put its own enhanced code before the code of a fault
    hideENHANCEDSTATUSCODES: true,
    size: 1_048_576,
    rejectOversized: true,
    // RFC 5321 section 4.5.3.2.6: a client waits 10 minutes for the answer to its data.
    socketTimeout: 600_000,
    onAuth: ({ username }, _session, callback) => callback(null, { user: username ?? '' }),
    onMailFrom: (_address, _session, callback) => callback(refusalOf(faults.find('email', 'smtp'), 'sender')),
    onRcptTo: (_address, _session, callback) => callback(refusalOf(faults.find('email', 'smtp'), 'recipient')),
    onData: (stream, session, callback) => {
      const fault = faults.find('email', 'smtp');
      void receive({ outbox, faults }, { stream, session, fault, signal: closing.signal }).then(
        ({ failure, isDropped }) => {
          if (isDropped) dropConnection(sockets, session);
          else callback(failure ?? null);
        },
      );
    },
  });
  smtp.server.on('connection', (socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
  });
  // a client that disconnects is an effect of a fault, not a failure of the server
  smtp.on('error', () => undefined);
  const server = smtp.listen(port, host);
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    async close() {
      closing.abort();
      const closed = once(server, 'close');
      smtp.close();
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}

/** Enhanced codes about the sender, which a server refuses at MAIL FROM: RFC 3463 section 3.2, and 5.7.60 of Exchange Online. */
const senderCodes = ['5.1.7', '5.1.8', '5.7.60'];

function refusalOf(fault: Fault | undefined, who: 'sender' | 'recipient'): Error | null {
  if (fault?.mode !== 'error400') return null;
  const code = fault.providerCode ?? '5.1.1';
  if (senderCodes.includes(code) !== (who === 'sender')) return null;
  return smtpError(550, `${code} ${who === 'sender' ? 'Sender refused' : 'Mailbox unavailable'}`);
}

interface Reception {
  stream: SMTPServerDataStream;
  session: SMTPServerSession;
  fault: Fault | undefined;
  signal: AbortSignal;
}

async function receive(
  { outbox, faults }: Surroundings,
  { stream, session, fault, signal }: Reception,
): Promise<Verdict> {
  try {
    const raw = await buffer(stream);
    if (stream.sizeExceeded) return {};
    if (fault?.mode === 'error500') {
      return { failure: smtpError(451, `${fault.providerCode ?? '4.3.0'} Local error in processing`) };
    }
    store(outbox, await PostalMime.parse(raw), session);
    if (fault?.mode === 'accept-then-drop') return { isDropped: true };
    await faults.delay(fault, signal);
    return {};
  } catch {
    return { failure: smtpError(554, '5.6.0 The message cannot be read') };
  }
}

function store(outbox: Outbox, email: Email, { envelope }: SMTPServerSession): void {
  const sender = envelope.mailFrom === false ? '' : envelope.mailFrom.address;
  for (const { address } of envelope.rcptTo) {
    outbox.add({
      channel: 'email',
      to: address,
      from: email.from?.address ?? sender,
      body: email.text ?? email.html ?? '',
      provider: 'smtp',
      ...(email.subject === undefined ? {} : { subject: email.subject }),
      ...(email.messageId === undefined ? {} : { messageId: email.messageId }),
    });
  }
}

function dropConnection(sockets: ReadonlySet<Socket>, { remoteAddress, remotePort }: SMTPServerSession): void {
  for (const socket of sockets) {
    // the session has an IPv4 address without the IPv6 prefix that the socket may have
    if (socket.remotePort === remotePort && socket.remoteAddress?.endsWith(remoteAddress)) socket.destroy();
  }
}

function smtpError(responseCode: number, message: string): Error {
  return Object.assign(new Error(message), { responseCode });
}
