/** `GET /users/me`: the account of the calling user. */
import type { AnswerOf } from '../../contract/operation.ts';
import type { User } from '../../contract/schemas.ts';
import type { userOperations } from '../../contract/users.ts';
import { Failure } from '../../domain/failures.ts';
import type { ApiDeps } from '../deps.ts';
import type { HandlerInput } from '../serve.ts';
import { userView } from '../views.ts';

type Op = typeof userOperations.readMe;

/** Returns the user of the calling session. @throws {Failure} not-found when the account was deleted */
export async function readMe(
  deps: Pick<ApiDeps, 'accounts'>,
  { holder: { userId } }: HandlerInput<Op>,
): Promise<AnswerOf<Op>> {
  return { status: 200, body: await viewOf(deps, userId) };
}

/** Returns the current view of an account. @throws {Failure} not-found when the account was deleted */
export async function viewOf({ accounts }: Pick<ApiDeps, 'accounts'>, userId: string): Promise<User> {
  const account = await accounts.read(userId);
  if (account === undefined) throw new Failure('not-found');
  return userView(account);
}
