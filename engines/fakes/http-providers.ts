/**
 * Fakes of providers with plain HTTP APIs: SMS by Infobip (https://www.infobip.com/docs/api/channels/sms), e-mail by
 * Resend (https://resend.com/docs/api-reference/emails/send-email) and SendGrid
 * (https://www.twilio.com/docs/sendgrid/api-reference/mail-send/mail-send). They accept any API key for sending; the
 * name of a key decides what the calls that list permissions return.
 */
import { randomUUID } from 'node:crypto';
import { z } from 'zod';
import type { DeliveryReports, ReportRequest, Stage } from './delivery-reports.ts';
import type { Channel, Fault, Faults } from './faults.ts';
import { type Answer, type Call, json, type Route, readJson } from './http-server.ts';
import type { Outbox } from './outbox.ts';

interface Surroundings {
  outbox: Outbox;
  faults: Faults;
  reports: DeliveryReports;
}

/** One provider: how it accepts a message, and how it refuses one. */
export interface Service {
  channel: Channel;
  provider: string;
  take: (call: Call, fault: Fault | undefined) => Answer | Promise<Answer>;
  refuse: (fault: Fault) => Answer;
}

/** Creates the routes of the three providers. */
export function createHttpProviderRoutes({ outbox, faults, reports }: Surroundings): Route[] {
  const post = (path: RegExp, service: Service): Route => ({
    method: 'POST',
    path,
    answer: (call) => answerUnderFault(faults, service, call),
  });
  const infobip = createInfobip(outbox, reports);
  return [
    post(/^\/sms\/3\/messages$/, infobip),
    {
      method: 'GET',
      path: /^\/sms\/3\/logs$/,
      answer: (call) =>
        underOutage(faults, 'sms', 'infobip', () =>
          isUnknownKey(call) ? json(401, infobipUnauthorized) : infobip.logs(call),
        ),
    },
    {
      method: 'GET',
      path: /^\/domains$/,
      answer: (call) => underOutage(faults, 'email', 'resend', () => resendDomains(call)),
    },
    {
      method: 'GET',
      path: /^\/v3\/scopes$/,
      answer: (call) => underOutage(faults, 'email', 'sendgrid', () => sendgridScopes(call)),
    },
    post(/^\/emails$/, createResend(outbox)),
    post(/^\/v3\/mail\/send$/, createSendgrid(outbox)),
  ];
}

/** Answers a call as a provider does, or as its active fault says. */
export async function answerUnderFault(faults: Faults, service: Service, call: Call): Promise<Answer> {
  const { channel, provider, take, refuse } = service;
  return underOutage(faults, channel, provider, async (fault) => {
    if (fault?.mode === 'error400') return refuse(fault);
    const answer = await take(call, fault);
    // a slow provider accepts the message long before it answers
    await faults.delay(fault, call.signal);
    return fault?.mode === 'accept-then-drop' ? 'drop' : answer;
  });
}

function underOutage(
  faults: Faults,
  channel: Channel,
  provider: string,
  answer: (fault: Fault | undefined) => Answer | Promise<Answer>,
): Answer | Promise<Answer> {
  const fault = faults.find(channel, provider);
  return fault?.mode === 'error500' ? json(500, { message: 'Internal Server Error' }) : answer(fault);
}

function keyOf({ headers }: Call): string {
  return (headers.authorization ?? '').split(' ')[1] ?? '';
}

function isUnknownKey(call: Call): boolean {
  return keyOf(call).startsWith('unknown');
}

const infobipUnauthorized = {
  requestError: { serviceException: { messageId: 'UNAUTHORIZED', text: 'Invalid login details' } },
};

/** Keys with full access see the domains; other keys may only send. */
function resendDomains(call: Call): Answer {
  const problem = (statusCode: number, name: string, message: string) =>
    json(statusCode, { statusCode, name, message });
  if (isUnknownKey(call)) return problem(403, 'invalid_api_key', 'API key is invalid');
  if (!keyOf(call).startsWith('full'))
    return problem(401, 'restricted_api_key', 'This API key is restricted to only send emails');
  const domain = (name: string, status: string) => ({ id: randomUUID(), name, status, region: 'eu-west-1' });
  return json(200, { object: 'list', data: [domain('example.org', 'verified'), domain('example.net', 'pending')] });
}

function sendgridScopes(call: Call): Answer {
  if (isUnknownKey(call))
    return json(401, { errors: [{ field: null, message: 'The provided authorization grant is invalid' }] });
  return json(200, {
    scopes: keyOf(call).startsWith('reading') ? ['stats.read'] : ['mail.send', 'sender_verification_eligible'],
  });
}

const InfobipRequest = z.looseObject({
  messages: z.tuple([
    z.looseObject({
      sender: z.string().min(1),
      destinations: z.tuple([z.object({ to: z.string().regex(/^\d{7,15}$/), messageId: z.string().max(200) })]),
      content: z.object({ text: z.string().min(1) }),
      webhooks: z.object({ delivery: z.object({ url: z.url(), intermediateReport: z.boolean() }) }).optional(),
    }),
  ]),
});

