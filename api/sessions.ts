/** The begin of a session, by log-in or registration, and its tokens. */

import { networkOf } from '../adapters/ip-addresses.ts';
import type { Tokens } from '../contract/schemas.ts';
import { type Account, epochOf } from '../domain/account.ts';
import { deviceIn, type StoredDevice } from '../domain/device.ts';
import { Failure, type FailureCode } from '../domain/failures.ts';
import { type Recipient, recipientsOf } from '../domain/notifications.ts';
import { type AuthSession, type AuthSessionLife, refreshLife } from '../domain/session.ts';
import type { Channel } from '../domain/verification.ts';
import type { Config } from '../platform/config/config.ts';
import { newToken, tokenHash } from '../platform/crypto.ts';
import type { Events } from '../platform/events/events.ts';
import type { ApiDeps, Caller } from './deps.ts';
import { notifyOwner } from './notifications.ts';
import { type PersonFactsDeps, readPersonFacts } from './person-facts.ts';
import type { Minted } from './serve.ts';
import { userView } from './views.ts';

const userAgentMax = 256;

/** The dependencies of beginning a session. */
export interface SessionBeginDeps
  extends PersonFactsDeps,
    Pick<ApiDeps, 'sessions' | 'sessionLife' | 'tokens' | 'config'> {
  events: Pick<Events, 'sessionCreated' | 'sessionEnded'>;
}

/** The dependencies of an operation that begins a session. */
export type SessionOpenDeps = SessionBeginDeps & Pick<ApiDeps, 'temporal' | 'events' | 'limitHash'>;

/** How the user of a new session proved their identity. */
interface SessionProof {
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
  /** The device that the session belongs to. */
  device?: SessionDevice;
}

/** A device of which a session is to be one. */
export type SessionDevice = Pick<StoredDevice, 'deviceId' | 'name' | 'createdAt'>;

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
 * @throws {Failure} account-disabled; credentials-wrong or `proof.outdated`: the account has changed since the proof;
 *   token-invalid: the device is being removed
 */
export async function beginSession(
  deps: SessionBeginDeps,
  account: Account,
  { id: sessionId, token: refreshToken }: Minted,
  { address, userAgent, proof = { epoch: epochOf(account) }, device }: Caller & Partial<SessionOpening>,
): Promise<Tokens> {
  requireEnabled(account);
  const { userId, roles } = account;
  const { idleMs, lifeMs, isSingle } = deps.sessionLife;
  const authenticated = proof.isCodeAlone ? ({ authenticatedAt: 0 } as const) : {};
  const own = device === undefined ? {} : { deviceId: device.deviceId };
  const session = { sessionId, userId, roles, idleMs, lifeMs, ip: address, ...authenticated, ...own };
  const refreshMs = refreshLife(deps.sessionLife, lifeMs);
  await deps.sessions.create(
    { ...session, userAgent: userAgent.slice(0, userAgentMax) },
    { hash: tokenHash(refreshToken), seconds: Math.ceil(refreshMs / 1000) },
  );
  if (isSingle) {
    await endReplaced(deps, userId, await deps.sessions.takePlace(userId, sessionId, lifeMs));
  }
  if (device !== undefined) await settleDevice(deps, { userId, sessionId, lifeMs }, device);
  const current = await endIfChanged(deps, { userId, sessionId, proof });
  // a change of roles has copied them into the sessions that were there; this one may have been written after it
  if (String(current.roles) !== String(roles)) await deps.sessions.setRoles(userId, current.roles);
  deps.events.sessionCreated(sessionId, userId);
  return tokensOf(deps, { sessionId, refreshToken, refreshMs, account: current, device });
}

/**
 * Makes an existing session one of a device, and returns new tokens of it. An earlier session of the device ends. Safe to
 * repeat: the tokens of the last call are valid.
 *
 * @throws {Failure} token-invalid: the session has ended, or the device is being removed; device-present: the session is
 *   one of another device
 */
