/** `GET /devices`: the devices of a user. */
import type { deviceOperations, ListedDevice } from '../../contract/devices.ts';
import type { AnswerOf } from '../../contract/operation.ts';
import { deviceViewsOf } from '../../domain/device-view.ts';
import type { ApiDeps } from '../deps.ts';
import type { HandlerInput } from '../serve.ts';

type Op = typeof deviceOperations.listDevices;
/** The dependencies of the views of devices. */
export type DeviceViewDeps = Pick<ApiDeps, 'devices' | 'deviceActivity' | 'wakeUps' | 'pushCipher'>;

/** Lists the devices of the calling user, in the order of their ids. */
export async function listDevices(
  deps: DeviceViewDeps,
  { holder: { userId, deviceId } }: HandlerInput<Op>,
): Promise<AnswerOf<Op>> {
  return { status: 200, body: { items: await deviceViews(deps, userId, deviceId) } };
}

/** Returns the devices of a user as the user sees them; `currentId` is the device of the calling session. */
export async function deviceViews(
  { devices, deviceActivity, wakeUps, pushCipher }: DeviceViewDeps,
  userId: string,
  currentId: string | undefined,
): Promise<ListedDevice[]> {
  const [set, activity, pushed] = await Promise.all([
    devices.read(userId),
    deviceActivity.read(userId),
    wakeUps.lastResults(userId),
  ]);
  const views = deviceViewsOf(set, { activity, pushed, pushCipher }, Date.now());
  return views.map((view) => ({ ...view, current: view.deviceId === currentId }));
}
