/** `PUT /users/me/identity`: a new identity key of an account, with new signed keys of every device. */
import type { deviceOperations, IdentityRotation } from '../../contract/devices.ts';
import type { AnswerOf } from '../../contract/operation.ts';
import {
  type DeviceSet,
  deviceIn,
  type Rotation,
  rotationGaps,
  type StoredDevice,
  setIdsOf,
} from '../../domain/device.ts';
import { Failure } from '../../domain/failures.ts';
import { sha256 } from '../../platform/crypto.ts';
import type { ApiDeps } from '../deps.ts';
import { notifyOwner } from '../notifications.ts';
import { malformed } from '../parse.ts';
import type { HandlerInput } from '../serve.ts';
import { requireSignatures } from '../signed-keys.ts';

type Op = typeof deviceOperations.rotateIdentity;
type Deps = Pick<ApiDeps, 'devices' | 'preKeys' | 'events' | 'announcements' | 'temporal'>;

/**
 * Replaces the identity key of the calling user and the keys that it signs, of every device or of none. The one-time keys
 * that it did not sign stay unless they are given; the others are dropped unless they are given. Safe to repeat.
 *
 * @throws {Failure} malformed, devices-differ with `missingDevices` and `extraDevices`, key-id-taken
 */
export async function rotateIdentity(
  deps: Deps,
  { holder: { userId, deviceId }, body }: HandlerInput<Op>,
): Promise<AnswerOf<Op>> {
  await requireSignatures(
    body.identityKey,
    body.devices.map((keys, index) => ({ path: `devices.${index}`, keys })),
  );
  // ends: when a change misses, another one was made or keys were handed out
  for (;;) {
    const set = await deps.devices.read(userId);
    if (set === undefined || deviceIn(set, deviceId) === undefined) throw new Failure('device-missing');
    requireSameDevices(set, body);
    const isRepeat = set.identityKey === body.identityKey;
    if (isRepeat) requireRepeat(set, body);
    else requireFreeIds(set, body);
    if (!isRepeat && !(await rotate(deps, set, body))) continue;
    if (!isRepeat) void deps.announcements.identityChanged(userId, { reason: 'rotated', at: Date.now() });
    await tellRotated(deps, userId, body);
    return { status: 204 };
  }
}

/** Tells the owner, once for an identity key: a repeat tells it if a crash came between. */
async function tellRotated(
  deps: Pick<ApiDeps, 'events' | 'temporal'>,
  userId: string,
  { identityKey, devices }: IdentityRotation,
): Promise<void> {
  const occasion = keyId(identityKey);
  deps.events.identityKeyChanged({ userId, why: 'rotated', devices: devices.length, once: `${userId} ${occasion}` });
  await notifyOwner(deps, { userId, kind: 'identity-key-changed', occasion });
}

/** A short name of a public key. */
function keyId(publicKey: string): string {
  return sha256(publicKey).toString('hex').slice(0, 32);
}

/** @throws {Failure} devices-differ */
function requireSameDevices(set: DeviceSet, { devices }: IdentityRotation): void {
  const fields = rotationGaps(
    set,
    devices.map((one) => one.deviceId),
  );
  if (fields.missingDevices.length + fields.extraDevices.length > 0) throw new Failure('devices-differ', { fields });
}

/** Requires that the set has the keys already. @throws {Failure} malformed */
function requireRepeat(set: DeviceSet, { devices }: IdentityRotation): void {
  const isRepeat = devices.every(({ deviceId, signedPreKey, pqLastResortPreKey }) => {
    const known = deviceIn(set, deviceId);
    return (
      known?.signedPreKey.publicKey === signedPreKey.publicKey &&
      known.pqLastResortPreKey.publicKey === pqLastResortPreKey.publicKey
    );
  });
  if (!isRepeat) throw malformed('identityKey', 'must not be the present identity key');
}

/** @throws {Failure} key-id-taken, with the ids under which a device has another key */
function requireFreeIds(set: DeviceSet, { devices }: IdentityRotation): void {
  const keyIds = devices.flatMap(({ deviceId, signedPreKey, pqLastResortPreKey }) => {
    const known = deviceIn(set, deviceId);
    return [
      ...(isTaken(known?.signedPreKey, signedPreKey) ? [signedPreKey.keyId] : []),
      ...(isTaken(known?.pqLastResortPreKey, pqLastResortPreKey) ? [pqLastResortPreKey.keyId] : []),
    ];
  });
  if (keyIds.length > 0) throw new Failure('key-id-taken', { fields: { keyIds: [...new Set(keyIds)] } });
}

function isTaken(known: StoredDevice['signedPreKey'] | undefined, given: StoredDevice['signedPreKey']): boolean {
  return known?.keyId === given.keyId && known.publicKey !== given.publicKey;
}

/** Makes the change in one write; false if the set has changed since it was read, and nothing was changed. */
async function rotate(
  { devices, preKeys }: Pick<ApiDeps, 'devices' | 'preKeys'>,
  set: DeviceSet,
  body: IdentityRotation,
): Promise<boolean> {
  const rotated: Rotation['devices'] = [];
  for (const { deviceId, signedPreKey, pqLastResortPreKey, ...oneTime } of body.devices) {
    const sets = await preKeys.storeLists(set.userId, oneTime);
    rotated.push({ deviceId, signedPreKey, pqLastResortPreKey, ...sets });
  }
  const isRotated = await devices.rotate(set, { identityKey: body.identityKey, devices: rotated });
  const unused = isRotated ? replacedSets(set, rotated) : rotated.flatMap(setIdsOf);
  // the purge removes what stays
  await preKeys.remove(unused).catch(() => undefined);
  return isRotated;
}

/** The key sets that no device refers to after a rotation. */
function replacedSets(set: DeviceSet, rotated: Rotation['devices']): string[] {
  return rotated.flatMap(({ deviceId, preKeys }) => {
    const known = deviceIn(set, deviceId);
    return [known?.pqPreKeys, preKeys === undefined ? undefined : known?.preKeys].flatMap((one) => one?.setId ?? []);
  });
}
