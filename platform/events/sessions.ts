import type { Channel } from '../../domain/verification.ts';
import type { Outputs } from './outputs.ts';

interface LoginBegin {
  loginId: string;
  channel: Channel;
  /** The user name, number or address entered; only its pseudonym is recorded. */
  identity: string;
  userId?: string | undefined;
}

/** An attempt to log in. `loginId`: the log-in that waits for a code. `identity`: the user name, number or address. */
interface LoginTry {
  method: 'code' | 'password';
  loginId?: string;
  userId?: string | undefined;
  identity?: string;
  /** The names of the account. */
  identities?: readonly string[];
  /** Why it was refused, for the audit log only: the client sees one error for all reasons. Absent on success. */
  reason?: string | undefined;
}

/** Creates the events of log-ins. */
export function createLoginEvents({ counter, report }: Outputs) {
  const logins = counter('logins_total', 'Log-in attempts by method and outcome', ['method', 'outcome']);

  return {
    /** A code for a log-in was requested; `userId` is absent when nothing was sent. */
    loginBegun({ loginId, channel, identity, userId }: LoginBegin): void {
      const reason = userId === undefined ? 'nobody-to-send-to' : undefined;
      report({
        counter: logins,
        labels: { method: 'code', outcome: 'begun' },
        log: { event: 'login.begun', loginId, channel },
        audit: {
          action: 'otp-request',
          status: reason === undefined ? 'success' : 'failure',
          message: 'A code for a log-in was requested',
          reason,
          once: loginId,
          identity,
          userId,
          details: { otp: { channel, purpose: 'login', send: 1 } },
        },
      });
    },
    loginTried({ method, loginId, userId, identity, identities = [], reason }: LoginTry): void {
      const isDone = reason === undefined;
      report({
        counter: logins,
        labels: { method, outcome: isDone ? 'done' : 'refused' },
        level: isDone ? 'info' : 'warn',
        log: { event: 'login.tried', method, loginId, userId, reason },
        audit: {
          action: 'login',
          status: isDone ? 'success' : 'failure',
          message: isDone ? `A user logged in by ${method}` : `A log-in by ${method} was refused`,
          reason,
          identity,
          identities,
          userId,
          // the check of the code is the attempt
          isPart: method === 'code',
          metadata: { method },
        },
      });
    },
  };
}

/** Creates the events of sessions and their tokens. */
export function createSessionEvents({ counter, report }: Outputs) {
  const sessions = counter('sessions_total', 'Sessions started', []);
  const ends = counter('sessions_ended_total', 'Sessions ended before they expired, by reason', ['why']);
  const refreshes = counter('token_refreshes_total', 'Refresh tokens used, by outcome', ['outcome']);

  return {
    sessionCreated(sessionId: string, userId: string): void {
      report({
        counter: sessions,
        log: { event: 'session.created', sessionId, userId },
        audit: { action: 'session-start', message: 'A session started', once: sessionId, userId },
      });
    },
    tokenRefreshed(sessionId: string, userId: string): void {
      report({
        counter: refreshes,
        labels: { outcome: 'rotated' },
        log: { event: 'token.refreshed', sessionId, userId },
        audit: { action: 'token-refresh', message: 'A refresh token was rotated', userId },
      });
    },
    /** Two parties hold refresh tokens of one session. The legitimate one is not known, so the session was ended. */
    refreshReused(sessionId: string, userId: string): void {
      refreshes.inc({ outcome: 'reused' });
      report({
        counter: ends,
        labels: { why: 'refresh-token-reused' },
        level: 'error',
        log: { event: 'token.reused', sessionId, userId },
        audit: {
          action: 'token-refresh',
          status: 'failure',
          message: 'A refresh token was reused after it was rotated: its session was ended',
          reason: 'refresh-token-reused',
          once: `${sessionId} reused`,
          userId,
        },
      });
    },
    loggedOut({ sessionId, userId, everywhere }: { sessionId: string; userId: string; everywhere: boolean }): void {
      const message = everywhere ? 'A user logged out of all sessions' : 'A user logged out';
      report({
        counter: ends,
        labels: { why: everywhere ? 'logout-everywhere' : 'logout' },
        log: { event: 'session.logged-out', sessionId, userId, everywhere },
        audit: { action: 'logout', message, once: sessionId, userId, metadata: { everywhere } },
      });
    },
    /** A session was revoked from another session, or replaced by a new one where a user may have only one. */
    sessionEnded({ sessionId, userId, why }: { sessionId: string; userId: string; why: 'revoked' | 'replaced' }): void {
      const message = why === 'revoked' ? 'A user revoked a session' : 'A newer session replaced a session';
      report({
        counter: ends,
        labels: { why },
        log: { event: 'session.ended', sessionId, userId, why },
        audit: { action: 'session-revoke', message, reason: why, once: sessionId, userId },
      });
    },
  };
}
