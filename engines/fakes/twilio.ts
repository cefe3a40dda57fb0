/**
 * Fake of Twilio's REST API, version 2010-04-01, limited to sending SMS and making calls: the Messages, Calls and
 * Accounts resources, the error format and the signed status callbacks, as documented at
 * https://www.twilio.com/docs/messaging/api/message-resource and
 * https://www.twilio.com/docs/usage/webhooks/webhooks-security.
 */
import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { type DeliveryReports, isLoopback, type ReportRequest, type Stage } from './delivery-reports.ts';
import type { Fault, Faults } from './faults.ts';
import { type Answer, type Call, json, type Route, readForm } from './http-server.ts';
import type { Outbox } from './outbox.ts';

/** The account whose credentials the fake accepts. */
export interface TwilioAccount {
  accountSid: string;
  authToken: string;
}

interface Surroundings {
  outbox: Outbox;
  faults: Faults;
  reports: DeliveryReports;
  /** Aborts when the fakes close, and ends the calls in progress. */
  closing: AbortSignal;
}

interface SentMessage {
  sid: string;
  to: string;
  from: string | null;
  messagingServiceSid: string | null;
  body: string;
  sentAt: Date;
  status: 'queued' | 'accepted' | Stage;
}

/** A call, with the fields that Twilio's list has. */
interface MadeCall {
  sid: string;
  to: string;
  from: string;
  madeAt: Date;
}

type Twilio = Surroundings & { account: TwilioAccount; sent: SentMessage[]; calls: MadeCall[]; startedAt: Date };

/**
 * Status and text of the errors that this fake returns (https://www.twilio.com/docs/api/errors); others are 400.
 * Like Twilio's own, some contain the recipient's number, which must not be logged.
 */
const errors: Record<number, { status: number; message: string }> = {
  20001: { status: 400, message: 'Invalid parameter' },
  20003: { status: 401, message: 'Authenticate' },
  20004: { status: 405, message: 'Method not allowed' },
  20404: { status: 404, message: 'The requested resource was not found' },
  20429: { status: 429, message: 'Too Many Requests' },
  20500: { status: 500, message: 'Internal Server Error' },
  20503: { status: 503, message: 'Service unavailable' },
  21201: { status: 400, message: "No 'To' number is specified" },
  21205: { status: 400, message: 'Url parameter is required' },
  21213: { status: 400, message: "'From' phone number is required" },
  21211: { status: 400, message: "Invalid 'To' Phone Number: {to}" },
  21212: { status: 400, message: "Invalid 'From' Phone Number" },
  21408: {
    status: 400,
    message: "Permission to send an SMS has not been enabled for the region indicated by the 'To' number: {to}",
  },
  21602: { status: 400, message: 'Message body is required' },
  21603: { status: 400, message: "A 'From' phone number is required" },
  21604: { status: 400, message: "A 'To' phone number is required" },
  21609: { status: 400, message: "Invalid 'StatusCallback' URL" },
  21610: { status: 400, message: 'Attempt to send to unsubscribed recipient' },
  21612: {
    status: 400,
    message: "Message cannot be sent with the current combination of 'To' and/or 'From' parameters",
  },
  21614: { status: 400, message: "'To' number is not a valid mobile number: {to}" },
  21617: { status: 400, message: 'The concatenated message body exceeds the 1600 character limit' },
  30450: { status: 400, message: 'Message delivery blocked' },
};

/** Creates the routes of the fake. Its lists keep accepted messages and calls when the outbox is emptied. */
export function createTwilioRoutes(account: TwilioAccount, surroundings: Surroundings): Route[] {
  const twilio: Twilio = { ...surroundings, account, sent: [], calls: [], startedAt: new Date() };
  return [{ path: /^\/2010-04-01(\/|$)/, answer: (call) => answerUnderFault(twilio, call) }];
}

async function answerUnderFault(twilio: Twilio, call: Call): Promise<Answer> {
  const fault = twilio.faults.find(call.url.pathname.endsWith('/Calls.json') ? 'voice' : 'sms', 'twilio');
  if (fault?.mode === 'error500') return problem(Number(fault.providerCode ?? 20500));
  // a slow provider accepts the message long before it answers
  const answer = authenticateAndAnswer(twilio, call, fault);
  await twilio.faults.delay(fault, call.signal);
  return answer;
}

