/** Operations on people. */
import type { z } from 'zod';
import type { Account } from '../../adapters/mongo/accounts.ts';
import type { Session } from '../../adapters/redis/sessions.ts';
import { Failure } from '../../domain/failures.ts';
import type { ApiDeps } from '../deps.ts';
import type { User } from '../schemas.ts';

/** The person whose session asks. @throws {Failure} not-found when the account is gone */
export async function readMe({ accounts }: ApiDeps, { userId }: Session): Promise<z.output<typeof User>> {
  const account = await accounts.read(userId);
  if (account === undefined) throw new Failure('not-found');
  return userView(account);
}

/** An account as its person sees it. */
export function userView(account: Account): z.output<typeof User> {
  const { disabledAt: _operators, registrationIds: _ours, deletionId: _deletion, deletionAt, ...own } = account;
  return {
    ...own,
    createdAt: account.createdAt.toISOString(),
    ...(deletionAt && { deletionAt: deletionAt.toISOString() }),
  };
}
