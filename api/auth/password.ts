/** A name and a password, checked: by the account's own hash, then by the directory. */
import type { Account, AccountWithHashes } from '../../adapters/mongo/accounts.ts';
import { executeWorkflow } from '../../adapters/temporal/client-calls.ts';
import { directoryLogInWorkflowId, type Identifier } from '../../domain/account.ts';
import { Failure } from '../../domain/failures.ts';
import { newId } from '../../platform/crypto.ts';
import { padResponseTime } from '../../platform/lifecycle.ts';
import { directoryLogIn } from '../../workflows/directory-log-in.ts';
import { userAttributesOf } from '../../workflows/search-attributes.ts';
import type { ApiDeps, Caller } from '../deps.ts';
import { limitDirectory, limitPassword } from '../limits.ts';
import { nameKeyOf } from './identifier.ts';

/** Why a log-in by password fails, for the audit log alone. */
type PasswordRefusal = 'unknown-user' | 'no-password' | 'wrong-password' | 'account-disabled';

/**
 * The account of a name and its password. A name without an account, or without a password, costs the same hash and, where
 * there is a directory, the same question to it.
 *
 * @throws {Failure} credentials-wrong, rate-limited, directory-unavailable
 */
export async function requirePassword(
  deps: ApiDeps,
  identifier: Identifier,
  password: string,
  caller: Caller,
): Promise<AccountWithHashes> {
  const beganAt = performance.now();
  // counted as wrong before it is compared: parallel guesses never exceed the limits
  const consumed = await limitPassword(deps, caller, nameKeyOf(deps, identifier), newId());
  const { account, hash } = (await deps.accounts.findProvable(identifier)) ?? {};
  const reason = await refusalOf(deps, identifier, { account, hash }, password).catch(async (err: unknown) => {
    await consumed.refund();
    throw err;
  });
  if (account === undefined || reason !== undefined) {
    deps.events.loginTried({ method: 'password', identity: identifier.value, userId: account?.userId, reason });
    await padResponseTime(beganAt);
    throw new Failure('credentials-wrong');
  }
  await consumed.refund();
  return { account, hash };
}

async function refusalOf(
  deps: ApiDeps,
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

/** Tells whether the directory knows name and password, and links that entry to the account. */
async function isOfDirectory(
  deps: ApiDeps,
  { value }: Identifier,
  account: Account | undefined,
  password: string,
): Promise<boolean> {
  if (!deps.policy.includes('directory')) return false;
  const username = account?.username ?? value;
  const refund = await limitDirectory(deps, {}, username).catch((err: unknown) => {
    // the limit of the name behind a number would tell that there is one
    if (err instanceof Failure && err.code === 'rate-limited') return undefined;
    throw err;
  });
  if (refund === undefined) return false;
  const passwordRef = await deps.oneTimeSecrets.put(password);
  const answer = await executeWorkflow(deps, directoryLogIn, {
    taskQueue: 'registration',
    workflowId: directoryLogInWorkflowId(newId()),
    staticSummary: 'Log-in by the directory',
    typedSearchAttributes: userAttributesOf(account?.userId),
    args: [{ username, passwordRef }],
  });
  await deps.oneTimeSecrets.remove(passwordRef);
  if (answer.outcome !== 'refused') await refund();
  if (answer.outcome === 'unavailable') {
    throw new Failure('directory-unavailable', { message: 'The directory is not available' });
  }
  if (answer.outcome === 'refused' || account === undefined) return false;
  return deps.accounts.isLinkedTo(account.userId, answer.directoryId);
}
