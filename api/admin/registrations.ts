/** `GET /admin/registrations`: running and ended registrations, and what they wait for. */
import { listRegistrations as listAll } from '../../adapters/temporal/registrations.ts';
import type { adminOperations } from '../../contract/admin.ts';
import type { AnswerOf } from '../../contract/operation.ts';
import { keyedHash } from '../../platform/crypto.ts';
import type { ApiDeps } from '../deps.ts';
import { malformed } from '../parse.ts';
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
  const { limit, cursor, ...filter } = query;
  const { items, nextCursor } = await temporal.withDeadline(Date.now() + askMs, () =>
    listAll(temporal, filter, { limit, cursor: openCursor(hashKey, cursor) }),
  );
  const body = {
    items: items.map(({ id, startedAt, ...rest }) => ({
      registrationId: id,
      ...rest,
      startedAt: startedAt.toISOString(),
    })),
    nextCursor: nextCursor === null ? null : signCursor(hashKey, nextCursor),
  };
  return { status: 200, body };
}

/** Cursors are signed, because Temporal takes long to refuse one that it did not issue. */
function signCursor(key: Buffer, cursor: string): string {
  return `${cursor}.${keyedHash(key, 'cursor', cursor)}`;
}

/** @throws {Failure} malformed */
function openCursor(key: Buffer, encrypted: string | undefined): string | undefined {
  const cursor = encrypted?.split('.')[0];
  if (cursor !== undefined && signCursor(key, cursor) !== encrypted)
    throw malformed('cursor', 'was not issued by this list');
  return cursor;
}
