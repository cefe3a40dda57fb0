/**
 * The verification sessions of the fake Signal-Server: `/v1/verification/session`. The registration service sends and
 * checks the codes; this server asks for a captcha or a push challenge first.
 */
import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import { z } from 'zod';
import { parsePhoneNumber } from '../../../adapters/phone-numbers.ts';
import { type Answer, type Call, json, type Route } from '../http-server.ts';
import type { Account } from './accounts.ts';
import { Refused, readBody } from './answers.ts';
import type { Limiter, LimitName } from './limiter.ts';
import {
  type RegistrationService,
  type ServiceCall,
  ServiceFault,
  type ServiceResponse,
  type SessionMetadata,
} from './registration-service.ts';

/** What the sessions need of the server. */
export interface SessionSurroundings {
  /** @throws {ServiceFault} no service is connected */
  service(): RegistrationService;
  limiter: Limiter;
  findAccount(number: string): Account | undefined;
}

/** What the server itself stores of a session. */
interface Session {
  requested: ('pushChallenge' | 'captcha')[];
  pushChallenge: string | undefined;
  /** A challenge or captcha was right. */
  isAllowed: boolean;
  updatedAt: number;
  lifeMs: number;
}

/** The sessions. */
export interface Sessions {
  routes: Route[];
  clear(): void;
}

interface Found {
  id: string;
  metadata: SessionMetadata;
  session: Session;
}

const text = z.string().nullish();
const tokenPair = { pushToken: text, pushTokenType: z.enum(['apn', 'fcm']).nullish() };
const hasWholePair = ({ pushToken, pushTokenType }: { pushToken?: unknown; pushTokenType?: unknown }) =>
  (pushToken ?? null) === null ? (pushTokenType ?? null) === null : (pushTokenType ?? null) !== null;
const details = { ...tokenPair, pushChallenge: text, captcha: text, mcc: text, mnc: text };
const PatchBody = z.object(details).refine(hasWholePair);
const PostBody = z.object({ ...details, number: z.string().refine(isNormalized) }).refine(hasWholePair);
const CodeRequest = z.object({ transport: z.enum(['sms', 'voice']), client: z.string().min(1) });
const CodeBody = z.object({ code: z.string().regex(/\S/) });
type Patch = z.output<typeof PatchBody>;

const path = '/v1/verification/session';
const one = `${path}/(?<id>[^/]+)`;
const idBytes = 16;
/** Numbers of the enums of the contract, by call. */
const notFound: Partial<Record<ServiceCall, number>> = {
  GetSessionMetadata: 1,
  SendVerificationCode: 4,
  CheckVerificationCode: 3,
};
const createLimited = 1;
/** Keys of the source of a request: the registration service never sees the address. */
const collationSalt = randomBytes(32);
const sendErrors = { rejected: 1, illegalArgument: 2, limited: 3, verified: 5, transport: 6, fraud: 7 };
const checkErrors = { noCode: 1, limited: 2 };

interface Server extends SessionSurroundings {
  sessions: Map<string, Session>;
}

/** Creates the routes of the sessions. */
export function createSessions(surroundings: SessionSurroundings): Sessions {
  const sessions = new Map<string, Session>();
  const server: Server = { ...surroundings, sessions };
  const at = (pattern: string) => new RegExp(`^${pattern}$`);
  return {
    routes: [
      { method: 'POST', path: at(path), answer: (call) => create(server, call) },
      { method: 'GET', path: at(one), answer: async (call) => json(200, viewOf(await find(server, call))) },
      {
        method: 'PATCH',
        path: at(one),
        async answer(call) {
          const found = await find(server, call);
          apply(server, found, readBody(call, PatchBody));
          return json(200, viewOf(found));
        },
      },
      { method: 'POST', path: at(`${one}/code`), answer: (call) => send(server, call) },
      { method: 'PUT', path: at(`${one}/code`), answer: (call) => check(server, call) },
    ],
    clear: () => sessions.clear(),
  };
}

