/** Who may call, and how a repeated request is told from a new one. */
import { z } from 'zod';
import type { StoredRegistration } from '../adapters/redis/registrations.ts';
import type { Session } from '../adapters/redis/sessions.ts';
import { isSignedByTwilio } from '../adapters/twilio/webhook.ts';
import { adminRole } from '../domain/account.ts';
import { Failure } from '../domain/failures.ts';
import { keyedHash, tokenHash } from '../platform/crypto.ts';
import { type Trace, traces } from '../platform/log.ts';
import type { ApiDeps, Caller } from './deps.ts';
import { malformed, parse } from './schemas.ts';

/**
 * The registration that a token moves. The id is a name, the token is the key: with a wrong one the id is unknown.
 *
 * @throws {Failure} unauthenticated, not-found
 */
export async function requireRegistration(
  deps: Pick<ApiDeps, 'registrations'>,
  registrationId: string,
  authorization: string | undefined,
): Promise<StoredRegistration> {
  const token = bearerOf(authorization);
  if (!/^[0-9a-f]{32}$/.test(registrationId)) throw new Failure('not-found');
  const stored = await deps.registrations.read(registrationId);
  if (stored === undefined || stored.tokenHash !== tokenHash(token)) throw new Failure('not-found');
  noteCaller({ registrationId });
  return stored;
}

/**
 * The living session of an access token: one look at its token, whose signature is verified once, and one read of Redis.
 *
 * @throws {Failure} unauthenticated, token-invalid
 */
export async function requireSession(
  deps: Pick<ApiDeps, 'tokens' | 'sessions'>,
  authorization: string | undefined,
): Promise<Session> {
  return (await requireToken(deps, authorization)).session;
}

/** As `requireSession`, with the end of the token in milliseconds. @throws {Failure} unauthenticated, token-invalid */
export async function requireToken(
  deps: Pick<ApiDeps, 'tokens' | 'sessions'>,
  authorization: string | undefined,
): Promise<{ session: Session; expiresAt: number }> {
  const claims = await deps.tokens.verify(bearerOf(authorization));
  const session = await deps.sessions.read(claims.sessionId, Date.now());
  if (session === undefined || session.userId !== claims.userId) throw new Failure('token-invalid');
  noteCaller({ userId: session.userId });
  return { session, expiresAt: claims.expiresAt };
}

/**
 * Refuses a session whose person has not proven who they are a short while ago.
 * https://datatracker.ietf.org/doc/html/rfc9470#section-3
 *
 * @throws {Failure} authentication-too-old
 */
export function requireStepUp({ config }: Pick<ApiDeps, 'config'>, { authenticatedAt }: Session): void {
  const { STEP_UP_SECONDS: maxAgeSeconds } = config;
  if (Date.now() - authenticatedAt > maxAgeSeconds * 1000) {
    throw new Failure('authentication-too-old', { fields: { maxAgeSeconds } });
  }
}

/**
 * The deletion that a token is for: it is kept when the account is gone. With a wrong one the id is unknown.
 *
 * @throws {Failure} unauthenticated, not-found
 */
export function requireDeletion(
  { deletionToken }: Pick<ApiDeps, 'deletionToken'>,
  deletionId: string,
  authorization: string | undefined,
): string {
  const token = bearerOf(authorization);
  // hashes are compared, so that the time says nothing about the token
  if (tokenHash(deletionToken(deletionId)) !== tokenHash(token)) throw new Failure('not-found');
  return deletionId;
}

/** The body of a request of Twilio. */
export const TwilioForm = z.record(z.string(), z.string());

/** A request as Twilio signs it. */
export interface SignedRequest {
  /** Path and query as they came. */
  path: string;
  query: unknown;
  body: unknown;
  signature: string | undefined;
}

/** Tells whether it was Twilio that asked; nobody is when its token or our address is not configured. @throws {Failure} malformed */
export function isFromTwilio({ config }: Pick<ApiDeps, 'config'>, req: SignedRequest): boolean {
  const { TWILIO_WEBHOOK_TOKEN: token, PUBLIC_URL: publicUrl } = config;
  const form = parse(TwilioForm, req.body ?? {});
  if (token === undefined || publicUrl === undefined) return false;
  return isSignedByTwilio(token, { url: `${publicUrl}${req.path}`, form, signature: req.signature });
}

/**
 * The session of an admin. The account decides and not the token, so that a role that was taken is worth nothing at once.
 *
 * @throws {Failure} unauthenticated, token-invalid, forbidden
 */
export async function requireAdmin(
  deps: Pick<ApiDeps, 'tokens' | 'sessions' | 'accounts'>,
  authorization: string | undefined,
): Promise<Session> {
  const session = await requireSession(deps, authorization);
  const account = await deps.accounts.read(session.userId);
  const isAdmin = account?.disabledAt === undefined && account?.roles.includes(adminRole);
  if (!isAdmin) throw new Failure('forbidden');
  return session;
}

/**
 * Runs an operation that creates or sends. With an `Idempotency-Key`, what it mints is stored before it runs: the same
 * key and body run with the same ids and have the same answer for 24 h, also after a crash. Refusals are not kept.
 *
 * @param scope what makes keys of different callers different
 * @throws {Failure} idempotency-key-reused, and what the operation throws
 */
export async function idempotent<M, A>(
  deps: Pick<ApiDeps, 'idempotency' | 'hashKey'>,
  { scope, caller, body }: { scope: string[]; caller: Caller; body: unknown },
  minted: M,
  run: (minted: M) => Promise<A>,
): Promise<A> {
  const { idempotencyKey } = caller;
  if (idempotencyKey === undefined) return run(minted);
  if (!/^[\x21-\x7e]{1,128}$/.test(idempotencyKey)) {
    throw malformed('Idempotency-Key', 'must be 1 to 128 visible ASCII characters');
  }
  const key = keyedHash(deps.hashKey, ...scope, idempotencyKey);
  const reserved = await deps.idempotency.reserve(key, keyedHash(deps.hashKey, JSON.stringify(body ?? null)), minted);
  if (!reserved.sameBody) throw new Failure('idempotency-key-reused');
  if (reserved.answer !== undefined) return reserved.answer as A;
  const answer = await run(reserved.minted as M);
  await deps.idempotency.keep(key, answer);
  return answer;
}

/** Whoever the request turned out to come from is in its audit events. */
function noteCaller(caller: Pick<Trace, 'userId' | 'registrationId'>): void {
  const trace = traces.getStore();
  if (trace !== undefined) Object.assign(trace, caller);
}

/** RFC 6750 section 2.1. */
function bearerOf(authorization: string | undefined): string {
  const token = /^Bearer +([\w.~+/=-]+) *$/i.exec(authorization ?? '')?.[1];
  if (token === undefined) throw new Failure('unauthenticated');
  return token;
}
