/** `POST /admin/users/{id}/disable`: takes the access of a person. */
import { z } from 'zod';
import type { Session } from '../../adapters/redis/sessions.ts';
import { executeSingleton } from '../../adapters/temporal/client-calls.ts';
import { userAdministrationWorkflowId } from '../../domain/account.ts';
import { Failure } from '../../domain/failures.ts';
import { userAttributesOf } from '../../workflows/search-attributes.ts';
import { userDisabling } from '../../workflows/user-administration.ts';
import type { ApiDeps } from '../deps.ts';
import { requireAccount } from './roles.ts';

/** What was done. */
export const DisabledUser = z.object({
  userId: z.string(),
  sessionsEnded: z.int().describe('By this request; none when it was disabled before'),
});

const waitMs = 10_000;

/**
 * Disables an account and ends its sessions, as `vyry users disable` does. Safe to repeat. Admins do not disable themselves.
 *
 * @throws {Failure} not-found, forbidden, unavailable
 */
export async function disableUser(
  deps: ApiDeps,
  admin: Session,
  userId: string,
): Promise<z.output<typeof DisabledUser>> {
  await requireAccount(deps, userId);
  if (userId === admin.userId) throw new Failure('forbidden', { message: 'Another admin has to disable you' });
  const { sessionsEnded } = await executeSingleton(deps, userDisabling, {
    workflowId: userAdministrationWorkflowId(userId),
    args: [{ userId, at: Date.now(), operator: admin.userId }],
    staticSummary: 'Disable an account',
    typedSearchAttributes: userAttributesOf(userId),
    waitMs,
  });
  return { userId, sessionsEnded };
}
