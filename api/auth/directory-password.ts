/** Verification of a password by the directory, for the account that is linked to the entry. */
import { executeWorkflow } from '../../adapters/temporal/client-calls.ts';
import type { Account, Identifier } from '../../domain/account.ts';
import { newNameOf } from '../../domain/directory.ts';
import { Failure } from '../../domain/failures.ts';
import { directoryLogInWorkflowId } from '../../domain/workflow-ids.ts';
import { newId } from '../../platform/crypto.ts';
import { type DirectoryLogInAnswer, directoryLogIn } from '../../workflows/directory-log-in.ts';
import { userAttributesOf } from '../../workflows/search-attributes.ts';
import type { ApiDeps } from '../deps.ts';
import { changeIdentity } from '../identity-change.ts';
import type { Consumed } from '../limits/counting.ts';
import { type DirectoryLimitDeps, limitDirectory } from '../limits/log-ins.ts';

/** The dependencies of a verification by the directory. */
export type DirectoryPasswordDeps = DirectoryLimitDeps &
  Pick<ApiDeps, 'policy' | 'directorySecrets' | 'temporal' | 'accounts'>;

/** An identifier, and the account that it belongs to. */
interface Typed {
  identifier: Identifier;
  account: Account | undefined;
}

/**
 * Returns the account that is linked to the entry which accepts the password; undefined without one. An account is found
 * by its entry, also under a name that the directory has given it since; it then adopts that name.
 *
 * An account that is linked to no entry, an unknown name, and a name whose tries are used up cost the same requests.
 *
 * @throws {Failure} directory-unavailable
 */
export async function provenByDirectory(
  deps: DirectoryPasswordDeps,
  typed: Typed,
  password: string,
): Promise<Account | undefined> {
  if (!deps.policy.includes('directory')) return undefined;
  const answer = await askDirectory(deps, typed, password);
  if (answer.outcome === 'unavailable') {
    throw new Failure('directory-unavailable', { message: 'The directory is unavailable' });
  }
  if (answer.outcome === 'refused') return undefined;
  const linked = await deps.accounts.findByDirectoryId(answer.directoryId);
  // the name of an account never opens another account
  if (linked === undefined || (typed.account !== undefined && typed.account.userId !== linked.userId)) return undefined;
  await deps.accounts.learnDirectoryEntry(linked.userId, answer.directoryId);
  await adoptName(deps, linked, answer.username);
  // read again: the epoch of the session is that of the account after its name was adopted
  return deps.accounts.read(linked.userId);
}

async function askDirectory(
  deps: DirectoryPasswordDeps,
  { identifier, account }: Typed,
  password: string,
): Promise<DirectoryLogInAnswer> {
  const username = account?.username ?? identifier.value;
  const directoryId = await deps.accounts.directoryIdOf(account?.userId ?? nobody);
  const consumed = await limitOrSpent(deps, username);
  const passwordRef = await deps.directorySecrets.put(password);
  const answer = await executeWorkflow(deps, directoryLogIn, {
    taskQueue: 'registration',
    workflowId: directoryLogInWorkflowId(newId()),
    staticSummary: 'Log-in by the directory',
    typedSearchAttributes: userAttributesOf(account?.userId),
    args: [{ username, directoryId, passwordRef, isSpent: consumed === undefined }],
  });
  await deps.directorySecrets.remove(passwordRef);
  if (answer.outcome !== 'refused') await consumed?.refund();
  return answer;
}

/** An id that no account has, so that an unknown name costs the same read. */
const nobody = '';

/**
 * Counts an attempt; undefined if the tries are used up. That is not shown: the limit of the user name behind a number
 * would reveal that the account exists.
 */
async function limitOrSpent(deps: DirectoryLimitDeps, username: string): Promise<Consumed | undefined> {
  try {
    return await limitDirectory(deps, {}, username);
  } catch (err) {
    if (err instanceof Failure && err.code === 'rate-limited') return undefined;
    throw err;
  }
}

/** Changes the user name of an account to that of its entry. If it cannot be done now, the directory sync does it. */
async function adoptName(
  deps: Pick<ApiDeps, 'temporal'>,
  { userId, username }: Account,
  name: string | undefined,
): Promise<void> {
  const renamed = name === undefined ? undefined : newNameOf(username, { usernames: [name] });
  if (renamed === undefined) return;
  const wanted = { kind: 'username', value: renamed } as const;
  try {
    await changeIdentity(deps, { changeId: newId(), userId, wanted, isFromDirectory: true });
  } catch (err) {
    if (!(err instanceof Failure)) throw err;
  }
}
