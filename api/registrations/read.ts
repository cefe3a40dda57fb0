/** `GET /registrations/{id}`: where it stands. */
import { z } from 'zod';
import type { ApiDeps } from '../deps.ts';
import { parse, type Registration } from '../schemas.ts';
import { currentView, type RegistrationCaller, untilStatus } from './status.ts';

/** How long an answer may wait for a change. */
export const WaitQuery = z.strictObject({
  waitSeconds: z
    .string()
    .regex(/^([0-9]|[12][0-9]|30)$/, 'must be 0 to 30')
    .transform(Number)
    .optional(),
});

/** Where a registration stands; with `waitSeconds`, as soon as it changes. One that is over answers at once. */
export async function readRegistration(
  deps: ApiDeps,
  caller: RegistrationCaller,
  query: unknown,
): Promise<Registration> {
  const { waitSeconds = 0 } = parse(WaitQuery, query);
  const { registrationId, status } = caller;
  const isOver = status.state !== 'pending' && status.state !== 'waiting';
  if (waitSeconds === 0 || isOver) return currentView(deps, registrationId, status);
  const isUnstarted = status.version === 0;
  // the end of one that nobody continues is announced by nobody; a timer may be a millisecond early
  const leftMs = isUnstarted ? status.expiresAt - Date.now() + 5 : Number.POSITIVE_INFINITY;
  const waitMs = Math.min(waitSeconds * 1000, leftMs);
  const changed = await untilStatus(deps, registrationId, waitMs, ({ version }) => version > status.version);
  return currentView(deps, registrationId, changed);
}
