/** `PUT /registrations/{id}/device`: the device that the account gets. */
import type { Device } from '../../contract/devices.ts';
import type { AnswerOf } from '../../contract/operation.ts';
import type { registrationOperations } from '../../contract/registrations.ts';
import { isRunning } from '../../domain/registration.ts';
import { setDevice } from '../../workflows/registration-messages.ts';
import type { ApiDeps } from '../deps.ts';
import { checkDevice, requireAddedBy } from '../new-devices.ts';
import type { HandlerInput } from '../serve.ts';
import { requireSignatures } from '../signed-keys.ts';
import {
  finalView,
  isDone,
  limitStep,
  type RegistrationCaller,
  requireStep,
  type StepLimitDeps,
  type ViewDeps,
} from './status.ts';
import { type UpdateDeps, updateRegistration } from './update.ts';

type Op = typeof registrationOperations.submitDevice;
type Deps = StepLimitDeps &
  UpdateDeps &
  ViewDeps &
  Pick<ApiDeps, 'policy' | 'registrations' | 'events' | 'devices' | 'config'>;

/**
 * Stores the device until the account exists; a later one replaces it. The keys do not pass through the workflow, which
 * only learns the identity key. A repeat after the registration has ended returns its end.
 *
 * @throws {Failure} malformed, step-not-available, identity-taken, device-limit, rate-limited
 */
export async function submitDevice(
  deps: Deps,
  { holder: caller, body: device }: HandlerInput<Op>,
): Promise<AnswerOf<Op>> {
  const { registrationId, status } = caller;
  if (!isRunning(status) && isDone(status, 'device'))
    return { status: 200, body: await finalView(deps, registrationId, status) };
  requireStep(deps, caller, 'device');
  // counted before the signatures are verified, because that costs most
  await limitStep(deps, caller, 'device');
  await requireFitting(deps, caller, device);
  await deps.registrations.saveDevice(registrationId, device);
  const answer = await updateRegistration(deps, registrationId, setDevice, { identityKey: device.identityKey });
  deps.events.stepDone(registrationId, 'device');
  return { status: 200, body: await finalView(deps, registrationId, answer.status) };
}

/**
 * Requires a device whose keys are signed. After an approval by a device the account must be able to have it besides the
 * others.
 *
 * @throws {Failure} malformed, device-limit
 */
async function requireFitting(
  deps: Deps,
  { registrationId, status: { approvedBy, existing } }: RegistrationCaller,
  device: Device,
): Promise<void> {
  if (approvedBy !== 'device' || existing === undefined) {
    return requireSignatures(device.identityKey, [{ path: '', keys: device }]);
  }
  const known = await checkDevice(deps, existing.userId, device);
  if (known !== undefined) requireAddedBy(known, registrationId);
}
