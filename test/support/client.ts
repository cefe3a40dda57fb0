/** A client of the public API for tests: what an app would do, step by step. */
import { solveChallenge } from 'altcha-lib';
import { deriveKey } from 'altcha-lib/algorithms/pbkdf2';
import { Agent, fetch as fetchFrom } from 'undici';
import { eventually } from './until.ts';

export interface Answer {
  status: number;
  headers: Headers;
  // biome-ignore lint/suspicious/noExplicitAny: answers are what is under test; assertions say what they are
  body: any;
}

export interface CallOptions {
  body?: unknown;
  token?: string;
  headers?: Record<string, string>;
  /** A loopback address to come from, 127.x.x.x. */
  from?: string | undefined;
}

const agents = new Map<string, Agent>();

/** One of many machines: connections that come from a loopback address. */
function agentOf(localAddress: string): Agent {
  const agent = agents.get(localAddress) ?? new Agent({ localAddress, keepAliveTimeout: 1000 });
  agents.set(localAddress, agent);
  return agent;
}

/** Hears every answer that `call` gets, before its caller does; what it throws, the caller gets. */
export type AnswerListener = (request: { url: string; method: string; path: string }, answer: Answer) => void;

const listeners: AnswerListener[] = [];

/** Lets a test file look at every answer. */
export function onAnswer(listener: AnswerListener): void {
  listeners.push(listener);
}

/** Sends one request; a body that is a string goes as it is. */
export async function call(url: string, method: string, path: string, options: CallOptions = {}): Promise<Answer> {
  const { body, token, headers, from } = options;
  const request = {
    method,
    headers: {
      ...(body !== undefined && { 'Content-Type': 'application/json' }),
      ...(token && { Authorization: `Bearer ${token}` }),
      ...headers,
    },
    ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
  };
  const response = await (from === undefined
    ? fetch(`${url}${path}`, request)
    : fetchFrom(`${url}${path}`, { ...request, dispatcher: agentOf(from) }));
  const text = await response.text();
  const answer = {
    status: response.status,
    headers: new Headers([...response.headers]),
    body: text === '' ? undefined : JSON.parse(text),
  };
  for (const hear of listeners) hear({ url, method, path }, answer);
  return answer;
}

export interface RegistrationHandle {
  id: string;
  token: string;
  /** One call on this registration: `''` is the registration itself. */
  call(method: string, path: string, body?: unknown, headers?: Record<string, string>): Promise<Answer>;
}

/** Starts a registration. */
export async function startRegistration(
  url: string,
  body: unknown = {},
  headers: Record<string, string> = {},
  from?: string,
): Promise<RegistrationHandle> {
  const started = await call(url, 'POST', '/api/v1/registrations', { body, headers, from });
  if (started.status !== 201) throw new Error(`POST /registrations: ${started.status} ${JSON.stringify(started.body)}`);
  return registrationOf(url, started.body.registrationId, started.body.registrationToken, from);
}

/** A registration that was started before, also at another address. */
export function registrationOf(url: string, id: string, token: string, from?: string): RegistrationHandle {
  return {
    id,
    token,
    call: (method, path, body, headers) =>
      call(url, method, `/api/v1/registrations/${id}${path}`, { body, token, from, ...(headers && { headers }) }),
  };
}

/** A solved captcha, ready to be proven. */
export async function solveCaptcha(url: string): Promise<{ provider: string; token: string }> {
  const { body } = await call(url, 'GET', '/api/v1/captcha');
  const solution = await solveChallenge({ challenge: body.challenge, deriveKey });
  const payload = { challenge: body.challenge, solution };
  return { provider: body.provider, token: Buffer.from(JSON.stringify(payload)).toString('base64') };
}

export interface OutboxMessage {
  id: string;
  at: string;
  channel: string;
  to: string;
  body: string;
  code?: string;
  /** Of e-mail only. */
  subject?: string;
}

/** The messages that went to one person, oldest first; notifications come later, by themselves, and are left out. */
export async function messagesTo(outboxUrl: string, to: string, since?: Date): Promise<OutboxMessage[]> {
  const query = new URLSearchParams({ to, ...(since && { since: since.toISOString() }) });
  const response = await fetch(`${outboxUrl}/messages?${query}`);
  return ((await response.json()) as OutboxMessage[]).filter((message) => !isNotification(message));
}

/** The notifications that went to one person, oldest first. */
export async function notificationsTo(outboxUrl: string, to: string): Promise<OutboxMessage[]> {
  const response = await fetch(`${outboxUrl}/messages?${new URLSearchParams({ to })}`);
  return ((await response.json()) as OutboxMessage[]).filter(isNotification);
}

/** An e-mail or SMS without a code. */
export function isNotification({ channel, code }: OutboxMessage): boolean {
  return channel !== 'voice' && code === undefined;
}

/** The code of the newest message to a person, once there are as many. */
export async function codeFor(outboxUrl: string, to: string, count = 1): Promise<string> {
  return await eventually(async () => {
    const messages = await messagesTo(outboxUrl, to);
    return messages.length >= count ? messages.at(-1)?.code : undefined;
  });
}
