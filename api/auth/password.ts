/** Verification of an identifier and a password, by the hash of the account, then by the directory. */

import type { Account, AccountWithHashes, Identifier } from '../../domain/account.ts';
import { Failure } from '../../domain/failures.ts';
import { padResponseTime } from '../../platform/lifecycle.ts';
import { renewHash } from '../credentials.ts';
import type { ApiDeps, Caller } from '../deps.ts';
import { accountKeyOf, type LimitDeps, orRefund } from '../limits/counting.ts';
import { limitPassword } from '../limits/log-ins.ts';
import { type DirectoryPasswordDeps, provenByDirectory } from './directory-password.ts';
import { nameKeyOf } from './identifier.ts';

/** The dependencies of verifying a password. */
export type PasswordDeps = LimitDeps & DirectoryPasswordDeps & Pick<ApiDeps, 'passwords'>;

/** Why a log-in by password fails, for the audit log only. */
type PasswordRefusal = 'unknown-user' | 'no-password' | 'wrong-password' | 'account-disabled';

/**
 * Returns the account of an identifier and its password. Without an account or a password, the same hash is computed
 * and, if a directory is configured, the same request is sent to it, so that the response takes as long.
 *
 * @throws {Failure} credentials-wrong, rate-limited, directory-unavailable
 */
export async function requirePassword(
  deps: PasswordDeps,
  identifier: Identifier,
  password: string,
  caller: Caller,
): Promise<Account> {
  const beganAt = performance.now();
  const named = (await deps.accounts.findProvable(identifier)) ?? { account: undefined, hash: undefined };
  // one account has one count of wrong passwords, whichever of its identifiers was typed
  const counted = named.account === undefined ? nameKeyOf(deps, identifier) : accountKeyOf(deps, named.account.userId);
  // counted as wrong before the comparison, so that parallel guesses never exceed the limits
  const consumed = await limitPassword(deps, caller, counted);
  const { account, reason } = await orRefund(consumed, () => check(deps, identifier, named, password));
  if (account === undefined || reason !== undefined) {
    await consumed.settle();
    deps.events.loginTried({ method: 'password', identity: identifier.value, userId: account?.userId, reason });
    await padResponseTime(beganAt);
    throw new Failure('credentials-wrong');
  }
  await consumed.refund();
  return account;
}

/** The account that an identifier belongs to. */
type Named = AccountWithHashes | { account: undefined; hash: undefined };

async function check(
  deps: DirectoryPasswordDeps & Pick<ApiDeps, 'passwords'>,
  identifier: Identifier,
  { account, hash }: Named,
  password: string,
): Promise<{ account: Account | undefined; reason?: PasswordRefusal }> {
  const isOwn = await deps.passwords.verify(hash ?? (await deps.passwords.dummyHash()), password);
  const isRight = hash !== undefined && isOwn;
  if (isRight) await renewHash(deps, { userId: account.userId, kind: 'password', secret: password }, hash);
  const proven = isRight ? account : await provenByDirectory(deps, { identifier, account }, password);
  if (proven === undefined) {
    const wrong = hash === undefined ? 'no-password' : 'wrong-password';
    return { account, reason: account === undefined ? 'unknown-user' : wrong };
  }
  return { account: proven, ...(proven.disabledAt !== undefined && { reason: 'account-disabled' as const }) };
}
