/** `GET /devices`: the devices of a user. */

import type { LastPush } from '../../adapters/redis/wake-ups.ts';
import type { deviceOperations, ListedDevice } from '../../contract/devices.ts';
import type { AnswerOf } from '../../contract/operation.ts';
import { keysLeft, probationOf, type StoredDevice } from '../../domain/device.ts';
import type { PushRegistration } from '../../domain/push.ts';
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
  const now = Date.now();
  return (
    set?.devices.map((device) => ({
      ...viewOf(device, now),
      ...pushOf({ pushCipher }, device, pushed.get(device.deviceId)),
      lastSeenAt: instantOf(activity[device.deviceId] ?? device.createdAt),
      current: device.deviceId === currentId,
    })) ?? []
  );
}

function viewOf(device: StoredDevice, now: number): Omit<ListedDevice, 'lastSeenAt' | 'current' | 'push'> {
  const { deviceId, name, client, createdAt, linkedBy = null, preKeys, pqPreKeys } = device;
  const probationUntil = probationOf(device, now);
  return {
    deviceId,
    name,
    client,
    createdAt: instantOf(createdAt),
    linkedBy,
    ...(probationUntil !== undefined && { probationUntil: instantOf(probationUntil) }),
    keys: { count: keysLeft(preKeys), pqCount: keysLeft(pqPreKeys) },
  };
}

/** Returns the push registration of a device as its user sees it, without the token, and what its provider said last. */
function pushOf(
  { pushCipher }: Pick<ApiDeps, 'pushCipher'>,
  { push }: StoredDevice,
  last: LastPush | undefined,
): Pick<ListedDevice, 'push'> {
  if (push === undefined) return {};
  const { provider } = JSON.parse(pushCipher.decryptText(push)) as PushRegistration;
  const lastAt = last === undefined ? null : instantOf(last.at);
  return { push: { provider, lastResult: last?.result ?? null, lastAt } };
}

function instantOf(at: number): string {
  return new Date(at).toISOString();
}
