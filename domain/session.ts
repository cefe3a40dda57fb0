/** Sessions: their data and lifetimes. Times are milliseconds since the Unix epoch. */

/** A session as it is stored. Times are milliseconds since the Unix epoch. */
export interface AuthSession {
  sessionId: string;
  userId: string;
  /** The device that it belongs to; absent for a session without one. */
  deviceId?: string;
  createdAt: number;
  /** When the user last authenticated: at log-in or later within the session. */
  authenticatedAt: number;
  lastActivityAt: number;
  /** When it was read, by the clock of the store. Ages are counted to here. */
  readAt: number;
  /** When it ends without further activity. */
  expiresAt: number;
  ip: string;
  userAgent: string;
  roles: string[];
}

/** Configured lifetimes of sessions, in milliseconds. */
export interface AuthSessionLife {
  /** Idle timeout. */
  idleMs: number;
  /** Absolute lifetime, regardless of activity. */
  lifeMs: number;
  /** Lifetime of an unused refresh token. */
  refreshMs: number;
  /** A user has at most one session; a new one ends the previous one. */
  isSingle: boolean;
}

/** Returns the lifetime of a refresh token of a session that ends in `leftMs`, in milliseconds. It never outlives it. */
export function refreshLife({ refreshMs }: AuthSessionLife, leftMs: number): number {
  return Math.min(refreshMs, leftMs);
}

/** Why a session or its connection ends. */
export const connectionEnds = ['revoked', 'expired', 'loggedOut', 'replaced', 'suspended'] as const;
/**
 * `loggedOut`: by the client itself. `replaced`: another session or connection took its place. `suspended`: the device
 * gets no more messages until it connects again, or the account is disabled. `revoked`: for any other reason.
 */
export type ConnectionEnd = (typeof connectionEnds)[number];
