/** E-mail by Resend. https://resend.com/docs/api-reference/emails/send-email. Its idempotency key makes a repeat safe for 24 h. */
import { z } from 'zod';
import type { MailMessage, SendOutcome } from '../../domain/providers.ts';
import type { Secret } from '../../platform/config.ts';
import { callJson, outageOf } from './json.ts';

const Sent = z.object({ id: z.string() });
const Problem = z.object({ name: z.string() });

/** Creates the sender; nothing is sent until it is used. */
export function connectResend({
  apiKey,
  from,
  baseUrl = 'https://api.resend.com',
}: {
  apiKey: Secret;
  from: string;
  baseUrl?: string | undefined;
}) {
  return {
    /** Hands a message over; a repeat with the same `messageId` is the same message. @throws {Failure} unavailable */
    async send({ to, subject, text, html, messageId }: MailMessage): Promise<SendOutcome> {
      const answer = await callJson({
        provider: 'resend',
        method: 'POST',
        url: `${baseUrl.replace(/\/$/, '')}/emails`,
        headers: { Authorization: `Bearer ${apiKey.reveal()}`, 'Idempotency-Key': messageId },
        body: { from, to: [to], subject, text, html, headers: { 'Auto-Submitted': 'auto-generated' } },
      });
      const sent = Sent.safeParse(answer.body);
      if (answer.status === 200 && sent.success) return { result: 'sent', providerId: sent.data.id };
      const problem = Problem.safeParse(answer.body).data?.name ?? '';
      // of a message that is ours, only the recipient can be what is not valid
      if (answer.status === 422 && problem === 'validation_error')
        return { result: 'refused', reason: 'mailbox-refused' };
      throw outageOf('resend', answer, /^\w{1,40}$/.test(problem) ? problem : '');
    },
  };
}