function createInfobip(outbox: Outbox, reports: DeliveryReports): Service & { logs: (call: Call) => Answer } {
  const sent: string[] = [];
  const statusOf = (groupName: string, name: string) => ({ groupId: 1, groupName, id: 26, name, description: name });
  return {
    channel: 'sms',
    provider: 'infobip',
    take(call, fault) {
      const { sender, destinations, content, webhooks } = readJson(call, InfobipRequest).messages[0];
      const [{ to, messageId }] = destinations;
      sent.push(messageId);
      outbox.add({ channel: 'sms', to: `+${to}`, from: sender, body: content.text, provider: 'infobip' });
      void reports.tell({
        provider: 'infobip',
        fault,
        url: webhooks?.delivery.url ?? null,
        requestOf: (stage) => infobipReport(messageId, to, stage),
        // Infobip retries for hours at growing intervals; here they are short
        isRepeated: (status, tries) => (status === null || status >= 300) && tries < 200,
      });
      const status = statusOf('PENDING', 'PENDING_ACCEPTED');
      return json(200, { bulkId: randomUUID(), messages: [{ messageId, status, destination: to }] });
    },
    refuse({ providerCode }) {
      const status = statusOf('REJECTED', providerCode ?? 'REJECTED_DESTINATION');
      return json(200, { messages: [{ messageId: randomUUID(), status, destination: '0' }] });
    },
    logs({ url }) {
      const wanted = url.searchParams.get('messageId');
      const found = sent.filter((messageId) => messageId === wanted);
      return json(200, {
        results: found.map((messageId) => ({ messageId, status: statusOf('DELIVERED', 'DELIVERED_TO_HANDSET') })),
      });
    },
  };
}

const infobipStates: Partial<Record<Stage, { group: [number, string]; name: string; error: string }>> = {
  delivered: { group: [3, 'DELIVERED'], name: 'DELIVERED_TO_HANDSET', error: 'NO_ERROR' },
  undelivered: { group: [2, 'UNDELIVERABLE'], name: 'UNDELIVERABLE_NOT_DELIVERED', error: 'EC_ABSENT_SUBSCRIBER' },
};

/** Returns the request of a delivery report; Infobip reports final stages only. */
function infobipReport(messageId: string, to: string, stage: Stage): ReportRequest | undefined {
  const state = infobipStates[stage];
  if (state === undefined) return undefined;
  const { group, name, error } = state;
  const [groupId, groupName] = group;
  const now = new Date().toISOString().replace('Z', '+0000');
  const result = {
    bulkId: randomUUID(),
    price: { pricePerMessage: 0.01, currency: 'EUR' },
    status: { id: 5, groupId, groupName, name, description: name },
    error: { id: 0, groupId: 0, groupName: 'OK', name: error, description: error, permanent: false },
    messageId,
    to,
    doneAt: now,
    sentAt: now,
    messageCount: 1,
  };
  return { headers: { 'content-type': 'application/json' }, body: JSON.stringify({ results: [result] }) };
}

const ResendRequest = z.looseObject({
  from: z.string().min(1),
  to: z.tuple([z.email()]),
  subject: z.string(),
  text: z.string(),
  html: z.string(),
});

function createResend(outbox: Outbox): Service {
  const ids = new Map<string, string>();
  return {
    channel: 'email',
    provider: 'resend',
    take(call) {
      const { from, to, subject, text } = readJson(call, ResendRequest);
      const key = String(call.headers['idempotency-key'] ?? randomUUID());
      const known = ids.get(key);
      if (known !== undefined) return json(200, { id: known });
      const { id } = outbox.add({ channel: 'email', to: to[0], from, subject, body: text, provider: 'resend' });
      ids.set(key, id);
      return json(200, { id });
    },
    refuse: () => json(422, { statusCode: 422, name: 'validation_error', message: 'Invalid `to` field' }),
  };
}

const SendgridRequest = z.looseObject({
  personalizations: z.tuple([z.looseObject({ to: z.tuple([z.looseObject({ email: z.email() })]) })]),
  from: z.looseObject({ email: z.string().min(1) }),
  subject: z.string(),
  content: z.array(z.object({ type: z.string(), value: z.string() })).min(1),
});

function createSendgrid(outbox: Outbox): Service {
  return {
    channel: 'email',
    provider: 'sendgrid',
    take(call) {
      const { personalizations, from, subject, content } = readJson(call, SendgridRequest);
      const to = personalizations[0].to[0].email;
      const body = content[0]?.value ?? '';
      const { id } = outbox.add({ channel: 'email', to, from: from.email, subject, body, provider: 'sendgrid' });
      return { status: 202, headers: { 'x-message-id': id }, body: '' };
    },
    refuse: () =>
      json(400, {
        errors: [{ message: 'Does not contain a valid address.', field: 'personalizations.0.to.0.email', help: null }],
      }),
  };
}
