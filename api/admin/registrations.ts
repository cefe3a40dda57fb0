/** `GET /admin/registrations`: what is under way and where it is stuck. */
import { z } from 'zod';
import {
  awaitedSystems,
  listRegistrations as listAll,
  registrationStates,
  registrationSteps,
} from '../../adapters/temporal/registrations.ts';
import { keyedHash } from '../../platform/crypto.ts';
import type { ApiDeps } from '../deps.ts';
import { malformed, pageLimit, parse } from '../schemas.ts';

/** Which registrations, and which page of them. */
export const RegistrationsQuery = z.strictObject({
  state: z.enum(registrationStates).optional(),
  step: z.enum(registrationSteps).optional(),
  waitingFor: z.enum(awaitedSystems).optional(),
  country: z
    .string()
    .regex(/^[A-Z]{2}$/, 'must be a country such as GB')
    .optional(),
  limit: pageLimit,
  cursor: z
    .string()
    .regex(/^[\w-]{1,2000}\.[\w-]{43}$/, 'must be one that was answered')
    .optional(),
});

/** Registrations without anything personal. */
export const RegistrationList = z
  .object({
    items: z.array(
      z.object({
        registrationId: z.string(),
        state: z.string(),
        step: z.string(),
        waitingFor: z.string().optional(),
        startedAt: z.iso.datetime(),
      }),
    ),
    nextCursor: z.string().nullable(),
  })
  .meta({ id: 'RegistrationList' });

/** Temporal is asked within this. */
const askMs = 5000;

/**
 * One page of registrations, those under way first, then the newest first; a change shows after about a second.
 *
 * @throws {Failure} malformed
 */
export async function listRegistrations(
  { temporal, hashKey }: Pick<ApiDeps, 'temporal' | 'hashKey'>,
  query: unknown,
): Promise<z.output<typeof RegistrationList>> {
  const { limit, cursor, ...filter } = parse(RegistrationsQuery, query);
  const { items, nextCursor } = await temporal.withDeadline(Date.now() + askMs, () =>
    listAll(temporal, filter, { limit, cursor: openCursor(hashKey, cursor) }),
  );
  return {
    items: items.map(({ id, startedAt, ...rest }) => ({
      registrationId: id,
      ...rest,
      startedAt: startedAt.toISOString(),
    })),
    nextCursor: nextCursor === null ? null : signCursor(hashKey, nextCursor),
  };
}

/** Temporal takes its time with a cursor that it did not make: none reaches it. */
function signCursor(key: Buffer, cursor: string): string {
  return `${cursor}.${keyedHash(key, 'cursor', cursor)}`;
}

/** @throws {Failure} malformed */
function openCursor(key: Buffer, encrypted: string | undefined): string | undefined {
  const cursor = encrypted?.split('.')[0];
  if (cursor !== undefined && signCursor(key, cursor) !== encrypted)
    throw malformed('cursor', 'is not one of this list');
  return cursor;
}
