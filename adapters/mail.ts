/**
 * E-mail by SMTP, through nodemailer.
 *
 * SMTP has no idempotency and cannot be asked what it has: a repeat after an unknown end may deliver one extra message,
 * with the same Message-ID (RFC 5322 section 3.6.4) and the same code, so that mailboxes can fold the two.
 * Timeout: 10 s a step, 20 s in all. Away or refusing for now (4xx): throws `Failure` `unavailable`.
 */
import { createTransport } from 'nodemailer';
import { connectionReason, Failure } from '../domain/failures.ts';
import type { MailMessage, SendOutcome } from '../domain/providers.ts';
import type { Secret } from '../platform/config.ts';
import { withTimeout } from '../platform/lifecycle.ts';

export interface MailOptions {
  /** `smtp://` or `smtps://`, with credentials. */
  url: Secret;
  from: string;
  /** Longest wait for a step; ten seconds without it. A message waits twice that in all. */
  timeoutMs?: number | undefined;
}

export type Mail = ReturnType<typeof connectMail>;

const stepMs = 10_000;

/** Creates the sender; connections are opened when it is used, and kept. */
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
    /** Hands a message to the mail server. */
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
        // the steps have their times, a message that waits in the pool for a connection has none
        const info = await withTimeout(sending, 2 * timeoutMs);
        return { result: 'sent', providerId: info.messageId };
      } catch (err) {
        const { responseCode } = err as { responseCode?: number };
        // RFC 5321 section 4.2.1: 5yz will not change by repeating
        if (responseCode !== undefined && responseCode >= 550 && responseCode < 560) {
          return { result: 'refused', reason: 'mailbox-refused' };
        }
        throw away(err);
      }
    },

    /** @throws {Failure} unavailable */
    async ping(): Promise<void> {
      await transport.verify().catch((err: unknown) => {
        throw away(err);
      });
    },

    close(): void {
      transport.close();
    },
  };
}

/** Never the server's own text, which may name the recipient. */
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
  // nodemailer names the socket, and leaves the reason of TLS in the text
  if (/certificate/i.test(message)) return 'certificate-refused';
  if (/ECONNRESET|closed unexpectedly/i.test(message)) return 'connection-lost';
  return code === 'ETLS' ? 'tls-failed' : connectionReason(code);
}
