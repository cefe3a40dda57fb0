/** Accounts and sessions as their user sees them. */

import { parsePhoneNumber } from '../adapters/phone-numbers.ts';
import type { Session, User } from '../contract/schemas.ts';
import type { Account } from '../domain/account.ts';
import type { AuthSession as StoredSession } from '../domain/session.ts';

/** An account as its user sees it. */
export function userView(account: Account): User {
  const { disabledAt: _operators, registrationIds: _internal, deletionId: _deletion, deletionAt, ...shown } = account;
  const { epoch: _epoch, passed: _passed, phoneChangedAt: _changed, ...own } = shown;
  const isUnknown = account.phone !== undefined && parsePhoneNumber(account.phone) === undefined;
  return {
    ...own,
    ...(isUnknown && { phoneRefused: 'number-not-valid' }),
    createdAt: account.createdAt.toISOString(),
    ...(deletionAt && { deletionAt: deletionAt.toISOString() }),
  };
}

/** A session as its user sees it. */
export function sessionView({ readAt: _internal, ...session }: StoredSession): Session {
  return {
    ...session,
    deviceId: session.deviceId ?? null,
    createdAt: new Date(session.createdAt).toISOString(),
    authenticatedAt: new Date(session.authenticatedAt).toISOString(),
    lastActivityAt: new Date(session.lastActivityAt).toISOString(),
    expiresAt: new Date(session.expiresAt).toISOString(),
  };
}
