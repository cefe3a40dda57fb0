/** Verification of an identifier and a password, by the hash of the account, then by the directory. */
import { executeWorkflow } from '../../adapters/temporal/client-calls.ts';
import type { Account, AccountWithHashes, Identifier } from '../../domain/account.ts';
import { Failure } from '../../domain/failures.ts';
import { directoryLogInWorkflowId } from '../../domain/workflow-ids.ts';
import { newId } from '../../platform/crypto.ts';
import { padResponseTime } from '../../platform/lifecycle.ts';
import { directoryLogIn } from '../../workflows/directory-log-in.ts';
import { userAttributesOf } from '../../workflows/search-attributes.ts';
import type { ApiDeps, Caller } from '../deps.ts';
import {
  accountKeyOf,
  type DirectoryLimitDeps,
  type LimitDeps,
  limitDirectory,
  limitPassword,
  orRefund,
} from '../limits.ts';
import { nameKeyOf } from './identifier.ts';

type DirectoryDeps = DirectoryLimitDeps & Pick<ApiDeps, 'policy' | 'oneTimeSecrets' | 'temporal' | 'accounts'>;

/** The dependencies of verifying a password. */
export type PasswordDeps = LimitDeps & DirectoryDeps & Pick<ApiDeps, 'passwords'>;

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
): Promise<AccountWithHashes> {
  const beganAt = performance.now();
  const { account, hash } = (await deps.accounts.findProvable(identifier)) ?? {};
  // one account has one count of wrong passwords, whichever of its identifiers was typed
  const counted = account === undefined ? nameKeyOf(deps, identifier) : accountKeyOf(deps, account.userId);
  // counted as wrong before the comparison, so that parallel guesses never exceed the limits
  const consumed = await limitPassword(deps, caller, counted);
  const reason = await orRefund(consumed, () => refusalOf(deps, identifier, { account, hash }, password));
  if (account === undefined || reason !== undefined) {
    await consumed.settle();
    deps.events.loginTried({ method: 'password', identity: identifier.value, userId: account?.userId, reason });
    await padResponseTime(beganAt);
    throw new Failure('credentials-wrong');
  }
  await consumed.refund();
  return { account, hash };
}

async function refusalOf(
  deps: DirectoryDeps & Pick<ApiDeps, 'passwords'>,
  identifier: Identifier,
  { account, hash }: { account: Account | undefined; hash: string | undefined },
  password: string,
): Promise<PasswordRefusal | undefined> {
  const hasPassword = hash !== undefined;
  const isOwn = await deps.passwords.verify(hash ?? (await deps.passwords.dummyHash()), password);
  const isRight = (hasPassword && isOwn) || (await isOfDirectory(deps, identifier, account, password));
  if (account === undefined) return 'unknown-user';
  if (!isRight) return hasPassword ? 'wrong-password' : 'no-password';
  return account.disabledAt === undefined ? undefined : 'account-disabled';
}

/** Returns whether the directory accepts name and password, and its entry is linked to the account. */
async function isOfDirectory(
  deps: DirectoryDeps,
  { value }: Identifier,
  account: Account | undefined,
  password: string,
): Promise<boolean> {
  if (!deps.policy.includes('directory')) return false;
  const username = account?.username ?? value;
  const consumed = await limitDirectory(deps, {}, username).catch((err: unknown) => {
    // the limit of the user name behind a number would reveal that the account exists
    if (err instanceof Failure && err.code === 'rate-limited') return undefined;
    throw err;
  });
  if (consumed === undefined) return false;
  const passwordRef = await deps.oneTimeSecrets.put(password);
  const answer = await executeWorkflow(deps, directoryLogIn, {
    taskQueue: 'registration',
    workflowId: directoryLogInWorkflowId(newId()),
    staticSummary: 'Log-in by the directory',
    typedSearchAttributes: userAttributesOf(account?.userId),
    args: [{ username, passwordRef }],
  });
  await deps.oneTimeSecrets.remove(passwordRef);
  if (answer.outcome !== 'refused') await consumed.refund();
  if (answer.outcome === 'unavailable') {
    throw new Failure('directory-unavailable', { message: 'The directory is unavailable' });
  }
  if (answer.outcome === 'refused' || account === undefined) return false;
  return deps.accounts.matchesDirectoryEntry(account.userId, answer.directoryId);
}
