/** Sessions: how one begins, whoever asks for it, and how it is seen. */
import type { z } from 'zod';
import type { Account, AccountWithHashes } from '../adapters/mongo/accounts.ts';
import type { Session as StoredSession } from '../adapters/redis/sessions.ts';
import { refreshLife, type SessionLife } from '../domain/account.ts';
import { Failure } from '../domain/failures.ts';
import type { Config } from '../platform/config.ts';
import { newId, newToken, tokenHash } from '../platform/crypto.ts';
import type { Events } from '../platform/events.ts';
import type { ApiDeps, Caller } from './deps.ts';
import { idempotent } from './guards.ts';
import type { RegistrationCaller } from './registrations/status.ts';
import type { Session, Tokens } from './schemas.ts';
import { userView } from './users/me.ts';

const userAgentMax = 256;

/** What a session begins with. */
export interface SessionBeginDeps extends Pick<ApiDeps, 'accounts' | 'sessions' | 'sessionLife' | 'tokens' | 'config'> {
  events: Pick<Events, 'sessionCreated' | 'sessionEnded'>;
}

/** How long sessions live, by the configuration. */
export function sessionLifeOf(config: Config<'api'>): SessionLife {
  const isSingle = config.SESSION_LIMIT === 'user';
  const idleSeconds = config.SESSION_TTL ?? (isSingle ? 86_400 : config.REFRESH_TOKEN_EXPIRATION);
  return {
    idleMs: idleSeconds * 1000,
    lifeMs: config.SESSION_LIFE * 1000,
    refreshMs: config.REFRESH_TOKEN_EXPIRATION * 1000,
    isSingle,
  };
}

/** What makes the begin of a session safe to repeat. */
export interface MintedSession {
  sessionId: string;
  refreshToken: string;
  createdAt: number;
}

/** Mints what a session is made of. */
export function mintSession(): MintedSession {
  return { sessionId: newId(), refreshToken: newToken(), createdAt: Date.now() };
}

/**
 * Begins the session of a completed registration, once. With the same `Idempotency-Key` the same tokens come again, so
 * that an answer that was lost is not.
 *
 * @throws {Failure} registration-unfinished, session-already-taken, account-disabled
 */
export async function createRegistrationSession(
  deps: ApiDeps,
  caller: RegistrationCaller,
): Promise<z.output<typeof Tokens>> {
  const { registrationId, status } = caller;
  const scope = ['registration-session', registrationId];
  return idempotent(deps, { scope, caller, body: {} }, mintSession(), async (minted) => {
    const { userId } = status;
    if (status.state !== 'completed' || userId === undefined) throw new Failure('registration-unfinished');
    const account = await deps.accounts.read(userId);
    if (account === undefined) throw new Failure('not-found');
    requireEnabled(account);
    // taken before it exists: of parallel calls one wins, and a repeat with the same id goes on where it was
    if (!(await deps.registrations.takeSession(registrationId, minted.sessionId))) {
      throw new Failure('session-already-taken');
    }
    return beginSession(deps, account, minted, caller);
  });
}

/**
 * Begins a session of a person. Safe to repeat with what was minted.
 *
 * @param provenBy the password that it begins with, by its hash
 * @throws {Failure} account-disabled; credentials-wrong: that password was replaced in the same moment
 */
export async function beginSession(
  deps: SessionBeginDeps,
  account: Account,
  { sessionId, refreshToken, createdAt }: MintedSession,
  { address, userAgent, provenBy }: Caller & { provenBy?: Pick<AccountWithHashes, 'hash'> },
): Promise<z.output<typeof Tokens>> {
  requireEnabled(account);
  const { userId, roles } = account;
  const { idleMs, lifeMs, isSingle } = deps.sessionLife;
  const endsAt = createdAt + lifeMs;
  const session = { sessionId, userId, roles, createdAt, idleMs, endsAt, ip: address };
  const refreshMs = refreshLife(deps.sessionLife, endsAt, createdAt);
  await deps.sessions.create(
    { ...session, userAgent: userAgent.slice(0, userAgentMax) },
    { hash: tokenHash(refreshToken), seconds: Math.ceil(refreshMs / 1000) },
  );
  if (isSingle) await endTheOneBefore(deps, userId, sessionId, endsAt);
  await endIfChanged(deps, { userId, sessionId, provenBy });
  deps.events.sessionCreated(sessionId, userId);
  return tokensOf(deps, { sessionId, refreshToken, refreshMs, account });
}

function requireEnabled({ disabledAt }: Account): void {
  if (disabledAt !== undefined) throw new Failure('account-disabled');
}

/** After the new one lives: of parallel log-ins the last one stays. */
async function endTheOneBefore(
  deps: SessionBeginDeps,
  userId: string,
  sessionId: string,
  endsAt: number,
): Promise<void> {
  const before = await deps.sessions.takePlace(userId, sessionId, endsAt);
  if (before === undefined) return;
  if (await deps.sessions.end(userId, before)) deps.events.sessionEnded({ sessionId: before, userId, why: 'replaced' });
}

/** The session of the access token that asks. */
export async function readSession(_deps: ApiDeps, session: StoredSession): Promise<z.output<typeof Session>> {
  return sessionView(session);
}

/** A session as its person sees it. */
export function sessionView(session: StoredSession): z.output<typeof Session> {
  return {
    ...session,
    deviceId: null,
    createdAt: new Date(session.createdAt).toISOString(),
    authenticatedAt: new Date(session.authenticatedAt).toISOString(),
    lastActivityAt: new Date(session.lastActivityAt).toISOString(),
    expiresAt: new Date(session.expiresAt).toISOString(),
  };
}

/**
 * An account that was disabled, or whose password was replaced, while its session began, after the other sessions were ended,
 * must not keep this one: the session is there already, so either this sees the change or the change sees the session.
 *
 * @throws {Failure} account-disabled, credentials-wrong
 */
async function endIfChanged(
  { accounts, sessions }: Pick<SessionBeginDeps, 'accounts' | 'sessions'>,
  begun: { userId: string; sessionId: string; provenBy: Pick<AccountWithHashes, 'hash'> | undefined },
): Promise<void> {
  const { userId, sessionId, provenBy } = begun;
  const { account, hash } = (await accounts.readProvable(userId)) ?? {};
  const isEnabled = account !== undefined && account.disabledAt === undefined;
  const isProven = provenBy === undefined || provenBy.hash === hash;
  if (isEnabled && isProven) return;
  await sessions.end(userId, sessionId);
  throw new Failure(isEnabled ? 'credentials-wrong' : 'account-disabled');
}

/** The tokens of a session, as a log-in or a refresh answers them; `refreshMs` is the life of the refresh token. */
export async function tokensOf(
  { tokens, config }: Pick<SessionBeginDeps, 'tokens' | 'config'>,
  given: { sessionId: string; refreshToken: string; refreshMs: number; account: Account },
): Promise<z.output<typeof Tokens>> {
  const { sessionId, refreshToken, refreshMs, account } = given;
  const { userId, roles } = account;
  return {
    accessToken: await tokens.sign({ userId, sessionId, roles }),
    refreshToken,
    tokenType: 'Bearer',
    expiresInSeconds: config.JWT_EXPIRATION,
    refreshExpiresInSeconds: Math.floor(refreshMs / 1000),
    user: userView(account),
  };
}
