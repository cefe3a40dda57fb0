/** The begin of a session, by log-in or registration, and its tokens. */

import { networkOf } from '../adapters/ip-addresses.ts';
import type { Tokens } from '../contract/schemas.ts';
import { type Account, epochOf } from '../domain/account.ts';
import { Failure, type FailureCode } from '../domain/failures.ts';
import { type Recipient, recipientsOf } from '../domain/notifications.ts';
import { type AuthSessionLife, refreshLife } from '../domain/session.ts';
import type { Channel } from '../domain/verification.ts';
import type { Config } from '../platform/config/config.ts';
import { tokenHash } from '../platform/crypto.ts';
import type { Events } from '../platform/events/events.ts';
import type { ApiDeps, Caller } from './deps.ts';
import { notifyOwner } from './notifications.ts';
import type { Minted } from './serve.ts';
import { userView } from './views.ts';

const userAgentMax = 256;

/** The dependencies of beginning a session. */
export interface SessionBeginDeps extends Pick<ApiDeps, 'accounts' | 'sessions' | 'sessionLife' | 'tokens' | 'config'> {
  events: Pick<Events, 'sessionCreated' | 'sessionEnded'>;
}

/** The dependencies of an operation that begins a session. */
export type SessionOpenDeps = SessionBeginDeps & Pick<ApiDeps, 'temporal' | 'events' | 'limitHash'>;

/** How the user of a new session proved their identity. */
export interface SessionProof {
  /** The epoch of the account when the proof was begun. */
  epoch: number;
  /** Not enough for step-up: only a code was proven, and the account has more. */
  isCodeAlone?: boolean;
  /** The failure when the account has changed since; credentials-wrong by default. */
  outdated?: FailureCode;
}

/** The caller and the proof of a new session. */
export interface SessionOpening extends Caller {
  proof: SessionProof;
  /** The channel of the code that was proven. */
  channel?: Channel;
  /** The account was just created: its first device is not news to its owner. */
  isFirst?: boolean;
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
 * Begins a session for an operation. A log-in from a new device is told to the owner by the channels that were not used
 * for it. Safe to repeat with the same minted values.
 *
 * @throws {Failure} as `beginSession`
 */
export async function openSession(
  deps: SessionOpenDeps,
  account: Account,
  minted: Minted,
  opening: SessionOpening,
): Promise<Tokens> {
  const tokens = await beginSession(deps, account, minted, opening);
  const { userId } = account;
  const { address, userAgent, channel, isFirst = false } = opening;
  // a client can claim any user agent, so a device is known in the network where it was seen
  const device = deps.limitHash('device', `${userId} ${networkOf(address)} ${userAgent}`);
  const isKnown = isFirst || (await deps.sessions.isKnownDevice(userId, device));
  if (!isKnown) {
    const recipients = othersOf(account, channel);
    await notifyOwner(deps, { userId, kind: 'new-device', occasion: minted.id, recipients });
  }
  // after the message was started, so that a repeat after a crash starts it
  await deps.sessions.noteDevice(userId, device);
  return tokens;
}

/** Returns the recipients that did not get the code; all of them if there are no others. */
function othersOf(account: Account, channel: Channel | undefined): Recipient[] {
  const all = recipientsOf(account);
  const used = channel === 'voice' ? 'sms' : channel;
  const others = all.filter((recipient) => recipient.channel !== used);
  return others.length > 0 ? others : all;
}

/**
 * Begins a session of a user. Safe to repeat with the same minted values.
 *
 * @param proof by default the user has just authenticated in the epoch of the account
 * @throws {Failure} account-disabled; credentials-wrong or `proof.outdated`: the account has changed since the proof
 */
export async function beginSession(
  deps: SessionBeginDeps,
  account: Account,
  { id: sessionId, token: refreshToken }: Minted,
  { address, userAgent, proof = { epoch: epochOf(account) } }: Caller & { proof?: SessionProof },
): Promise<Tokens> {
  requireEnabled(account);
  const { userId, roles } = account;
  const { idleMs, lifeMs, isSingle } = deps.sessionLife;
  const authenticated = proof.isCodeAlone ? ({ authenticatedAt: 0 } as const) : {};
  const session = { sessionId, userId, roles, idleMs, lifeMs, ip: address, ...authenticated };
  const refreshMs = refreshLife(deps.sessionLife, lifeMs);
  await deps.sessions.create(
    { ...session, userAgent: userAgent.slice(0, userAgentMax) },
    { hash: tokenHash(refreshToken), seconds: Math.ceil(refreshMs / 1000) },
  );
  if (isSingle) await endPrevious(deps, userId, sessionId);
  const current = await endIfChanged(deps, { userId, sessionId, proof });
  // a change of roles has copied them into the sessions that were there; this one may have been written after it
  if (String(current.roles) !== String(roles)) await deps.sessions.setRoles(userId, current.roles);
  deps.events.sessionCreated(sessionId, userId);
  return tokensOf(deps, { sessionId, refreshToken, refreshMs, account: current });
}

/** @throws {Failure} account-disabled */
export function requireEnabled({ disabledAt }: Account): void {
  if (disabledAt !== undefined) throw new Failure('account-disabled');
}

/** Called after the new session exists, so that the last one of parallel log-ins stays. */
async function endPrevious(deps: SessionBeginDeps, userId: string, sessionId: string): Promise<void> {
  const before = await deps.sessions.takePlace(userId, sessionId, deps.sessionLife.lifeMs);
  if (before === undefined) return;
  if (await deps.sessions.end(userId, before)) deps.events.sessionEnded({ sessionId: before, userId, why: 'replaced' });
}

/**
 * Ends the session of an account that has left the epoch of the proof: it was disabled, or its password was replaced,
 * while the session began. The session exists already, so either this check sees the change, or the change ends the
 * session with all others. Returns the account as it is then.
 *
 * @throws {Failure} account-disabled, credentials-wrong or `proof.outdated`
 */
async function endIfChanged(
  { accounts, sessions }: Pick<SessionBeginDeps, 'accounts' | 'sessions'>,
  { userId, sessionId, proof }: { userId: string; sessionId: string; proof: SessionProof },
): Promise<Account> {
  const account = await accounts.read(userId);
  const isEnabled = account !== undefined && account.disabledAt === undefined;
  if (isEnabled && epochOf(account) === proof.epoch) return account;
  await sessions.end(userId, sessionId);
  throw new Failure(isEnabled ? (proof.outdated ?? 'credentials-wrong') : 'account-disabled');
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
