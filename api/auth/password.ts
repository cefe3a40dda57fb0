/** A name and a password, checked: by the account's own hash, then by the directory. */
import type { Account, ProvableAccount } from '../../adapters/mongo/accounts.ts';
import { runToEnd } from '../../adapters/temporal/orders.ts';
import { directoryLogInWorkflowId, type Identifier } from '../../domain/account.ts';
import { Failure } from '../../domain/failures.ts';
import { newId } from '../../platform/crypto.ts';
import { evenly } from '../../platform/lifecycle.ts';
import { directoryLogIn } from '../../workflows/directory-log-in.ts';
import { userAttributesOf } from '../../workflows/search-attributes.ts';
import type { ApiDeps, Caller } from '../deps.ts';
import { guardPassword } from '../limits.ts';
import { takeDirectoryTry } from '../registrations/directory.ts';
import { nameKeyOf } from './identifier.ts';

/** Why a log-in by password fails, for the trail alone. */
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
): Promise<ProvableAccount> {
  const beganAt = performance.now();
  // counted as wrong before it is compared: parallel guesses never exceed the limits
  const guarded = await guardPassword(deps, caller, nameKeyOf(deps, identifier), newId());
  const { account, hash } = (await deps.accounts.findProvable(identifier)) ?? {};
  const reason = await refusalOf(deps, identifier, { account, hash }, password).catch(async (err: unknown) => {
    await guarded.giveBack();
    throw err;
  });
  if (account === undefined || reason !== undefined) {
    deps.events.loginTried({ method: 'password', identity: identifier.value, userId: account?.userId, reason });
    await evenly(beganAt);
    throw new Failure('credentials-wrong');
  }
  await guarded.giveBack();
  return { account, hash };
}

async function refusalOf(
  deps: ApiDeps,
  identifier: Identifier,
  { account, hash }: { account: Account | undefined; hash: string | undefined },
  password: string,
): Promise<PasswordRefusal | undefined> {
  const hasPassword = hash !== undefined;
  const isOwn = await deps.passwords.verify(hash ?? (await deps.passwords.decoy()), password);
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
  const giveBack = await takeDirectoryTry(deps, {}, username).catch((err: unknown) => {
    // the limit of the name behind a number would tell that there is one
    if (err instanceof Failure && err.code === 'rate-limited') return undefined;
    throw err;
  });
  if (giveBack === undefined) return false;
  const passwordSeal = await deps.seals.put(password);
  const answer = await runToEnd(deps, directoryLogIn, {
    taskQueue: 'registration',
    workflowId: directoryLogInWorkflowId(newId()),
    staticSummary: 'Log-in by the directory',
    typedSearchAttributes: userAttributesOf(account?.userId),
    args: [{ username, passwordSeal }],
  });
  await deps.seals.remove(passwordSeal);
  if (answer.outcome !== 'refused') await giveBack();
  if (answer.outcome === 'unavailable') {
    throw new Failure('directory-unavailable', { message: 'The directory is not available' });
  }
  if (answer.outcome === 'refused' || account === undefined) return false;
  return deps.accounts.isLinkedTo(account.userId, answer.directoryId);
}
