/** `DELETE /devices/{id}`: removes a device. */
import { executeSingleton } from '../../adapters/temporal/client-calls.ts';
import type { deviceOperations } from '../../contract/devices.ts';
import type { AnswerOf } from '../../contract/operation.ts';
import { deviceIn } from '../../domain/device.ts';
import { Failure } from '../../domain/failures.ts';
import { deviceRemovalWorkflowId } from '../../domain/workflow-ids.ts';
import { deviceRemoval } from '../../workflows/device-removal.ts';
import { userAttributesOf } from '../../workflows/search-attributes.ts';
import type { ApiDeps } from '../deps.ts';
import type { HandlerInput } from '../serve.ts';

type Op = typeof deviceOperations.revokeDevice;

const waitMs = 10_000;

/**
 * Removes a device of the calling user: its sessions, keys and push registration end before the answer. The calling device
 * may remove itself. Safe to repeat: the removal continues when the services that it needs are available again.
 *
 * @throws {Failure} not-found, unavailable
 */
export async function revokeDevice(
  deps: Pick<ApiDeps, 'devices' | 'temporal'>,
  { holder: { userId }, params: { deviceId } }: HandlerInput<Op>,
): Promise<AnswerOf<Op>> {
  const device = deviceIn(await deps.devices.read(userId), deviceId);
  if (device === undefined) throw new Failure('not-found');
  const removal = await executeSingleton(deps, deviceRemoval, {
    workflowId: deviceRemovalWorkflowId(userId, deviceId),
    args: [{ userId, deviceId, createdAt: device.createdAt, at: Date.now(), why: 'revoked' }],
    staticSummary: 'Remove a device',
    typedSearchAttributes: userAttributesOf(userId),
    waitMs,
  });
  if (removal.outcome === 'missing') throw new Failure('not-found');
  return { status: 200, body: { rotationAdvised: removal.hasOthers } };
}