async function create(server: Server, call: Call): Promise<Answer> {
  const body = readBody(call, PostBody);
  const request = {
    e164: body.number.slice(1),
    accountExistsWithE164: server.findAccount(body.number) !== undefined,
    rateLimitCollationKey: createHmac('sha256', collationSalt).update('127.0.0.1').digest('base64').replaceAll('=', ''),
  };
  const { sessionMetadata: metadata, error } = await ask(server, 'CreateSession', request, {
    invalid: 400,
    fault: 500,
  });
  if (metadata === undefined) {
    if (error?.errorType !== createLimited) throw new Refused(500);
    throw new Refused(429, error.mayRetry ? { retryAfterSeconds: error.retryAfterSeconds } : {});
  }
  const session: Session = {
    requested: ['captcha'],
    pushChallenge: undefined,
    isAllowed: false,
    updatedAt: Date.now(),
    lifeMs: metadata.expirationSeconds * 1000,
  };
  const found = { id: keyOf(metadata.sessionId), metadata, session };
  server.sessions.set(found.id, session);
  apply(server, found, body);
  return json(200, viewOf(found));
}

/** Reads a session, here and at the registration service. @throws {Refused} 400, 404, 422, 503 */
async function find(server: Server, call: Call): Promise<Found> {
  const sessionId = readId(call.params.id ?? '');
  const id = keyOf(sessionId);
  const answer = await ask(server, 'GetSessionMetadata', { sessionId }, { invalid: 400, fault: 503 });
  const { sessionMetadata: metadata } = answer;
  const session = server.sessions.get(id);
  if (metadata === undefined || session === undefined) throw new Refused(404);
  if (session.updatedAt + session.lifeMs <= Date.now()) throw new Refused(404);
  if (metadata.verified) forgetRecoveryPassword(server, metadata);
  return { id, metadata, session };
}

/** Applies a push token, a challenge and a captcha. What was achieved stays, even when a later part is refused. */
function apply(server: Server, found: Found, { pushToken, pushChallenge, captcha }: Patch): void {
  const { session } = found;
  session.updatedAt = Date.now();
  if (pushToken) {
    session.pushChallenge ??= randomBytes(16).toString('hex');
    if (!session.isAllowed) session.requested = ['pushChallenge', 'captcha'];
  }
  if (pushChallenge && session.requested.includes('pushChallenge')) {
    requireRight(server, found, 'verificationPushChallenge', isEqual(pushChallenge, session.pushChallenge ?? ''));
  }
  if (captcha) requireRight(server, found, 'verificationCaptcha', isCaptchaRight(captcha));
}

/** @throws {Refused} 429: too many tries; 403: not right */
function requireRight({ limiter }: Server, found: Found, limit: LimitName, isRight: boolean): void {
  const retryAfterSeconds = limiter.consume(limit, found.id);
  if (retryAfterSeconds !== undefined) throw new Refused(429, { body: viewOf(found), retryAfterSeconds });
  if (!isRight) throw new Refused(403, { body: viewOf(found) });
  found.session.isAllowed = true;
  found.session.requested = [];
}

async function send(server: Server, call: Call): Promise<Answer> {
  const found = await find(server, call);
  const { transport, client } = readBody(call, CodeRequest);
  const { session, metadata } = found;
  if (metadata.verified || session.requested.length > 0) throw new Refused(409, { body: viewOf(found) });
  if (!session.isAllowed) throw new Refused(429, { body: viewOf(found) });
  const request = {
    sessionId: metadata.sessionId,
    transport: transport === 'sms' ? 1 : 2,
    acceptLanguage: call.headers['accept-language'] ?? '',
    clientType: clientTypeOf(client),
  };
  const answer = await ask(server, 'SendVerificationCode', request, { invalid: 500, fault: 500 });
  return sentAnswer(found, answer);
}

async function check(server: Server, call: Call): Promise<Answer> {
  const found = await find(server, call);
  const { code } = readBody(call, CodeBody);
  const { metadata } = found;
  if (metadata.verified) throw new Refused(409, { body: viewOf(found) });
  const request = { sessionId: metadata.sessionId, verificationCode: code };
  const answer = await ask(server, 'CheckVerificationCode', request, { invalid: 400, fault: 500 });
  if (answer.sessionMetadata?.verified) forgetRecoveryPassword(server, metadata);
  return checkedAnswer(found, answer);
}

/** Calls the registration service. What a failed call means depends on the endpoint. */
async function ask(
  { service }: Server,
  rpc: ServiceCall,
  request: Record<string, unknown>,
  status: { invalid: number; fault: number },
): Promise<ServiceResponse> {
  try {
    return await service().call(rpc, request);
  } catch (err) {
    if (!(err instanceof ServiceFault)) throw err;
    throw new Refused(err.isInvalid ? status.invalid : status.fault);
  }
}

