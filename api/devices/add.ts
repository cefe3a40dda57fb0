/** `PUT /devices/me`: the calling session becomes one of a new device. */
import type { Device, deviceOperations } from '../../contract/devices.ts';
import type { AnswerOf } from '../../contract/operation.ts';
import { deviceIn, isSameDevice } from '../../domain/device.ts';
import { Failure } from '../../domain/failures.ts';
import type { ApiDeps } from '../deps.ts';
import { type DeviceAddDeps, withDevice } from '../new-devices.ts';
import type { HandlerInput } from '../serve.ts';
import { bindSession, requireEnabled, type SessionBeginDeps } from '../sessions.ts';

type Op = typeof deviceOperations.addDevice;

/**
 * Makes the calling session one of a new device. Safe to repeat: the same keys return the same device, with new tokens.
 *
 * @throws {Failure} not-found, account-disabled, device-present, token-invalid, and as `withDevice`
 */
export async function addDevice(
  deps: DeviceAddDeps & SessionBeginDeps & Pick<ApiDeps, 'refreshCipher'>,
  { holder, body, minted: { at } }: HandlerInput<Op>,
): Promise<AnswerOf<Op>> {
  const { userId, sessionId, deviceId } = holder;
  const account = await deps.accounts.read(userId);
  if (account === undefined) throw new Failure('not-found');
  requireEnabled(account);
  if (deviceId !== undefined) await requireOwnKeys(deps, { userId, deviceId }, body);
  const tokens = await withDevice(deps, { userId, body, origin: { addedBy: sessionId, at } }, (device) =>
    bindSession(deps, account, holder, device),
  );
  return { status: 201, body: tokens };
}

/** Requires that the device of a session is the one of a body. @throws {Failure} device-present */
async function requireOwnKeys(
  { devices }: Pick<ApiDeps, 'devices'>,
  { userId, deviceId }: { userId: string; deviceId: string },
  body: Device,
): Promise<void> {
  const own = deviceIn(await devices.read(userId), deviceId);
  if (own === undefined || !isSameDevice(own, body)) throw new Failure('device-present');
}
