/** Devices as their user sees them. */
import type { ListedDevice } from '../contract/devices.ts';
import { deviceViewsOf } from '../domain/device-view.ts';
import type { ApiDeps } from './deps.ts';

/** The dependencies of the views of devices. */
export type DeviceViewDeps = Pick<ApiDeps, 'devices' | 'deviceActivity' | 'wakeUps' | 'pushCipher'>;

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
