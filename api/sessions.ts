/** Operations on sessions: the one a registration ends with, and the one that asks. */
import type { z } from 'zod';
import type { Account } from '../adapters/mongo/accounts.ts';
import type { Session as StoredSession } from '../adapters/redis/sessions.ts';
import { Failure } from '../domain/failures.ts';
import { newId, newToken, tokenHash } from '../platform/crypto.ts';
import type { ApiDeps } from './deps.ts';
import { idempotent } from './guards.ts';
import type { RegistrationCaller } from './registrations/status.ts';
import type { Session, Tokens } from './schemas.ts';
import { userView } from './users.ts';

const userAgentMax = 256;

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
  const minted = { sessionId: newId(), refreshToken: newToken(), createdAt: Date.now() };
  const scope = ['registration-session', registrationId];
  return idempotent(deps, { scope, caller, body: {} }, minted, async ({ sessionId, refreshToken, createdAt }) => {
    const { userId } = status;
    if (status.state !== 'completed' || userId === undefined) throw new Failure('registration-unfinished');
    const account = await deps.accounts.read(userId);
    if (account === undefined) throw new Failure('not-found');
    requireEnabled(account);
    // taken before it exists: of parallel calls one wins, and a repeat with the same id goes on where it was
    if (!(await deps.registrations.takeSession(registrationId, sessionId))) throw new Failure('session-already-taken');
    const { roles } = account;
    const { address, userAgent } = caller;
    await deps.sessions.create(
      {
        sessionId,
        userId,
        roles,
        createdAt,
        lastActivityAt: createdAt,
        expiresAt: createdAt + deps.config.REFRESH_TOKEN_EXPIRATION * 1000,
        ip: address,
        userAgent: userAgent.slice(0, userAgentMax),
      },
      tokenHash(refreshToken),
    );
    await endIfDisabled(deps, { userId, sessionId, refreshHash: tokenHash(refreshToken) });
    deps.events.sessionCreated(sessionId, userId);
    return tokensOf(deps, { sessionId, refreshToken, account });
  });
}

/** The session of the access token that asks. */
export async function readSession(_deps: ApiDeps, session: StoredSession): Promise<z.output<typeof Session>> {
  return {
    ...session,
    deviceId: null,
    createdAt: new Date(session.createdAt).toISOString(),
    lastActivityAt: new Date(session.lastActivityAt).toISOString(),
    expiresAt: new Date(session.expiresAt).toISOString(),
  };
}

/**
 * An account that was disabled while its session began, after the other sessions were ended, must not keep this one.
 *
 * @throws {Failure} account-disabled
 */
async function endIfDisabled(
  { accounts, sessions }: ApiDeps,
  { userId, sessionId, refreshHash }: { userId: string; sessionId: string; refreshHash: string },
): Promise<void> {
  const account = await accounts.read(userId);
  if (account !== undefined && account.disabledAt === undefined) return;
  await sessions.end(userId, sessionId, refreshHash);
  throw new Failure('account-disabled');
}

function requireEnabled({ disabledAt }: Account): void {
  if (disabledAt !== undefined) throw new Failure('account-disabled');
}

async function tokensOf(
  { tokens, config }: ApiDeps,
  { sessionId, refreshToken, account }: { sessionId: string; refreshToken: string; account: Account },
): Promise<z.output<typeof Tokens>> {
  const { userId, roles } = account;
  return {
    accessToken: await tokens.sign({ userId, sessionId, roles }),
    refreshToken,
    tokenType: 'Bearer',
    expiresInSeconds: config.JWT_EXPIRATION,
    refreshExpiresInSeconds: config.REFRESH_TOKEN_EXPIRATION,
    user: userView(account),
  };
}
