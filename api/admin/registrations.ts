/** `GET /admin/registrations`: running and ended registrations, and what they wait for. */
import { listRegistrations as listAll } from '../../adapters/temporal/registrations.ts';
import type { adminOperations } from '../../contract/admin.ts';
import type { AnswerOf } from '../../contract/operation.ts';
import { callTime } from '../../platform/budget.ts';
import { openCursor, signCursor } from '../cursors.ts';
import type { ApiDeps } from '../deps.ts';
import type { HandlerInput } from '../serve.ts';

type Op = typeof adminOperations.listRegistrations;

/** Timeout of the request to Temporal. */
const askMs = 5000;

/**
 * Returns one page of registrations: running ones first, then the newest first. A change is visible after about a
 * second.
 *
 * @throws {Failure} malformed
 */
export async function listRegistrations(
  { temporal, hashKey }: Pick<ApiDeps, 'temporal' | 'hashKey'>,
  { query }: HandlerInput<Op>,
): Promise<AnswerOf<Op>> {
  const { limit, cursor: given, ...filter } = query;
  const scope = ['registrations', JSON.stringify(Object.entries(filter).sort())];
  // signed, because Temporal takes long to refuse a cursor that it did not issue
  const cursor = given === undefined ? undefined : openCursor(hashKey, given, scope);
  const { items, nextCursor } = await temporal.withDeadline(Date.now() + callTime(askMs), () =>
    listAll(temporal, filter, { limit, cursor }),
  );
  const body = {
    items: items.map(({ id, startedAt, ...rest }) => ({
      registrationId: id,
      ...rest,
      startedAt: startedAt.toISOString(),
    })),
    nextCursor: nextCursor === null ? null : signCursor(hashKey, nextCursor, scope),
  };
  return { status: 200, body };
}
