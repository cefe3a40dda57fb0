/**
 * One code: on its way to somebody who asked for it outside of a registration, by one channel.
 *
 * Whoever asked was answered before; nothing is undone. While the provider is away the send is parked and goes on by itself
 * until the code would be worth nothing. A code to nobody is asked for by who named a person that there is none of: outside
 * it looks like any other.
 */
import { setCurrentDetails, sleep } from '@temporalio/workflow';
import type { SendCodeInput } from '../activities/delivery.ts';
import type { Send } from '../domain/verification.ts';
import { CodeSending } from './code-sending.ts';
import { DependencyCalls } from './dependency-calls.ts';
import { sendSecurityAlert } from './notification.ts';

export interface SendOtpInput extends Omit<SendCodeInput, 'to' | 'send'> {
  /** E.164 or one address; nobody without. */
  to?: string | undefined;
  /** When the code would be worth nothing, in milliseconds since the Unix epoch. */
  until: number;
}

/** Sends the code; answers what became of it. */
export async function sendOtp(input: SendOtpInput): Promise<Send['state'] | 'nobody'> {
  const { channel, to, country, until, locale, client, subject, purpose, ttlSeconds } = input;
  if (to === undefined) return 'nobody';
  const timeline: string[] = [];
  let isOver = false;
  const execution = {
    isOver: () => isOver,
    note: (text: string) => {
      timeline.push(`- ${new Date().toISOString().slice(11, 19)} ${text}`);
      setCurrentDetails(timeline.join('\n'));
    },
    show: () => undefined,
    announce: async () => undefined,
    resumed: () => undefined,
  };
  const codes = new CodeSending(
    {
      ...execution,
      subject: { subject, purpose, ttlSeconds },
      destinationOf: () => ({ to, country }),
      isUnwanted: () => isOver,
      refusedState: () => 'refused',
    },
    new DependencyCalls(execution),
  );
  const send = codes.begin(channel);
  const delivered = codes.deliver(send, { ...(locale && { locale }), ...(client && { client }) });
  // whoever has the new number already hears that somebody claims it
  const warned = purpose === 'contact-change' ? sendSecurityAlert({ channel, to }) : undefined;
  await Promise.race([delivered, sleep(Math.max(1, until - Date.now()))]);
  isOver = true;
  await Promise.all([delivered, warned]);
  return send.state;
}
