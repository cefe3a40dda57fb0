/** `PATCH /devices/{id}`: the name of a device. */
import type { deviceOperations } from '../../contract/devices.ts';
import type { AnswerOf } from '../../contract/operation.ts';
import { isDeviceId } from '../../domain/device.ts';
import { Failure } from '../../domain/failures.ts';
import type { ApiDeps } from '../deps.ts';
import type { HandlerInput } from '../serve.ts';

type Op = typeof deviceOperations.renameDevice;

/** Renames a device of the calling user. @throws {Failure} not-found */
export async function renameDevice(
  { devices, announcements }: Pick<ApiDeps, 'devices' | 'announcements'>,
  { holder: { userId }, params: { deviceId }, body: { name } }: HandlerInput<Op>,
): Promise<AnswerOf<Op>> {
  const isRenamed = isDeviceId(deviceId) && (await devices.rename(userId, deviceId, name));
  if (!isRenamed) throw new Failure('not-found');
  void announcements.devicesChanged(userId, deviceId, 'renamed');
  return { status: 204 };
}
