/**
 * E-mail by SMTP, through nodemailer.
 *
 * SMTP has neither idempotency keys nor a way to look up sent messages. A repeat after an unknown result may deliver a
 * second message with the same Message-ID (RFC 5322 section 3.6.4) and the same code, so that mailboxes can merge the
 * two. Timeout: 10 s per step, 20 s in total. If the server is unavailable or refuses temporarily (4xx), calls throw
 * `Failure` `unavailable`.
 */
import { createTransport } from 'nodemailer';
import { connectionReason, Failure } from '../domain/failures.ts';
import type { MailMessage, SendOutcome } from '../domain/providers.ts';
import type { Secret } from '../platform/config/secret.ts';
import { withTimeout } from '../platform/lifecycle.ts';

/** The options of `connectMail`. */
export interface MailOptions {
  /** `smtp://` or `smtps://`, with credentials. */
  url: Secret;
  from: string;
  /** Timeout of a step, default 10 s. A message has twice that time in total. */
  timeoutMs?: number | undefined;
}

/** The SMTP sender. */
export type Mail = ReturnType<typeof connectMail>;

const stepMs = 10_000;

/** Creates the sender. Connections open on first use and stay open. */
export function connectMail({ url, from, timeoutMs = stepMs }: MailOptions) {
  const transport = createTransport({
    url: url.reveal(),
    pool: true,
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
        const { responseCode } = err as { responseCode?: number };
        // RFC 5321 section 4.2.1: 5yz is permanent
        if (responseCode !== undefined && responseCode >= 550 && responseCode < 560) {
          return { result: 'refused', reason: 'mailbox-refused' };
        }
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

/** The failure does not contain the message of the server, which may contain the recipient. */
function away(err: unknown): Failure {
  const { responseCode, code } = err as { responseCode?: number; code?: string };
  return new Failure('unavailable', {
    message: `smtp ${responseCode ?? ''} ${code ?? ''}`.trim(),
    reason: reasonOf(err as Error & { responseCode?: number; code?: string }),
  });
}

function reasonOf({ responseCode, code, message }: { responseCode?: number; code?: string; message: string }): string {
  if (code === 'EAUTH') return 'credentials-refused';
  if (message === 'timeout') return 'timeout';
  if (responseCode !== undefined) return `answers-${responseCode}`;
  // nodemailer reports a socket error, and has the TLS reason only in the message
  if (/certificate/i.test(message)) return 'certificate-refused';
  if (/ECONNRESET|closed unexpectedly/i.test(message)) return 'connection-lost';
  return code === 'ETLS' ? 'tls-failed' : connectionReason(code);
}