function authenticateAndAnswer(twilio: Twilio, call: Call, fault: Fault | undefined): Answer {
  if (!isAuthentic(twilio.account, call.headers.authorization)) return problem(20003);
  const path = `/2010-04-01/Accounts/${twilio.account.accountSid}`;
  const { pathname } = call.url;
  if (pathname === `${path}/Messages.json`) {
    if (call.method === 'POST') return createMessage(twilio, readForm(call), fault);
    return call.method === 'GET' ? listMessages(twilio, call.url) : problem(20004);
  }
  if (pathname === `${path}/Calls.json`) return answerCalls(twilio, call, fault);
  if (call.method !== 'GET') return problem(20404);
  if (pathname === `${path}.json`) return json(200, accountJson(twilio));
  const message = twilio.sent.find(({ sid }) => pathname === `${path}/Messages/${sid}.json`);
  return message === undefined ? problem(20404) : json(200, messageJson(twilio.account, message));
}

function answerCalls(twilio: Twilio, call: Call, fault: Fault | undefined): Answer {
  if (call.method === 'POST') return createCall(twilio, readForm(call), fault);
  return call.method === 'GET' ? listCalls(twilio, call.url) : problem(20004);
}

function isAuthentic({ accountSid, authToken }: TwilioAccount, authorization = ''): boolean {
  const expected = Buffer.from(`Basic ${Buffer.from(`${accountSid}:${authToken}`).toString('base64')}`);
  const given = Buffer.from(authorization);
  return given.length === expected.length && timingSafeEqual(given, expected);
}

function createMessage(twilio: Twilio, form: URLSearchParams, fault: Fault | undefined): Answer {
  const errorCode = checkMessage(form);
  if (errorCode !== undefined) return problem(errorCode, { to: form.get('To') });
  if (fault?.mode === 'error400') {
    return problem(Number(fault.providerCode ?? 21211), { fault, to: form.get('To') });
  }

  const messagingServiceSid = form.get('MessagingServiceSid');
  const message: SentMessage = {
    sid: `SM${randomBytes(16).toString('hex')}`,
    to: form.get('To') ?? '',
    from: form.get('From'),
    messagingServiceSid,
    body: form.get('Body') ?? '',
    sentAt: new Date(),
    status: messagingServiceSid === null ? 'queued' : 'accepted',
  };
  twilio.sent.push(message);
  const { sid, to, body } = message;
  const from = message.from ?? messagingServiceSid ?? '';
  twilio.outbox.add({ id: sid, channel: 'sms', to, from, body, provider: 'twilio' });
  const answer = json(201, { ...messageJson(twilio.account, message), date_sent: null });
  void deliver(twilio, message, { statusCallback: form.get('StatusCallback'), fault });
  return fault?.mode === 'accept-then-drop' ? 'drop' : answer;
}

function createCall(twilio: Twilio, form: URLSearchParams, fault: Fault | undefined): Answer {
  const [to, from, twiml] = ['To', 'From', 'Twiml'].map((name) => form.get(name) ?? '');
  if (!to) return problem(21201);
  if (!/^\+[1-9]\d{6,14}$/.test(to)) return problem(21211, { to });
  if (!from) return problem(21213);
  if (!twiml) return problem(21205);
  if (fault?.mode === 'error400') return problem(Number(fault.providerCode ?? 21211), { fault, to });
  const made: MadeCall = { sid: `CA${randomBytes(16).toString('hex')}`, to, from, madeAt: new Date() };
  twilio.calls.push(made);
  void answerPhone(twilio, made, twiml).then(() =>
    tellOfCall(twilio, made, { statusCallback: form.get('StatusCallback'), fault }),
  );
  return fault?.mode === 'accept-then-drop' ? 'drop' : json(201, callJson(twilio.account, made));
}

