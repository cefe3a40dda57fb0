/**
 * The fake of the Apple Push Notification service: HTTP/2, without TLS.
 * https://developer.apple.com/documentation/usernotifications/handling-notification-responses-from-apns
 */
import { createPublicKey, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders, type ServerHttp2Session, type ServerHttp2Stream } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { jwtVerify } from 'jose';
import type { Faults } from './faults.ts';
import { answerUnderFault, type Service } from './http-providers.ts';
import { type Answer, type Call, json } from './http-server.ts';
import type { Outbox } from './outbox.ts';
import { apnsKey } from './push-keys.ts';
import { pushPauseSeconds } from './webpush.ts';

/** The key that the fake accepts, as configuration variables. */
export const demoApns = { APNS_KEY: apnsKey, APNS_KEY_ID: 'EXAMPLE001', APNS_TEAM_ID: 'EXAMPLETEA' } as const;

/** Longest age of a provider token. */
const tokenAge = '60m';

/** Statuses of errors that are not 400, by reason. */
const statuses: Record<string, number> = {
  Unregistered: 410,
  ExpiredToken: 410,
  ExpiredProviderToken: 403,
  InvalidProviderToken: 403,
  TooManyRequests: 429,
  ServiceUnavailable: 503,
};

/** Starts the fake; port 0 is a free one. */
export async function startApns(
  { outbox, faults }: { outbox: Outbox; faults: Faults },
  { host, port }: { host: string; port: number },
): Promise<{ port: number; close(): Promise<void> }> {
  const sessions = new Set<ServerHttp2Session>();
  const service = createService(outbox);
  const server = createServer();
  server.on('session', (session: ServerHttp2Session) => {
    sessions.add(session);
    session.once('close', () => sessions.delete(session));
    session.on('error', () => undefined);
  });
  server.on('stream', (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => {
    stream.on('error', () => undefined);
    void handle(stream, headers, (call) => answerUnderFault(faults, service, call));
  });
  server.listen(port, host);
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    async close() {
      server.close();
      for (const session of sessions) session.destroy();
      await once(server, 'close');
    },
  };
}

async function handle(
  stream: ServerHttp2Stream,
  headers: IncomingHttpHeaders,
  answerCall: (call: Call) => Promise<Answer>,
): Promise<void> {
  const gone = new AbortController();
  stream.once('close', () => gone.abort());
  try {
    const bytes = await buffer(stream);
    const url = new URL(String(headers[':path']), 'http://apns.invalid');
    const call = { method: String(headers[':method']), url, params: {}, headers, bytes, body: bytes.toString() };
    const answer = await answerCall({ ...call, signal: gone.signal });
    if (answer === 'drop') return stream.session?.destroy();
    stream.respond({ ':status': answer.status, 'apns-id': randomUUID(), ...answer.headers });
    stream.end(answer.body);
  } catch {
    stream.destroy();
  }
}

function createService(outbox: Outbox): Service {
  return {
    channel: 'push',
    provider: 'apns',
    async take({ method, url, headers, body }) {
      const [, token] = /^\/3\/device\/([^/]+)$/.exec(url.pathname) ?? [];
      if (method !== 'POST' || token === undefined) return errorOf('BadPath');
      if (!(await isAuthentic(headers.authorization))) return errorOf('InvalidProviderToken');
      const topic = String(headers['apns-topic'] ?? '');
      if (topic === '') return errorOf('MissingTopic');
      if (!['alert', 'background'].includes(String(headers['apns-push-type']))) return errorOf('InvalidPushType');
      outbox.add({ channel: 'push', to: decodeURIComponent(token), from: topic, body, provider: 'apns' });
      return { status: 200, body: '' };
    },
    refuse: ({ providerCode = 'Unregistered' }) => errorOf(providerCode),
  };
}

/** Returns whether a header has a provider token of the demo key that is at most an hour old. */
async function isAuthentic(authorization = ''): Promise<boolean> {
  const token = /^bearer (.+)$/.exec(authorization)?.[1] ?? '';
  const expected = { issuer: demoApns.APNS_TEAM_ID, algorithms: ['ES256'], maxTokenAge: tokenAge };
  const verified = await jwtVerify(token, createPublicKey(apnsKey), expected).catch(() => undefined);
  return verified?.protectedHeader.kid === demoApns.APNS_KEY_ID;
}

function errorOf(reason: string): Answer {
  const status = statuses[reason] ?? 400;
  const headers: Record<string, string> =
    status === 429 || status === 503 ? { 'retry-after': String(pushPauseSeconds) } : {};
  return json(status, { reason, ...(status === 410 && { timestamp: Date.now() }) }, headers);
}
