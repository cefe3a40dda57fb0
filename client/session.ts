/** The tokens of a device: kept in the store before they are used, and refreshed when they expire. */
import type { Tokens } from '../contract/schemas.ts';
import { hasCode, VyryError } from './errors.ts';
import { type ClientState, type ClientStore, emptyState, type StoredTokens } from './store.ts';

/** An access token is refreshed this long before it expires. */
const earlyMs = 30_000;

/** What a session needs. */
export interface SessionOptions {
  now: () => number;
  /** Exchanges a refresh token. It may repeat the request at once: the server returns the same tokens for ten seconds. */
  refresh(refreshToken: string): Promise<Tokens>;
}

/** The session of a device. */
export interface ClientSession {
  /** Keeps new tokens, and the user and device that they are of. */
  keep(tokens: Tokens): Promise<void>;
  /** Forgets the tokens. */
  end(): Promise<void>;
  /** @throws {VyryError} SIGNED_OUT */
  accessToken(): Promise<string>;
  /**
   * Returns another access token than one that was refused. Calls at the same time share one refresh.
   *
   * @throws {VyryError} SIGNED_OUT: the server has ended the session
   */
  renewedToken(refused: string): Promise<string>;
}

/** Creates the session of a store. */
export function createSession(store: ClientStore, { now, refresh }: SessionOptions): ClientSession {
  let refreshing: Promise<string> | undefined;
  const session: ClientSession = {
    async keep(tokens) {
      await store.transaction((state) => {
        const { device, user, accessToken, refreshToken, expiresInSeconds } = tokens;
        const isOtherUser = state.userId !== undefined && state.userId !== user.userId;
        if (isOtherUser) forgetAccount(state, device !== undefined);
        else if (device && state.deviceId !== device.deviceId) state.sessions = {};
        state.userId = user.userId;
        if (device) state.deviceId = device.deviceId;
        const expiresAt = now() + expiresInSeconds * 1000;
        state.tokens = { accessToken, refreshToken, expiresAt, ...(device && { deviceId: device.deviceId }) };
      });
    },
    async end() {
      await store.transaction((state) => {
        delete state.tokens;
      });
    },
    async accessToken() {
      const tokens = await readTokens(store);
      return tokens.expiresAt - earlyMs > now() ? tokens.accessToken : await session.renewedToken(tokens.accessToken);
    },
    renewedToken(refused) {
      refreshing ??= renew(refused).finally(() => {
        refreshing = undefined;
      });
      return refreshing;
    },
  };
  const renew = async (refused: string): Promise<string> => {
    const { accessToken, refreshToken } = await readTokens(store);
    // a refresh that has just ended
    if (accessToken !== refused) return accessToken;
    const tokens = await refresh(refreshToken).catch(async (err) => {
      if (!hasCode(err, 'INVALID_TOKEN')) throw err;
      await session.end();
      throw new VyryError('SIGNED_OUT', 'The session has ended', { cause: err });
    });
    await session.keep(tokens);
    return tokens.accessToken;
  };
  return session;
}

/**
 * Forgets what the store has of another account. Keys that were made for the new one, which has a device with them, stay.
 * Sessions name the device that they are of, so that they are of no use to another one.
 */
function forgetAccount(state: ClientState, hasKeys: boolean): void {
  const { keys, identity, registrationId, pending, confirmed } = state;
  for (const field of Object.keys(state)) Reflect.deleteProperty(state, field);
  Object.assign(state, emptyState());
  if (hasKeys) Object.assign(state, { keys, identity, registrationId, pending, confirmed });
}

/** @throws {VyryError} SIGNED_OUT */
async function readTokens(store: ClientStore): Promise<StoredTokens> {
  const tokens = await store.transaction((state) => state.tokens);
  if (tokens === undefined) throw new VyryError('SIGNED_OUT', 'This device is not signed in');
  return tokens;
}
