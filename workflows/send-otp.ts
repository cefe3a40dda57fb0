/**
 * Sends one code by one channel, outside of a registration.
 *
 * The api has already responded; there are no compensations. While the provider is unavailable, the send waits and
 * continues automatically until the code would be useless. A request for an unknown user also starts this workflow,
 * without a recipient, so that callers cannot tell the two apart.
 */
import { sleep } from '@temporalio/workflow';
import type { SendCodeInput } from '../activities/code-sending.ts';
import type { Send } from '../domain/verification.ts';
import { CodeSending } from './code-sending.ts';
import { Flow } from './flow.ts';
import { sendSecurityAlert } from './notification.ts';

/** The input of `sendOtp`. */
export interface SendOtpInput extends Omit<SendCodeInput, 'to' | 'send'> {
  /** E.164 number or e-mail address; absent for an unknown user. */
  to?: string | undefined;
  /** When the code becomes useless, in milliseconds since the Unix epoch. */
  until: number;
}

/** Sends the code. Returns the state of the send, `nobody` without a recipient. */
export async function sendOtp(input: SendOtpInput): Promise<Send['state'] | 'nobody'> {
  const { channel, to, country, until, locale, client, subject, purpose, ttlSeconds } = input;
  if (to === undefined) return 'nobody';
  let isOver = false;
  const flow = new Flow({ isOver: () => isOver, searchAttributes: () => [] });
  const codes = new CodeSending(flow, {
    subject: { subject, purpose, ttlSeconds },
    destinationOf: () => ({ to, country }),
    isUnwanted: () => isOver,
    refusedState: () => 'refused',
  });
  const send = codes.begin(channel);
  const delivered = codes.deliver(send, { ...(locale && { locale }), ...(client && { client }) });
  // if the new number or address already has an owner, warn them
  const warned = purpose === 'contact-change' ? sendSecurityAlert({ channel, to }) : undefined;
  await Promise.race([delivered, sleep(Math.max(1, until - Date.now()))]);
  isOver = true;
  await Promise.all([delivered, warned]);
  return send.state;
}
