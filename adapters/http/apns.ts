/**
 * Wake-ups by the Apple Push Notification service, over HTTP/2.
 * https://developer.apple.com/documentation/usernotifications/sending-notification-requests-to-apns
 *
 * One connection for each process, opened when it is needed. The provider token (a JWT) is shared by all workers, because
 * APNs refuses one that is replaced more often than every 20 minutes or is older than an hour. A repeat replaces a wake-up
 * that was not delivered yet. Timeout of a request: 10 s.
 */
import { type ClientHttp2Session, type ClientHttp2Stream, connect } from 'node:http2';
import { importPKCS8, SignJWT } from 'jose';
import { z } from 'zod';
import { connectionReason, Failure } from '../../domain/failures.ts';
import type { SendOutcome } from '../../domain/providers.ts';
import {
  type PushRegistration,
  providerText,
  temporaryAnswer,
  tokenDead,
  type WakeUp,
  wakeUpContent,
  wakeUpSeconds,
} from '../../domain/push.ts';
import type { Secret } from '../../platform/config/secret.ts';
import type { SharedToken } from './fcm.ts';

const callMs = 10_000;
/** An unused connection is closed after this time. */
const idleMs = 600_000;
/** Between the shortest interval of new provider tokens, 20 min, and their lifetime, 60 min. */
const tokenSeconds = 2400;
const answerBytesMax = 4096;
const collapseId = 'wake-up';

const Problem = z.object({ reason: z.string().regex(/^\w{1,60}$/) });

/** Reasons that concern the device token alone. */
const deadReasons = new Set(['BadDeviceToken', 'Unregistered', 'ExpiredToken']);

/** The options of `createApns`. */
export interface ApnsOptions {
  /** The key of an APNs key file (`.p8`): PKCS#8, PEM. */
  key: Secret;
  keyId: string;
  teamId: string;
  baseUrl?: string | undefined;
  providerToken: SharedToken;
  /** Timeout of a request; default 10 s. */
  timeoutMs?: number;
}

interface ApnsAnswer {
  status: number;
  id: string;
  retryAfter: string | undefined;
  text: string;
}

/** Creates the sender. It makes no connection until it is used. */
export function createApns(options: ApnsOptions) {
  const { baseUrl = 'https://api.push.apple.com', providerToken, timeoutMs = callMs } = options;
  let session: ClientHttp2Session | undefined;
  const connected = (): ClientHttp2Session => {
    if (session !== undefined && !session.closed && !session.destroyed) return session;
    session = openSession(baseUrl);
    return session;
  };
  return {
    /** Sends a wake-up. @throws {Failure} unavailable */
    async send({ registration, isUrgent }: WakeUp): Promise<SendOutcome> {
      if (registration.provider !== 'apns') throw new Error(`Not a registration of APNs: ${registration.provider}`);
      const token = (await providerToken.read()) ?? (await providerToken.share(await signToken(options), tokenSeconds));
      const answer = await exchange(connected, {
        headers: headersOf(registration, { token, isUrgent }),
        body: JSON.stringify({ aps: isUrgent ? urgent : background, ...wakeUpContent }),
        timeoutMs,
      });
      const reason = reasonOf(answer);
      if (reason === 'ExpiredProviderToken') await providerToken.forget(token);
      return outcomeOf(answer, reason);
    },

    /** Closes the connection. */
    close: () => session?.destroy(),
  };
}

/** The app replaces the text before it is shown (a notification service extension), or defines `WAKE_UP` in its languages. */
const urgent = { alert: { 'loc-key': 'WAKE_UP' }, sound: 'default', 'mutable-content': 1 };
const background = { 'content-available': 1 };

function headersOf(
  { token: deviceToken, topic }: Extract<PushRegistration, { provider: 'apns' }>,
  { token, isUrgent }: { token: string; isUrgent: boolean },
): Record<string, string> {
  return {
    ':method': 'POST',
    ':path': `/3/device/${encodeURIComponent(deviceToken)}`,
    authorization: `bearer ${token}`,
    'apns-topic': topic,
    'apns-push-type': isUrgent ? 'alert' : 'background',
    'apns-priority': isUrgent ? '10' : '5',
    'apns-expiration': String(Math.floor(Date.now() / 1000) + wakeUpSeconds),
    'apns-collapse-id': collapseId,
    'content-type': 'application/json',
  };
}

async function signToken({ key, keyId, teamId }: ApnsOptions): Promise<string> {
  return await new SignJWT({})
    .setProtectedHeader({ alg: 'ES256', kid: keyId })
    .setIssuer(teamId)
    .setIssuedAt()
    .sign(await importPKCS8(key.reveal(), 'ES256'));
}

function openSession(baseUrl: string): ClientHttp2Session {
  const session = connect(baseUrl);
  // each request reports the error of its connection itself
  session.on('error', () => undefined);
  session.setTimeout(idleMs, () => session.close());
  session.unref();
  return session;
}

/** @throws {Failure} unavailable: no complete answer */
async function exchange(
  connected: () => ClientHttp2Session,
  { headers, body, timeoutMs }: { headers: Record<string, string>; body: string; timeoutMs: number },
): Promise<ApnsAnswer> {
  try {
    const stream = connected().request(headers, { signal: AbortSignal.timeout(timeoutMs) });
    return await answerOf(stream.end(body));
  } catch (err) {
    const { name, code = 'ECONNRESET' } = err as { name?: string; code?: string };
    const isTimeout = name === 'TimeoutError' || name === 'AbortError';
    const known = isTimeout ? 'ETIMEDOUT' : code.replace(/^ERR_HTTP2_.*/, 'ECONNRESET');
    throw new Failure('unavailable', { message: `apns ${known}`, reason: connectionReason(known) });
  }
}

async function answerOf(stream: ClientHttp2Stream): Promise<ApnsAnswer> {
  return await new Promise((done, fail) => {
    let head: Record<string, unknown> = {};
    let text = '';
    stream.setEncoding('utf8');
    stream.once('response', (headers) => {
      head = headers;
    });
    stream.on('data', (chunk: string) => {
      if (text.length < answerBytesMax) text += chunk;
    });
    stream.once('error', fail);
    stream.once('close', () => fail(Object.assign(new Error('closed'), { code: 'ECONNRESET' })));
    stream.once('end', () => {
      const status = Number(head[':status'] ?? 0);
      // a connection that is lost before the answer also ends the stream
      if (status === 0) return;
      const retryAfter = head['retry-after'] === undefined ? undefined : String(head['retry-after']);
      done({ status, id: String(head['apns-id'] ?? ''), retryAfter, text });
    });
  });
}

function reasonOf({ text }: ApnsAnswer): string {
  try {
    return Problem.safeParse(JSON.parse(text)).data?.reason ?? '';
  } catch {
    return '';
  }
}

/** @throws {Failure} unavailable: a temporary answer, or one about the key, which an operator can fix */
function outcomeOf({ status, id, retryAfter }: ApnsAnswer, reason: string): SendOutcome {
  const answer = { status, message: providerText(reason) };
  if (status === 200) return { result: 'sent', providerId: id, answer };
  if (status === 410 || deadReasons.has(reason)) return { result: 'refused', reason: tokenDead, answer };
  if (status !== 403 && status !== 429 && status < 500) return { result: 'refused', reason: 'request-refused', answer };
  throw temporaryAnswer(`apns ${status} ${reason}`.trim(), answer, { retryAfter, now: Date.now() });
}
