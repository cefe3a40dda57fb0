/** `GET /devices`: the devices of a user. */
import type { deviceOperations } from '../../contract/devices.ts';
import type { AnswerOf } from '../../contract/operation.ts';
import { type DeviceViewDeps, deviceViews } from '../device-views.ts';
import type { HandlerInput } from '../serve.ts';

type Op = typeof deviceOperations.listDevices;

/** Lists the devices of the calling user, in the order of their ids. */
export async function listDevices(
  deps: DeviceViewDeps,
  { holder: { userId, deviceId } }: HandlerInput<Op>,
): Promise<AnswerOf<Op>> {
  return { status: 200, body: { items: await deviceViews(deps, userId, deviceId) } };
}