function forgetRecoveryPassword({ findAccount }: Server, { e164 }: SessionMetadata): void {
  const account = findAccount(`+${e164}`);
  if (account !== undefined) account.recoveryPassword = undefined;
}

function checkedAnswer(found: Found, { error, sessionMetadata }: ServiceResponse): Answer {
  const body = viewOf({ ...found, ...(sessionMetadata && { metadata: sessionMetadata }) });
  if (error === undefined) return json(200, body);
  if (error.errorType === notFound.CheckVerificationCode) throw new Refused(404);
  if (error.errorType === checkErrors.limited) throw limitedBy(error, body);
  // without metadata, the number of an answer about an expired code cannot be read
  if (error.errorType !== checkErrors.noCode && sessionMetadata === undefined) throw new Refused(500);
  throw new Refused(409, { body });
}

function sentAnswer(found: Found, { error, sessionMetadata }: ServiceResponse): Answer {
  const body = viewOf({ ...found, ...(sessionMetadata && { metadata: sessionMetadata }) });
  if (error === undefined) return json(200, body);
  const { errorType, mayRetry } = error;
  if (errorType === notFound.SendVerificationCode) throw new Refused(404);
  if (errorType === sendErrors.verified) throw new Refused(409, { body });
  if (errorType === sendErrors.transport) throw new Refused(418, { body });
  if (errorType === sendErrors.limited) throw limitedBy(error, body);
  const isRejected = errorType === sendErrors.rejected || errorType === sendErrors.fraud;
  const otherReason = errorType === sendErrors.illegalArgument ? 'illegalArgument' : 'providerUnavailable';
  const reason = isRejected ? 'providerRejected' : otherReason;
  throw new Refused(440, { body: { reason, permanentFailure: mayRetry } });
}

function limitedBy({ mayRetry, retryAfterSeconds }: { mayRetry: boolean; retryAfterSeconds: number }, body: unknown) {
  return new Refused(429, { body, ...(mayRetry && { retryAfterSeconds }) });
}

function viewOf({ id, metadata, session }: Found): Record<string, unknown> {
  const { mayRequestSms, mayRequestVoiceCall, mayCheckCode, verified } = metadata;
  return {
    id,
    nextSms: mayRequestSms ? metadata.nextSmsSeconds : null,
    nextCall: mayRequestVoiceCall ? metadata.nextVoiceCallSeconds : null,
    nextVerificationAttempt: mayCheckCode ? metadata.nextCodeCheckSeconds : null,
    allowedToRequestCode: session.isAllowed,
    requestedInformation: session.requested,
    verified,
  };
}

/** @throws {Refused} 400: malformed, or of another scheme, site or action */
function isCaptchaRight(captcha: string): boolean {
  const [, scheme, site, action, token] = /^([^.]*)\.([^.]*)\.([^.]*)\.(.*)$/s.exec(captcha) ?? [];
  if (scheme !== 'noop' || site?.trim().toLowerCase() !== 'noop') throw new Refused(400);
  if (action?.toLowerCase() !== 'registration') throw new Refused(400);
  return token === 'noop';
}

function clientTypeOf(client: string): number {
  if (client === 'ios') return 1;
  if (client === 'android-2021-03') return 2;
  return /^android/i.test(client) ? 3 : 0;
}

/** @throws {Refused} 422: not base64url */
function readId(given: string): Buffer {
  const encoded = decodeURIComponent(given);
  if (!/^[\w-]+={0,2}$/.test(encoded)) throw new Refused(422);
  return Buffer.from(encoded, 'base64url');
}

/** The id as this server writes it: base64url with its padding. */
function keyOf(id: Uint8Array): string {
  const encoded = Buffer.from(id).toString('base64url');
  return id.length === idBytes ? `${encoded}==` : encoded;
}

function isEqual(one: string, other: string): boolean {
  const [a, b] = [Buffer.from(one), Buffer.from(other)];
  return a.length === b.length && timingSafeEqual(a, b);
}

function isNormalized(number: string): boolean {
  return parsePhoneNumber(number)?.e164 === number;
}