/** Simulates the called person: answers, presses a key when asked to, and hears the rest. */
async function answerPhone(twilio: Twilio, made: MadeCall, twiml: string): Promise<void> {
  const action = /<Gather [^>]*action="([^"]+)"/.exec(twiml)?.[1]?.replaceAll('&amp;', '&');
  const after = action === undefined ? '' : await pressKey(twilio, made, action);
  const body = `${spoken(twiml)}\n${spoken(after)}`.trim();
  twilio.outbox.add({ id: made.sid, channel: 'voice', to: made.to, from: made.from, body, provider: 'twilio' });
}

async function pressKey({ account, closing }: Twilio, made: MadeCall, url: string): Promise<string> {
  if (!isLoopback(url)) return '';
  const params = { AccountSid: account.accountSid, CallSid: made.sid, Digits: '1', From: made.from, To: made.to };
  const signal = AbortSignal.any([closing, AbortSignal.timeout(15_000)]);
  const request = { method: 'POST', redirect: 'manual', signal, ...signedForm(account, url, params) } as const;
  // Twilio waits 15 s for a webhook
  const res = await fetch(url, request).catch(() => undefined);
  return res?.ok === true ? await res.text() : '';
}

/** Returns the spoken text: a line for each Say; consecutive digits are one number. */
function spoken(twiml: string): string {
  const said = [...twiml.matchAll(/<Say[^>]*>([^<]*)<\/Say>/g)].map(([, words = '']) => words);
  return said
    .reduce((text, words) => (/^\d$/.test(words) && /(^|\n)\d+$/.test(text) ? text + words : `${text}\n${words}`), '')
    .trim();
}

function listCalls({ account, calls }: Twilio, url: URL): Answer {
  const [to, from] = [url.searchParams.get('To'), url.searchParams.get('From')];
  const found = calls
    .filter((made) => (to === null || made.to === to) && (from === null || made.from === from))
    .reverse();
  const page = { page: 0, page_size: 1000, start: 0, end: Math.max(found.length - 1, 0), next_page_uri: null };
  return json(200, {
    calls: found.map((made) => callJson(account, made)),
    uri: url.pathname,
    first_page_uri: url.pathname,
    previous_page_uri: null,
    ...page,
  });
}

function callJson({ accountSid }: TwilioAccount, { sid, to, from, madeAt }: MadeCall): Record<string, unknown> {
  return {
    account_sid: accountSid,
    api_version: '2010-04-01',
    date_created: toRfc2822(madeAt),
    date_updated: toRfc2822(madeAt),
    direction: 'outbound-api',
    from,
    sid,
    start_time: null,
    end_time: null,
    status: 'queued',
    subresource_uris: {},
    to,
    uri: `/2010-04-01/Accounts/${accountSid}/Calls/${sid}.json`,
  };
}

function checkMessage(form: URLSearchParams): number | undefined {
  const to = form.get('To');
  const from = form.get('From');
  const body = form.get('Body');
  const callback = form.get('StatusCallback');
  if (!to) return 21604;
  if (!/^\+[1-9]\d{6,14}$/.test(to)) return 21211;
  if (!from && !form.get('MessagingServiceSid')) return 21603;
  // a number in E.164, a short code or an alphanumeric sender
  if (from && !/^(\+[1-9]\d{6,14}|\d{3,8}|(?=.*[A-Za-z])[\w &+-]{1,11})$/.test(from)) return 21212;
  if (!body) return 21602;
  if (body.length > 1600) return 21617;
  if (callback && !/^https?:$/.test(URL.parse(callback)?.protocol ?? '')) return 21609;
  return undefined;
}

function listMessages({ account, sent }: Twilio, url: URL): Answer {
  const query = url.searchParams;
  const [on, before, after] = ['DateSent', 'DateSent<', 'DateSent>'].map((name) => readDate(query.get(name)));
  if (Number.isNaN(on) || Number.isNaN(before) || Number.isNaN(after)) return problem(20001);
  const to = query.get('To');
  const from = query.get('From');
  const found = sent
    .filter((message) => {
      // RFC 2822 has a resolution of one second, so both inequalities include the second itself
      const sentAt = Math.floor(message.sentAt.getTime() / 1000) * 1000;
      return (
        (to === null || message.to === to) &&
        (from === null || message.from === from) &&
        (on === undefined || Math.floor(sentAt / dayMs) === Math.floor(on / dayMs)) &&
        (before === undefined || sentAt <= before) &&
        (after === undefined || sentAt >= after)
      );
    })
    .reverse();
  return json(200, pageJson(account, found, url));
}

