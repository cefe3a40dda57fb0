/** Authentication: the credential that an operation needs, and its holder. */
import type { StoredRegistration } from '../adapters/redis/registrations.ts';
import { isSignedByTwilio } from '../adapters/twilio/webhook.ts';
import type { Auth, RpcOperation } from '../contract/operation.ts';
import { adminRole } from '../domain/account.ts';
import { deviceIn, probationOf } from '../domain/device.ts';
import { Failure } from '../domain/failures.ts';
import type { DeviceLink } from '../domain/link.ts';
import type { RegistrationStatus } from '../domain/registration.ts';
import type { AuthSession } from '../domain/session.ts';
import { tokenHash } from '../platform/crypto.ts';
import { notePerson, type Trace, traces } from '../platform/log.ts';
import { originOf, type ReportOrigin } from './callbacks/delivery-reports.ts';
import type { ApiDeps } from './deps.ts';
import { limitRequest } from './limits/counting.ts';
import type { RegistrationCaller } from './registrations/status.ts';
import type { ApiRequest } from './serve.ts';

/** The dependencies of the authentication of a session. */
export type SessionDeps = Pick<ApiDeps, 'tokens' | 'sessions' | 'wakeUps'>;

/** A session that belongs to a device. */
export interface DeviceSession extends AuthSession {
  deviceId: string;
}

/** The holder that each kind of authentication passes to a handler. */
export interface Holders {
  none: undefined;
  registration: RegistrationCaller;
  session: AuthSession;
  device: DeviceSession;
  link: DeviceLink;
  admin: AuthSession;
  deletion: { deletionId: string };
  twilio: undefined;
  infobip: ReportOrigin;
}

/**
 * Authenticates a request.
 *
 * @throws {Failure} unauthenticated, token-invalid, forbidden; not-found for a wrong token of a registration, link or
 *   deletion
 */
export async function authenticate(
  deps: ApiDeps,
  operation: RpcOperation,
  request: ApiRequest,
): Promise<Holders[Auth]> {
  const { params, authorization, caller } = request;
  switch (operation.auth) {
    case 'none':
      return undefined;
    case 'registration': {
      const registrationId = params.registrationId ?? '';
      const { status } = await requireRegistration(deps, registrationId, authorization);
      return { ...caller, registrationId, status };
    }
    case 'session':
      return requireSession(deps, authorization);
    case 'device':
      return requireDevice(await requireSession(deps, authorization));
    case 'link':
      return requireLink(deps, params.linkId ?? '', authorization);
    case 'admin':
      return requireAdmin(deps, authorization);
    case 'deletion':
      return { deletionId: requireDeletion(deps, params.deletionId ?? '', authorization) };
    case 'twilio':
      return isFromTwilio(deps, request) ? undefined : refuseCallback(deps, operation, request, 'twilio');
    case 'infobip':
      return originOf(deps, request.query, 'infobip') ?? refuseCallback(deps, operation, request, 'infobip');
  }
}

/**
 * Returns the holder of an operation for a session that is authenticated already.
 *
 * @throws {Failure} device-missing; forbidden for operations that no session can do
 */
export function holderOfSession(auth: Auth, session: AuthSession): Holders['session'] {
  noteCaller({ userId: session.userId });
  if (auth === 'device') return requireDevice(session);
  if (auth !== 'session') throw new Failure('forbidden');
  return session;
}

/** Returns whether Twilio signed the request; false as well if its token or the public URL is not configured. */
function isFromTwilio({ config }: Pick<ApiDeps, 'config'>, { body, signed }: ApiRequest): boolean {
  const { TWILIO_WEBHOOK_TOKEN: token, PUBLIC_URL: publicUrl } = config;
  if (token === undefined || publicUrl === undefined || signed === undefined) return false;
  const form = (body ?? {}) as Record<string, string>;
  return isSignedByTwilio(token, { url: `${publicUrl}${signed.path}`, form, signature: signed.signature });
}

/** Authentic callbacks are not limited; a forged one is counted like any other request. */
async function refuseCallback(
  deps: Pick<ApiDeps, 'events' | 'requestLeases'>,
  operation: RpcOperation,
  { caller }: ApiRequest,
  provider: 'twilio' | 'infobip',
): Promise<never> {
  if (operation.isCallback) deps.events.deliveryReportIgnored(provider, 'refused');
  if (operation.isUnlimited) await limitRequest(deps, caller);
  throw new Failure('unauthenticated', { message: 'The signature is missing or wrong' });
}

/**
 * Returns the registration of a token. With a wrong token the id is reported as unknown.
 *
 * @throws {Failure} unauthenticated, not-found
 */
export async function requireRegistration(
  deps: Pick<ApiDeps, 'registrations'>,
  registrationId: string,
  authorization: string | undefined,
): Promise<StoredRegistration> {
  const token = requireBearer(authorization);
  if (!/^[0-9a-f]{32}$/.test(registrationId)) throw new Failure('not-found');
  const stored = await deps.registrations.read(registrationId);
  if (stored === undefined || stored.tokenHash !== tokenHash(token)) throw new Failure('not-found');
  noteCaller({ registrationId });
  noteIdentityOf(stored.status);
  return stored;
}

/**
 * Returns the link of a token, as it is now. With a wrong token the id is reported as unknown.
 *
 * @throws {Failure} unauthenticated, not-found
 */