export async function bindSession(
  deps: SessionBeginDeps & Pick<ApiDeps, 'refreshCipher'>,
  account: Account,
  { sessionId, userId }: Pick<AuthSession, 'sessionId' | 'userId'>,
  device: SessionDevice,
): Promise<Tokens> {
  const refreshToken = newToken();
  const refreshMsOf = (lifeMs: number) => refreshLife(deps.sessionLife, lifeMs);
  const { outcome, leftMs } = await deps.sessions.bindDevice(
    { sessionId, userId, deviceId: device.deviceId },
    { token: (lifeMs) => successorOf(deps, refreshToken, refreshMsOf(lifeMs)) },
  );
  if (outcome === 'ended') throw new Failure('token-invalid');
  if (outcome === 'other') throw new Failure('device-present');
  await settleDevice(deps, { userId, sessionId, lifeMs: leftMs }, device);
  return tokensOf(deps, { sessionId, refreshToken, refreshMs: refreshMsOf(leftMs), account, device });
}

/** Returns a refresh token as the store of sessions keeps it; `refreshMs` is its life. */
export function successorOf(
  { refreshCipher }: Pick<ApiDeps, 'refreshCipher'>,
  token: string,
  refreshMs: number,
): { hash: string; seconds: number; encrypted: string } {
  return {
    hash: tokenHash(token),
    seconds: Math.max(1, Math.ceil(refreshMs / 1000)),
    encrypted: refreshCipher.encryptText(token),
  };
}

/** @throws {Failure} account-disabled */
export function requireEnabled({ disabledAt }: Account): void {
  if (disabledAt !== undefined) throw new Failure('account-disabled');
}

/**
 * Ends the session whose place a new one took. The new one exists by then, so that the last one of parallel log-ins
 * stays.
 */
async function endReplaced(deps: SessionBeginDeps, userId: string, before: string | undefined): Promise<void> {
  if (before === undefined) return;
  if (await deps.sessions.end(userId, before, 'replaced'))
    deps.events.sessionEnded({ sessionId: before, userId, why: 'replaced' });
}

/**
 * Makes a session the only one of its device, and ends it if the device is being removed. The session exists already, so
 * either this check sees the removal, or the removal ends the session.
 *
 * @throws {Failure} token-invalid
 */
async function settleDevice(
  deps: SessionBeginDeps,
  { userId, sessionId, lifeMs }: { userId: string; sessionId: string; lifeMs: number },
  { deviceId, createdAt }: SessionDevice,
): Promise<void> {
  await endReplaced(deps, userId, await deps.sessions.takeDevicePlace({ userId, deviceId }, sessionId, lifeMs));
  const device = deviceIn(await deps.devices.read(userId), deviceId);
  if (device?.createdAt === createdAt) return;
  await deps.sessions.end(userId, sessionId);
  throw new Failure('token-invalid');
}

/**
 * Ends the session of an account that has left the epoch of the proof: it was disabled, or its password was replaced,
 * while the session began. The session exists already, so either this check sees the change, or the change ends the
 * session with all others. Returns the account as it is then.
 *
 * @throws {Failure} account-disabled, credentials-wrong or `proof.outdated`
 */
async function endIfChanged(
  { sessions, ...deps }: PersonFactsDeps & Pick<SessionBeginDeps, 'sessions'>,
  { userId, sessionId, proof }: { userId: string; sessionId: string; proof: SessionProof },
): Promise<Account> {
  const { account } = (await readPersonFacts(deps, userId)) ?? {};
  const isEnabled = account !== undefined && account.disabledAt === undefined;
  if (isEnabled && epochOf(account) === proof.epoch) return account;
  await sessions.end(userId, sessionId, isEnabled ? 'revoked' : 'suspended');
  throw new Failure(isEnabled ? (proof.outdated ?? 'credentials-wrong') : 'account-disabled');
}

/** Returns the tokens of a session for a log-in or a refresh; `refreshMs` is the life of the refresh token. */
export async function tokensOf(
  { tokens, config }: Pick<SessionBeginDeps, 'tokens' | 'config'>,
  given: {
    sessionId: string;
    refreshToken: string;
    refreshMs: number;
    account: Account;
    device: Pick<SessionDevice, 'deviceId' | 'name'> | undefined;
  },
): Promise<Tokens> {
  const { sessionId, refreshToken, refreshMs, account, device } = given;
  const { userId, roles } = account;
  return {
    accessToken: await tokens.sign({ userId, sessionId, roles, ...(device && { deviceId: device.deviceId }) }),
    refreshToken,
    tokenType: 'Bearer',
    expiresInSeconds: config.JWT_EXPIRATION,
    refreshExpiresInSeconds: Math.floor(refreshMs / 1000),
    user: userView(account),
    ...(device && { device: { deviceId: device.deviceId, name: device.name } }),
  };
}
