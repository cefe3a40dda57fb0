/**
 * E-mail by SendGrid. https://www.twilio.com/docs/sendgrid/api-reference/mail-send/mail-send
 *
 * SendGrid has no idempotency keys: a repeat after an unknown result may deliver a second message with the same code.
 */
import { z } from 'zod';
import type { MailMessage, SendOutcome } from '../../domain/providers.ts';
import type { Secret } from '../../platform/config/secret.ts';
import { callJson, outageOf } from './json.ts';

const Scopes = z.object({ scopes: z.array(z.string()) });
const Problem = z.object({ errors: z.array(z.object({ field: z.string().nullish() })).min(1) });

/** The options of `connectSendgrid`. */
export interface SendgridOptions {
  apiKey: Secret;
  from: string;
  baseUrl?: string | undefined;
  /** Timeout of a request; default 10 s. */
  timeoutMs?: number;
}

/** Creates the sender. It makes no request until it is used. */
export function connectSendgrid({ apiKey, from, baseUrl = 'https://api.sendgrid.com', timeoutMs }: SendgridOptions) {
  const sender = senderOf(from);
  const url = (path: string) => `${baseUrl.replace(/\/$/, '')}${path}`;
  const headers = { Authorization: `Bearer ${apiKey.reveal()}` };
  return {
    /** Sends a message once. @throws {Failure} unavailable */
    async send({ to, subject, text, html, messageId }: MailMessage): Promise<SendOutcome> {
      const answer = await callJson({
        provider: 'sendgrid',
        method: 'POST',
        url: url('/v3/mail/send'),
        headers,
        timeoutMs,
        body: {
          personalizations: [{ to: [{ email: to }] }],
          from: sender,
          subject,
          content: [
            { type: 'text/plain', value: text },
            { type: 'text/html', value: html },
          ],
          headers: { 'Auto-Submitted': 'auto-generated' },
          custom_args: { reference: messageId },
          // no rewritten links, which would contain codes and tokens, and no tracking pixel
          tracking_settings: { click_tracking: { enable: false }, open_tracking: { enable: false } },
        },
      });
      if (answer.status === 202) return { result: 'sent', providerId: answer.headers.get('x-message-id') ?? messageId };
      const fields = Problem.safeParse(answer.body).data?.errors.map(({ field }) => field ?? '') ?? [];
      if (answer.status === 400 && fields.some((field) => field.startsWith('personalizations.'))) {
        return { result: 'refused', reason: 'mailbox-refused' };
      }
      throw outageOf('sendgrid', answer);
    },

    /**
     * Returns whether the key may send. https://www.twilio.com/docs/sendgrid/api-reference/api-key-permissions
     *
     * @throws {Failure} unavailable
     */
    async maySend(): Promise<boolean> {
      const answer = await callJson({
        provider: 'sendgrid',
        method: 'GET',
        url: url('/v3/scopes'),
        headers,
        timeoutMs,
      });
      const granted = Scopes.safeParse(answer.body);
      if (answer.status !== 200 || !granted.success) throw outageOf('sendgrid', answer);
      return granted.data.scopes.includes('mail.send');
    },
  };
}

function senderOf(from: string): { email: string; name?: string } {
  const [, name = '', email = from] = /^(.*?)\s*<([^>]+)>$/.exec(from) ?? [];
  return { email, ...(name !== '' && { name }) };
}
