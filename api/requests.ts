/** What operations read of a request: who asks, with what, and as whom. */
import type { Request, Response } from 'express';
import type { LimitsState } from '../adapters/redis/rate-limits.ts';
import type { Session } from '../adapters/redis/sessions.ts';
import type { ApiDeps, Caller } from './deps.ts';
import { requireAdmin, requireDeletion, requireRegistration, requireSession } from './guards.ts';
import type { RegistrationCaller } from './registrations/status.ts';

/** Where a request comes from. */
export function requestContext(req: Request): Caller {
  const idempotencyKey = req.get('idempotency-key');
  const acceptLanguage = req.get('accept-language');
  return {
    address: req.ip ?? '',
    userAgent: req.get('user-agent') ?? '',
    noteLimit: (state) => showLimit(req.res, state),
    ...(acceptLanguage !== undefined && { acceptLanguage }),
    ...(idempotencyKey !== undefined && { idempotencyKey }),
  };
}

/** The holder of the token of a registration. @throws {Failure} unauthenticated, not-found */
export async function registrationFor(
  req: Request,
  deps: ApiDeps,
  registrationId = String(req.params.registrationId),
): Promise<RegistrationCaller> {
  const { status } = await requireRegistration(deps, registrationId, req.get('authorization'));
  return { ...requestContext(req), registrationId, status };
}

const sessions = new WeakMap<Request, Promise<Session>>();

/** The session of the access token, read once a request. @throws {Failure} unauthenticated, token-invalid */
export function sessionOf(req: Request, deps: ApiDeps): Promise<Session> {
  const session = sessions.get(req) ?? requireSession(deps, req.get('authorization'));
  sessions.set(req, session);
  return session;
}

/** The deletion of the path, for who holds its token. @throws {Failure} unauthenticated, not-found */
export function deletionOf(req: Request, deps: ApiDeps): string {
  return requireDeletion(deps, String(req.params.deletionId), req.get('authorization'));
}

/** The session of somebody who has the role. @throws {Failure} unauthenticated, token-invalid, forbidden */
export function adminOf(req: Request, deps: ApiDeps): Promise<Session> {
  return requireAdmin(deps, req.get('authorization'));
}

/** Shows the limit that is nearest to refusing. https://datatracker.ietf.org/doc/html/draft-ietf-httpapi-ratelimit-headers-05 */
function showLimit(res: Response | undefined, { allowed, max, remaining, resetSeconds }: LimitsState): void {
  const shown = res?.getHeader('RateLimit-Remaining');
  if (allowed && shown !== undefined && Number(shown) <= remaining) return;
  res?.set({
    'RateLimit-Limit': String(max),
    'RateLimit-Remaining': String(allowed ? remaining : 0),
    'RateLimit-Reset': String(resetSeconds),
  });
}
