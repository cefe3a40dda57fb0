/** The begin of a session, by log-in or registration, and its tokens. */
import type { Tokens } from '../contract/schemas.ts';
import type { Account, AccountWithHashes } from '../domain/account.ts';
import { Failure } from '../domain/failures.ts';
import { type AuthSessionLife, refreshLife } from '../domain/session.ts';
import type { Config } from '../platform/config/config.ts';
import { tokenHash } from '../platform/crypto.ts';
import type { Events } from '../platform/events/events.ts';
import type { ApiDeps, Caller } from './deps.ts';
import type { Minted } from './serve.ts';
import { userView } from './views.ts';

const userAgentMax = 256;

/** The dependencies of beginning a session. */
export interface SessionBeginDeps extends Pick<ApiDeps, 'accounts' | 'sessions' | 'sessionLife' | 'tokens' | 'config'> {
  events: Pick<Events, 'sessionCreated' | 'sessionEnded'>;
}

/** Returns the configured lifetimes of sessions. */
export function sessionLifeOf(config: Config<'api'>): AuthSessionLife {
  const isSingle = config.SESSION_LIMIT === 'user';
  const idleSeconds = config.SESSION_TTL ?? (isSingle ? 86_400 : config.REFRESH_TOKEN_EXPIRATION);
  return {
    idleMs: idleSeconds * 1000,
    lifeMs: config.SESSION_LIFE * 1000,
    refreshMs: config.REFRESH_TOKEN_EXPIRATION * 1000,
    isSingle,
  };
}

/**
 * Begins a session of a user. Safe to repeat with the same minted values.
 *
 * @param provenBy the hash of the password that the user logged in with
 * @throws {Failure} account-disabled; credentials-wrong: that password was replaced at the same time
 */
export async function beginSession(
  deps: SessionBeginDeps,
  account: Account,
  { id: sessionId, token: refreshToken, at: createdAt }: Minted,
  { address, userAgent, provenBy }: Caller & { provenBy?: Pick<AccountWithHashes, 'hash'> },
): Promise<Tokens> {
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
  if (isSingle) await endPrevious(deps, userId, sessionId, endsAt);
  await endIfChanged(deps, { userId, sessionId, provenBy });
  deps.events.sessionCreated(sessionId, userId);
  return tokensOf(deps, { sessionId, refreshToken, refreshMs, account });
}

/** @throws {Failure} account-disabled */
export function requireEnabled({ disabledAt }: Account): void {
  if (disabledAt !== undefined) throw new Failure('account-disabled');
}

/** Called after the new session exists, so that the last one of parallel log-ins stays. */
async function endPrevious(deps: SessionBeginDeps, userId: string, sessionId: string, endsAt: number): Promise<void> {
  const before = await deps.sessions.takePlace(userId, sessionId, endsAt);
  if (before === undefined) return;
  if (await deps.sessions.end(userId, before)) deps.events.sessionEnded({ sessionId: before, userId, why: 'replaced' });
}

/**
 * Ends the session of an account that was disabled, or whose password was replaced, while the session began. The
 * session exists already, so either this check sees the change, or the change ends the session with all others.
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

/** Returns the tokens of a session for a log-in or a refresh; `refreshMs` is the life of the refresh token. */
export async function tokensOf(
  { tokens, config }: Pick<SessionBeginDeps, 'tokens' | 'config'>,
  given: { sessionId: string; refreshToken: string; refreshMs: number; account: Account },
): Promise<Tokens> {
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
