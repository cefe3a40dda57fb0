/**
 * E-mail by SMTP, through nodemailer.
 *
 * SMTP has neither idempotency keys nor a way to look up sent messages. A repeat after an unknown result may deliver a
 * second message with the same Message-ID (RFC 5322 section 3.6.4) and the same code, so that mailboxes can merge the
 * two. Timeout: 10 s per step, 20 s in total. If the server is unavailable, refuses temporarily (4xx) or refuses us and not
 * the recipient, calls throw `Failure` `unavailable`. A password is never sent without TLS, except on loopback.
 */
import { createTransport } from 'nodemailer';
import { connectionReason, Failure } from '../domain/failures.ts';
import type { MailMessage, SendOutcome } from '../domain/providers.ts';
import type { Secret } from '../platform/config/secret.ts';
import { withTimeout } from '../platform/lifecycle.ts';
import { enhancedCodeOf, isAboutRecipient, type SmtpRefusal } from './mail/refusals.ts';

/** The options of `connectMail`. */
export interface MailOptions {
  /** `smtp://` or `smtps://`, with credentials. */
  url: Secret;
  from: string;
  /** Whether a password may be sent without TLS, where something else protects the network. */
  allowsPlaintext?: boolean | undefined;
  /** Timeout of a step, default 10 s. A message has twice that time in total. */
  timeoutMs?: number | undefined;
}

/** The SMTP sender. */
export type Mail = ReturnType<typeof connectMail>;

const stepMs = 10_000;

/** Creates the sender. Connections open on first use and stay open. */
export function connectMail({ url, from, allowsPlaintext = false, timeoutMs = stepMs }: MailOptions) {
  const transport = createTransport({
    url: url.reveal(),
    pool: true,
    // the server must offer STARTTLS before the login
    requireTLS: !allowsPlaintext && needsTls(new URL(url.reveal())),
    connectionTimeout: timeoutMs,
    greetingTimeout: timeoutMs,
    socketTimeout: timeoutMs,
    disableFileAccess: true,
    disableUrlAccess: true,
  });
  const domain = /@([^\s>]+)>?$/.exec(from)?.[1] ?? 'localhost';

  return {
    /** Sends a message. @throws {Failure} unavailable */
    async send({ to, subject, text, html, messageId }: MailMessage): Promise<SendOutcome> {
      try {
        const sending = transport.sendMail({
          from,
          to: { name: '', address: to },
          subject,
          text,
          html,
          messageId: `<${messageId}@${domain}>`,
          headers: { 'Auto-Submitted': 'auto-generated' },
        });
        // the steps have timeouts of their own; waiting for a connection of the pool has none
        const info = await withTimeout(sending, 2 * timeoutMs);
        return { result: 'sent', providerId: info.messageId };
      } catch (err) {
        if (isAboutRecipient(err as SmtpRefusal)) return { result: 'refused', reason: 'mailbox-refused' };
        throw away(err);
      }
    },

    /** Checks that the server responds and accepts the credentials. @throws {Failure} unavailable */
    async ping(): Promise<void> {
      await transport.verify().catch((err: unknown) => {
        throw away(err);
      });
    },

    /** Closes all connections. */
    close(): void {
      transport.close();
    },
  };
}

/** With `smtps:` the connection has TLS from its begin. Without a password there is nothing to protect but the message. */
function needsTls({ protocol, hostname, password }: URL): boolean {
  const isLoopback = hostname === 'localhost' || hostname === '[::1]' || /^127\.\d+\.\d+\.\d+$/.test(hostname);
  return protocol === 'smtp:' && password !== '' && !isLoopback;
}

/** An error of nodemailer. */
type MailError = Error & SmtpRefusal & { code?: string };

/** The failure has the codes and the command. It does not contain the words of the server, which may name the recipient. */
function away(err: unknown): Failure {
  const { responseCode, code, command } = err as MailError;
  const isAboutMessage = code === 'EENVELOPE' || code === 'EMESSAGE';
  const parts = ['smtp', responseCode, enhancedCodeOf(err as MailError), isAboutMessage ? command : code];
  return new Failure('unavailable', {
    message: parts.filter(Boolean).join(' '),
    reason: reasonOf(err as MailError),
  });
}

function reasonOf({ responseCode, code, command, message }: MailError): string {
  if (code === 'EAUTH') return 'credentials-refused';
  if (message === 'timeout') return 'timeout';
  if (command === 'STARTTLS') return 'start-tls-refused';
  if (responseCode !== undefined && responseCode >= 500) return refusedReason(command);
  if (responseCode !== undefined) return `answers-${responseCode}`;
  // nodemailer reports a socket error, and has the TLS reason only in the message
  if (/certificate/i.test(message)) return 'certificate-refused';
  if (/ECONNRESET|closed unexpectedly/i.test(message)) return 'connection-lost';
  return code === 'ETLS' ? 'tls-failed' : connectionReason(code);
}

/** Why the server refuses us: an operator has to change the sender, the message or the account. */
function refusedReason(command: string | undefined): string {
  if (command === 'MAIL FROM') return 'sender-refused';
  return command === 'RCPT TO' ? 'relay-refused' : 'message-refused';
}