const dayMs = 86_400_000;

/** Returns the epoch milliseconds of a date or instant; NaN when it is neither, undefined when absent. */
function readDate(text: string | null): number | undefined {
  if (text === null) return undefined;
  return /^\d{4}-\d\d-\d\d(T[\d:.]+Z)?$/.test(text) ? Date.parse(text) : Number.NaN;
}

/**
 * Returns a page of a list: PageToken `PA` + sid selects the page after that message, `PB` + sid the page before it.
 */
function pageJson(account: TwilioAccount, found: readonly SentMessage[], url: URL): Record<string, unknown> {
  const size = Math.min(Math.max(Number.parseInt(url.searchParams.get('PageSize') ?? '', 10) || 50, 1), 1000);
  const token = url.searchParams.get('PageToken') ?? '';
  const at = found.findIndex(({ sid }) => sid === token.slice(2));
  const start = at < 0 ? 0 : token.startsWith('PB') ? Math.max(at - size, 0) : at + 1;
  const messages = found.slice(start, start + size);
  const page = Number.parseInt(url.searchParams.get('Page') ?? '', 10) || 0;

  const uri = (number: number, pageToken?: string) => {
    const query = new URLSearchParams(url.searchParams);
    query.set('PageSize', String(size));
    query.set('Page', String(number));
    query.delete('PageToken');
    if (pageToken !== undefined) query.set('PageToken', pageToken);
    return `${url.pathname}?${query}`;
  };
  const [first, last] = [messages[0], messages.at(-1)];
  return {
    messages: messages.map((message) => messageJson(account, message)),
    page,
    page_size: size,
    start: page * size,
    end: page * size + Math.max(messages.length - 1, 0),
    uri: `${url.pathname}${url.search}`,
    first_page_uri: uri(0),
    next_page_uri: last !== undefined && start + size < found.length ? uri(page + 1, `PA${last.sid}`) : null,
    previous_page_uri: first !== undefined && start > 0 ? uri(Math.max(page - 1, 0), `PB${first.sid}`) : null,
  };
}

function messageJson({ accountSid }: TwilioAccount, message: SentMessage): Record<string, unknown> {
  const uri = `/2010-04-01/Accounts/${accountSid}/Messages/${message.sid}`;
  const sentAt = toRfc2822(message.sentAt);
  return {
    account_sid: accountSid,
    api_version: '2010-04-01',
    body: message.body,
    date_created: sentAt,
    date_sent: sentAt,
    date_updated: sentAt,
    direction: 'outbound-api',
    error_code: null,
    error_message: null,
    from: message.from,
    messaging_service_sid: message.messagingServiceSid,
    num_media: '0',
    num_segments: String(countSegments(message.body)),
    price: null,
    price_unit: 'USD',
    sid: message.sid,
    status: message.status,
    subresource_uris: { media: `${uri}/Media.json` },
    to: message.to,
    uri: `${uri}.json`,
  };
}

function accountJson({ account, startedAt }: Twilio): Record<string, unknown> {
  return {
    date_created: toRfc2822(startedAt),
    date_updated: toRfc2822(startedAt),
    friendly_name: 'Fake',
    owner_account_sid: account.accountSid,
    sid: account.accountSid,
    status: 'active',
    subresource_uris: { messages: `/2010-04-01/Accounts/${account.accountSid}/Messages.json` },
    type: 'Full',
    uri: `/2010-04-01/Accounts/${account.accountSid}.json`,
  };
}

function toRfc2822(date: Date): string {
  return date.toUTCString().replace('GMT', '+0000');
}

/**
 * Returns the number of segments of an SMS: 160 septets alone and 153 each in several, 70 and 67 in UCS-2 (3GPP TS
 * 23.038; ASCII counts as GSM here).
 */
