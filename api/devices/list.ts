/** `GET /devices`: the devices of a user. */
import type { deviceOperations } from '../../contract/devices.ts';
import type { AnswerOf } from '../../contract/operation.ts';
import { deviceViewsOf } from '../../domain/device-view.ts';
import type { ApiDeps } from '../deps.ts';
import type { HandlerInput } from '../serve.ts';

type Op = typeof deviceOperations.listDevices;

/** Lists the devices of the calling user, in the order of their ids. */
export async function listDevices(
  {
    devices,
    deviceActivity,
    wakeUps,
    pushCipher,
  }: Pick<ApiDeps, 'devices' | 'deviceActivity' | 'wakeUps' | 'pushCipher'>,
  { holder: { userId, deviceId: currentId } }: HandlerInput<Op>,
): Promise<AnswerOf<Op>> {
  const [set, activity, pushed] = await Promise.all([
    devices.read(userId),
    deviceActivity.read(userId),
    wakeUps.lastResults(userId),
  ]);
  const views = deviceViewsOf(set, { activity, pushed, pushCipher }, Date.now());
  return { status: 200, body: { items: views.map((view) => ({ ...view, current: view.deviceId === currentId })) } };
}
