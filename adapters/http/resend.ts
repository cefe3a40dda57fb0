/**
 * E-mail by Resend. https://resend.com/docs/api-reference/emails/send-email
 *
 * Its idempotency key makes repeats safe for 24 h.
 */
import { z } from 'zod';
import type { MailMessage, SendOutcome } from '../../domain/providers.ts';
import type { Secret } from '../../platform/config/secret.ts';
import { callJson, outageOf } from './json.ts';

const Sent = z.object({ id: z.string() });
const Problem = z.object({ name: z.string() });
const Domains = z.object({ data: z.array(z.object({ name: z.string(), status: z.string() })) });

/** The access of a key. A key that may only send cannot list the domains; this is the recommended kind of key. */
export type ResendAccess = { access: 'sending' } | { access: 'full'; domains: { name: string; status: string }[] };

/** The options of `connectResend`. */
export interface ResendOptions {
  apiKey: Secret;
  from: string;
  baseUrl?: string | undefined;
  /** Timeout of a request; default 10 s. */
  timeoutMs?: number;
}

/** Creates the sender. It makes no request until it is used. */
export function connectResend({ apiKey, from, baseUrl = 'https://api.resend.com', timeoutMs }: ResendOptions) {
  const url = (path: string) => `${baseUrl.replace(/\/$/, '')}${path}`;
  const authorization = { Authorization: `Bearer ${apiKey.reveal()}` };
  return {
    /** Sends a message. A repeat with the same `messageId` is not sent again. @throws {Failure} unavailable */
    async send({ to, subject, text, html, messageId }: MailMessage): Promise<SendOutcome> {
      const answer = await callJson({
        provider: 'resend',
        method: 'POST',
        url: url('/emails'),
        headers: { ...authorization, 'Idempotency-Key': messageId },
        timeoutMs,
        body: { from, to: [to], subject, text, html, headers: { 'Auto-Submitted': 'auto-generated' } },
      });
      const sent = Sent.safeParse(answer.body);
      if (answer.status === 200 && sent.success) return { result: 'sent', providerId: sent.data.id };
      const problem = Problem.safeParse(answer.body).data?.name ?? '';
      // Vyry composes the rest of the message, so only the recipient can be invalid
      if (answer.status === 422 && problem === 'validation_error')
        return { result: 'refused', reason: 'mailbox-refused' };
      throw outageOf('resend', answer, /^\w{1,40}$/.test(problem) ? problem : '');
    },

    /**
     * Returns the access of the key and, if it may list them, the domains.
     * https://resend.com/docs/api-reference/domains/list-domains,
     * https://resend.com/docs/api-reference/errors
     *
     * @throws {Failure} unavailable
     */
    async readAccess(): Promise<ResendAccess> {
      const answer = await callJson({
        provider: 'resend',
        method: 'GET',
        url: url('/domains'),
        headers: authorization,
        timeoutMs,
      });
      const domains = Domains.safeParse(answer.body);
      if (answer.status === 200 && domains.success) return { access: 'full', domains: domains.data.data };
      const problem = Problem.safeParse(answer.body).data?.name;
      if (answer.status === 401 && problem === 'restricted_api_key') return { access: 'sending' };
      throw outageOf('resend', answer);
    },
  };
}