function countSegments(body: string): number {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: ASCII includes them.
  const [alone, inRow] = /^[\x00-\x7f]*$/.test(body) ? [160, 153] : [70, 67];
  return body.length <= alone ? 1 : Math.ceil(body.length / inRow);
}

interface Circumstances {
  fault?: Fault;
  to?: string | null;
}

function problem(code: number, { fault, to }: Circumstances = {}): Answer {
  const known = errors[code] ?? { status: 400, message: `Error ${code}` };
  const message = known.message.replace('{to}', to ?? '');
  const { status } = known;
  const body = { code, message, more_info: `https://www.twilio.com/docs/errors/${code}`, status };
  return json(status, body, status === 429 ? { 'retry-after': String(secondsLeft(fault)) } : {});
}

function secondsLeft(fault: Fault | undefined): number {
  if (fault?.until === undefined) return 1;
  return Math.max(Math.ceil((Date.parse(fault.until) - Date.now()) / 1000), 1);
}

interface Delivery {
  statusCallback: string | null;
  fault: Fault | undefined;
}

async function deliver(twilio: Twilio, message: SentMessage, { statusCallback, fault }: Delivery): Promise<void> {
  // the answer to the request has the first status, so the next one must follow it
  await pause(0);
  if (statusCallback === null) message.status = fault?.mode === 'report-undelivered' ? 'undelivered' : 'delivered';
  await twilio.reports.tell({
    provider: 'twilio',
    fault,
    url: statusCallback,
    requestOf(stage) {
      message.status = stage;
      return signedForm(twilio.account, statusCallback ?? '', messageParams(twilio.account, message));
    },
    isRepeated: isConnectedAgain,
  });
}

/**
 * Returns whether Twilio posts again: by default once, when it could not connect.
 * https://www.twilio.com/docs/usage/webhooks/webhooks-connection-overrides
 */
function isConnectedAgain(status: number | null, tries: number): boolean {
  return status === null && tries < 2;
}

function messageParams({ accountSid }: TwilioAccount, message: SentMessage): Record<string, string> {
  const { sid, status, to, from, messagingServiceSid } = message;
  return {
    AccountSid: accountSid,
    ApiVersion: '2010-04-01',
    MessageSid: sid,
    MessageStatus: status,
    SmsSid: sid,
    SmsStatus: status,
    To: to,
    ...(status === 'undelivered' && { ErrorCode: '30003' }),
    ...(from !== null && { From: from }),
    ...(messagingServiceSid !== null && { MessagingServiceSid: messagingServiceSid }),
  };
}

function tellOfCall(twilio: Twilio, made: MadeCall, { statusCallback, fault }: Delivery): Promise<void> {
  const { accountSid } = twilio.account;
  const { sid, to, from } = made;
  return twilio.reports.tell({
    provider: 'twilio',
    fault,
    url: statusCallback,
    requestOf(stage) {
      if (stage === 'sent') return undefined;
      const status = stage === 'delivered' ? 'completed' : 'no-answer';
      const params = {
        AccountSid: accountSid,
        CallSid: sid,
        CallStatus: status,
        From: from,
        To: to,
        Direction: 'outbound-api',
      };
      return signedForm(twilio.account, statusCallback ?? '', params);
    },
    isRepeated: isConnectedAgain,
  });
}

function signedForm({ authToken }: TwilioAccount, url: string, params: Record<string, string>): ReportRequest {
  return {
    headers: {
      'content-type': 'application/x-www-form-urlencoded',
      'x-twilio-signature': sign(authToken, url, params),
    },
    body: new URLSearchParams(params).toString(),
  };
}

/**
 * Returns the HMAC-SHA1 over the URL followed by each parameter's name and value, sorted by name (Twilio, webhooks
 * security).
 */
function sign(authToken: string, url: string, params: Record<string, string>): string {
  const signed = Object.entries(params)
    .sort(([one], [other]) => (one < other ? -1 : 1))
    .reduce((text, [name, value]) => text + name + value, url);
  return createHmac('sha1', authToken).update(signed).digest('base64');
}
