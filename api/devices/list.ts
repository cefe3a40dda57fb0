/** `GET /devices`: the devices of a user. */
import type { deviceOperations, ListedDevice } from '../../contract/devices.ts';
import type { AnswerOf } from '../../contract/operation.ts';
import { keysLeft, probationOf, type StoredDevice } from '../../domain/device.ts';
import type { ApiDeps } from '../deps.ts';
import type { HandlerInput } from '../serve.ts';

type Op = typeof deviceOperations.listDevices;

/** Lists the devices of the calling user, in the order of their ids. */
export async function listDevices(
  deps: Pick<ApiDeps, 'devices' | 'deviceActivity'>,
  { holder: { userId, deviceId } }: HandlerInput<Op>,
): Promise<AnswerOf<Op>> {
  return { status: 200, body: { items: await deviceViews(deps, userId, deviceId) } };
}

/** Returns the devices of a user as the user sees them; `currentId` is the device of the calling session. */
export async function deviceViews(
  { devices, deviceActivity }: Pick<ApiDeps, 'devices' | 'deviceActivity'>,
  userId: string,
  currentId: string | undefined,
): Promise<ListedDevice[]> {
  const [set, activity] = await Promise.all([devices.read(userId), deviceActivity.read(userId)]);
  const now = Date.now();
  return (
    set?.devices.map((device) => ({
      ...viewOf(device, now),
      lastSeenAt: instantOf(activity[device.deviceId] ?? device.createdAt),
      current: device.deviceId === currentId,
    })) ?? []
  );
}

function viewOf(device: StoredDevice, now: number): Omit<ListedDevice, 'lastSeenAt' | 'current'> {
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

function instantOf(at: number): string {
  return new Date(at).toISOString();
}
