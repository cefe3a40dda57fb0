/** `GET /registrations/{id}`: its state. */
import type { AnswerOf } from '../../contract/operation.ts';
import type { registrationOperations } from '../../contract/registrations.ts';
import { isRunning, type RegistrationStatus } from '../../domain/registration.ts';
import type { ApiDeps } from '../deps.ts';
import type { HandlerInput } from '../serve.ts';
import { currentView, untilStatus, type ViewDeps } from './status.ts';

type Op = typeof registrationOperations.readRegistration;

/** Reads a registration; with `waitSeconds`, as soon as it changes. One that has ended is returned at once. */
export async function readRegistration(
  deps: ViewDeps & Pick<ApiDeps, 'listener'>,
  { holder: { registrationId, status }, query: { waitSeconds = 0 } }: HandlerInput<Op>,
): Promise<AnswerOf<Op>> {
  if (waitSeconds === 0 || !isRunning(status))
    return { status: 200, body: await currentView(deps, registrationId, status) };
  // without a workflow nothing publishes its end; a timer may be a millisecond early
  const leftMs = status.version === 0 ? status.expiresAt - Date.now() + 5 : Number.POSITIVE_INFINITY;
  const waitMs = Math.min(waitSeconds * 1000, leftMs);
  // a proof that the workflow does not know yet leaves the version as it is
  const isNews = (later: RegistrationStatus) => later.version > status.version || countDone(later) > countDone(status);
  const changed = await untilStatus(deps, registrationId, waitMs, isNews);
  return { status: 200, body: await currentView(deps, registrationId, changed) };
}

function countDone({ steps }: RegistrationStatus): number {
  return steps.filter(({ status }) => status === 'done').length;
}
