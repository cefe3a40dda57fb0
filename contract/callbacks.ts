/** Callbacks of message providers: delivery reports, and the speech of a voice call. */
import { z } from 'zod';
import { operation } from './operation.ts';

/** A form of Twilio, which signs all its fields. */
const TwilioForm = z.record(z.string(), z.string());

/**
 * Delivery reports as Infobip posts them.
 * https://www.infobip.com/docs/api/channels/sms/logs-and-status-reports/receive-outbound-sms-message-report-v3
 */
export const InfobipReports = z.object({
  results: z
    .array(
      z.object({
        messageId: z.string(),
        status: z.object({ groupName: z.string(), name: z.string() }),
        error: z.object({ name: z.string() }).optional(),
      }),
    )
    .min(1)
    .max(100),
});

/** The message that a delivery report is about, encrypted by the role that sent it. */
export const ReportQuery = z.object({ of: z.string().max(2000) });

/** The operations for providers. */
export const callbackOperations = {
  voiceTwiml: operation({
    method: 'post',
    path: '/api/v1/voice/twilio',
    summary: 'Get the speech of a call after a key press; signed by Twilio',
    description:
      'Twilio calls the address when a key was pressed, so that no answering machine records the code. `speech` is encrypted.',
    example: { CallSid: 'CA00000000000000000000000000000000', Digits: '1' },
    auth: 'twilio',
    query: z.object({ speech: z.string().max(4000) }),
    body: TwilioForm.default({}),
    isForm: true,
    answers: { 200: z.string() },
    answerType: 'text/xml',
    failures: ['malformed', 'unauthenticated', 'not-found'],
  }),
  receiveTwilioReport: operation({
    method: 'post',
    path: '/api/v1/delivery-reports/twilio',
    summary: 'Receive the delivery report of an SMS or call; signed by Twilio',
    description: '`of` tells which message it is about. A repeat changes nothing.',
    example: { MessageSid: 'SM00000000000000000000000000000000', MessageStatus: 'delivered' },
    auth: 'twilio',
    query: ReportQuery,
    body: TwilioForm.default({}),
    isForm: true,
    isCallback: true,
    isUnlimited: true,
    answers: { 204: null },
    failures: ['malformed', 'unauthenticated', 'rate-limited', 'unavailable'],
  }),
  receiveInfobipReport: operation({
    method: 'post',
    path: '/api/v1/delivery-reports/infobip',
    summary: 'Receive the delivery report of an SMS; authenticated by the secret address that Infobip received',
    description: '`of` tells which message it is about, and authenticates the report. A repeat changes nothing.',
    auth: 'infobip',
    query: ReportQuery,
    body: InfobipReports,
    isCallback: true,
    isUnlimited: true,
    answers: { 204: null },
    failures: ['malformed', 'unauthenticated', 'rate-limited', 'unavailable'],
  }),
} as const;
