/** A client of the public API for tests: it makes the calls of an app, step by step. */
import { solveChallenge } from 'altcha-lib';
import { deriveKey } from 'altcha-lib/algorithms/pbkdf2';
import { Agent, fetch as fetchFrom } from 'undici';
import { eventually } from './until.ts';

/** The response to a call, with its JSON body parsed. */
export interface Answer {
  status: number;
  headers: Headers;
  // biome-ignore lint/suspicious/noExplicitAny: responses are under test; assertions check their shape
  body: any;
}

/** Options of a call. */
export interface CallOptions {
  body?: unknown;
  token?: string;
  headers?: Record<string, string>;
  /** Loopback address to connect from, 127.x.x.x. */
  from?: string | undefined;
}

const agents = new Map<string, Agent>();

/** Returns an agent whose connections come from a loopback address, as if from another machine. */
function agentOf(localAddress: string): Agent {
  const agent = agents.get(localAddress) ?? new Agent({ localAddress, keepAliveTimeout: 1000 });
  agents.set(localAddress, agent);
  return agent;
}

/** Receives every response of `call` before the caller does; an error it throws reaches the caller. */
export type AnswerListener = (request: { url: string; method: string; path: string }, answer: Answer) => void;

const listeners: AnswerListener[] = [];

/** Registers a listener for all responses. */
export function onAnswer(listener: AnswerListener): void {
  listeners.push(listener);
}

/** Sends one request; a string body is sent unchanged. */
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

/** A registration with its token. */
export interface RegistrationHandle {
  id: string;
  token: string;
  /** Makes one call on this registration; the path `''` is the registration itself. */
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

/** Returns a handle for a registration that was started before, possibly at another address. */
export function registrationOf(url: string, id: string, token: string, from?: string): RegistrationHandle {
  return {
    id,
    token,
    call: (method, path, body, headers) =>
      call(url, method, `/api/v1/registrations/${id}${path}`, { body, token, from, ...(headers && { headers }) }),
  };
}

/** Solves a captcha and returns the proof. */
export async function solveCaptcha(url: string): Promise<{ provider: string; token: string }> {
  const { body } = await call(url, 'GET', '/api/v1/captcha');
  const solution = await solveChallenge({ challenge: body.challenge, deriveKey });
  const payload = { challenge: body.challenge, solution };
  return { provider: body.provider, token: Buffer.from(JSON.stringify(payload)).toString('base64') };
}

/** A message in the outbox of the fakes. */
export interface OutboxMessage {
  id: string;
  at: string;
  channel: string;
  to: string;
  body: string;
  code?: string;
  /** E-mail only. */
  subject?: string;
}

/** Returns the messages sent to an address, oldest first, without notifications, which arrive later on their own. */
export async function messagesTo(outboxUrl: string, to: string, since?: Date): Promise<OutboxMessage[]> {
  const query = new URLSearchParams({ to, ...(since && { since: since.toISOString() }) });
  const response = await fetch(`${outboxUrl}/messages?${query}`);
  return ((await response.json()) as OutboxMessage[]).filter((message) => !isNotification(message));
}

/** Returns the notifications sent to an address, oldest first. */
export async function notificationsTo(outboxUrl: string, to: string): Promise<OutboxMessage[]> {
  const response = await fetch(`${outboxUrl}/messages?${new URLSearchParams({ to })}`);
  return ((await response.json()) as OutboxMessage[]).filter(isNotification);
}

/** Returns whether a message is an e-mail or SMS without a code. */
export function isNotification({ channel, code }: OutboxMessage): boolean {
  return channel !== 'voice' && code === undefined;
}

/** Returns the code of the newest message to an address, once there are `count` messages. */
export async function codeFor(outboxUrl: string, to: string, count = 1): Promise<string> {
  return await eventually(async () => {
    const messages = await messagesTo(outboxUrl, to);
    return messages.length >= count ? messages.at(-1)?.code : undefined;
  });
}