async function requireLink(
  { links }: Pick<ApiDeps, 'links'>,
  linkId: string,
  authorization: string | undefined,
): Promise<DeviceLink> {
  const token = requireBearer(authorization);
  if (!/^[0-9a-f]{32}$/.test(linkId)) throw new Failure('not-found');
  const link = await links.read(linkId, Date.now());
  if (link === undefined || link.tokenHash !== tokenHash(token)) throw new Failure('not-found');
  return link;
}

/**
 * Returns the active session of an access token: its signature is verified once, and its session is read from Redis
 * each time.
 *
 * @throws {Failure} unauthenticated, token-invalid
 */
async function requireSession(deps: SessionDeps, authorization: string | undefined): Promise<AuthSession> {
  return (await requireToken(deps, authorization)).session;
}

/**
 * As `requireSession`, with the expiry of the token in milliseconds. The device of the token has connected, so the next
 * event wakes it up again.
 *
 * @throws {Failure} unauthenticated, token-invalid
 */
export async function requireToken(
  deps: SessionDeps,
  authorization: string | undefined,
): Promise<{ session: AuthSession; expiresAt: number }> {
  const claims = await deps.tokens.verify(requireBearer(authorization));
  const { userId, deviceId } = claims;
  const [session] = await Promise.all([
    deps.sessions.read(claims),
    deviceId === undefined ? undefined : deps.wakeUps.connected({ userId, deviceId }),
  ]);
  if (session === undefined) throw new Failure('token-invalid');
  noteCaller({ userId: session.userId });
  return { session, expiresAt: claims.expiresAt };
}

/**
 * Requires an authentication of the session within the last `STEP_UP_SECONDS`.
 * https://datatracker.ietf.org/doc/html/rfc9470#section-3
 *
 * @throws {Failure} authentication-too-old
 */
export function requireStepUp(deps: Pick<ApiDeps, 'config'>, { authenticatedAt, readAt }: AuthSession): void {
  if (readAt - authenticatedAt > deps.config.STEP_UP_SECONDS * 1000) throw tooOld(deps);
}

/** The failure that asks for a recent authentication. */
export function tooOld({ config }: Pick<ApiDeps, 'config'>): Failure {
  return new Failure('authentication-too-old', { fields: { maxAgeSeconds: config.STEP_UP_SECONDS } });
}

/**
 * Requires that the device of a session, if it has one, is not on probation.
 *
 * @throws {Failure} device-on-probation with the time that is left
 */
export async function requireNoProbation(
  { devices }: Pick<ApiDeps, 'devices'>,
  { userId, deviceId, readAt }: AuthSession,
): Promise<void> {
  if (deviceId === undefined) return;
  const device = deviceIn(await devices.read(userId), deviceId);
  const until = device && probationOf(device, readAt);
  if (until !== undefined) {
    throw new Failure('device-on-probation', { retryAfterSeconds: Math.ceil((until - readAt) / 1000) });
  }
}

/** @throws {Failure} device-missing */
function requireDevice(session: AuthSession): DeviceSession {
  const { deviceId } = session;
  if (deviceId === undefined) throw new Failure('device-missing');
  return { ...session, deviceId };
}

/**
 * Returns the deletion of a token, also after the account was deleted. With a wrong token the id is reported as
 * unknown.
 *
 * @throws {Failure} unauthenticated, not-found
 */
function requireDeletion(
  { deletionTokens }: Pick<ApiDeps, 'deletionTokens'>,
  deletionId: string,
  authorization: string | undefined,
): string {
  const token = requireBearer(authorization);
  // hashes are compared, so that the time reveals nothing about the token
  const isRight = deletionTokens(deletionId).some((own) => tokenHash(own) === tokenHash(token));
  if (!isRight) throw new Failure('not-found');
  return deletionId;
}

/**
 * Returns the session of an admin. The role is read from the account and not from the token, so that a removed role is
 * ineffective at once.
 *
 * @throws {Failure} unauthenticated, token-invalid, forbidden
 */
async function requireAdmin(
  deps: SessionDeps & Pick<ApiDeps, 'accounts'>,
  authorization: string | undefined,
): Promise<AuthSession> {
  const session = await requireSession(deps, authorization);
  const account = await deps.accounts.read(session.userId);
  const isAdmin = account?.disabledAt === undefined && account?.roles.includes(adminRole);
  if (!isAdmin) throw new Failure('forbidden');
  return session;
}

/** Adds the authenticated caller to the audit events of the request. */
function noteCaller(caller: Pick<Trace, 'userId' | 'registrationId'>): void {
  const trace = traces.getStore();
  if (trace !== undefined) Object.assign(trace, caller);
}

/** Adds whom a registration is about. */
function noteIdentityOf({ pseudonyms = {}, limitKeys }: RegistrationStatus): void {
  notePerson({ pseudonyms: Object.values(pseudonyms), country: limitKeys?.country });
}

/** Returns the token of an `Authorization` header, or undefined if it has another form. RFC 6750 section 2.1. */
export function bearerOf(authorization: string | undefined): string | undefined {
  return /^Bearer +([\w.~+/-]+=*) *$/i.exec(authorization ?? '')?.[1];
}

/** @throws {Failure} unauthenticated */
function requireBearer(authorization: string | undefined): string {
  const token = bearerOf(authorization);
  if (token === undefined) throw new Failure('unauthenticated');
  return token;
}
