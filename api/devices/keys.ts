/**
 * The key directory: a device uploads its public keys, and others fetch them to begin sessions with it.
 *
 * An upload changes the device in one write, under the condition that it is the one that was read, or nothing. A fetch
 * takes the one-time keys of all devices of a user in one write, then reads them.
 */
import { createHash } from 'node:crypto';
import type { HandOut } from '../../adapters/mongo/devices.ts';
import { type KeySetHeader, type OneTimeKind, oneTimeKinds } from '../../adapters/mongo/prekeys.ts';
import type { KeyBundles, keyOperations } from '../../contract/devices.ts';
import type { KeyUpload } from '../../contract/keys.ts';
import {
  type DeviceSet,
  deviceIn,
  type KeyChange,
  keysLeft,
  type OneTimeKey,
  type SignedKey,
  type StoredDevice,
  setIdsOf,
  type TakenKey,
  type TakenKeys,
} from '../../domain/device.ts';
import { Failure } from '../../domain/failures.ts';
import { keyDigestInput } from '../../domain/keys.ts';
import { isRepeat, isRunningOut, type KnownKey } from '../../domain/one-time-keys.ts';
import type { DeviceSession } from '../authenticate.ts';
import type { ApiDeps } from '../deps.ts';
import type { LimitDeps } from '../limits/counting.ts';
import { allowsHandOut, limitKeyFetch, limitKeyUpload } from '../limits/persons.ts';
import type { HandlerInput } from '../serve.ts';
import { requireSignatures } from '../signed-keys.ts';
import { type WakeUpDeps, wakeUp } from '../wake-up.ts';
import { type Headers, knownLists, readHeaders, requireNoneTaken, storeInPlace, takenKeyIds } from './key-sets.ts';

type KeyDeps = Pick<ApiDeps, 'devices' | 'preKeys'>;
/** The dependencies of an upload. */
export type UploadDeps = KeyDeps & LimitDeps;
/** The dependencies of a fetch. */
export type FetchDeps = KeyDeps & LimitDeps & LowKeyDeps & Pick<ApiDeps, 'accounts'>;
type LowKeyDeps = WakeUpDeps & Pick<ApiDeps, 'announcements'>;

/** Replaces keys of the calling device. @throws {Failure} rate-limited, malformed, key-id-taken, device-missing */
export async function uploadKeys(
  deps: UploadDeps,
  { holder, body, caller }: HandlerInput<typeof keyOperations.uploadKeys>,
): Promise<{ status: 204 }> {
  await limitKeyUpload(deps, caller, holder);
  let verifiedBy: string | undefined;
  // ends: when a change misses, another one was made or keys were handed out
  for (;;) {
    const { set, device } = await requireOwnDevice(deps, holder);
    // a rotation may have come between
    if (verifiedBy !== set.identityKey) await requireSignatures(set.identityKey, [{ path: '', keys: body }]);
    verifiedBy = set.identityKey;
    if (await replaceKeys(deps, { set, device, body })) return { status: 204 };
  }
}

/** Returns the one-time keys of the calling device that are left, and its digest. @throws {Failure} device-missing */
export async function readKeyState(deps: KeyDeps, { holder }: HandlerInput<typeof keyOperations.readKeyState>) {
  const { set, device, headers } = await readUploads(deps, holder);
  const { signedPreKey, pqLastResortPreKey } = device;
  const idsOf = (kind: OneTimeKind) => headers[kind]?.uploaded.map(({ keyId }) => keyId) ?? [];
  const published = keyDigestInput({
    identityKey: Buffer.from(set.identityKey, 'base64'),
    signedPreKeyId: signedPreKey.keyId,
    pqLastResortPreKeyId: pqLastResortPreKey.keyId,
    preKeyIds: idsOf('preKeys'),
    pqPreKeyIds: idsOf('pqPreKeys'),
  });
  const body = {
    count: keysLeft(device.preKeys),
    pqCount: keysLeft(device.pqPreKeys),
    signedPreKeyId: signedPreKey.keyId,
    pqLastResortPreKeyId: pqLastResortPreKey.keyId,
    digest: createHash('sha256').update(published).digest('base64'),
  };
  return { status: 200 as const, body };
}

/** Returns the keys of every device of a user. @throws {Failure} rate-limited, not-found */
export async function takeKeys(
  deps: FetchDeps,
  { holder, params, caller }: HandlerInput<typeof keyOperations.takeKeys>,
): Promise<{ status: 200; body: KeyBundles }> {
  await limitKeyFetch(deps, caller, { callerId: holder.userId, targetId: params.userId });
  return { status: 200, body: await handOut(deps, holder.userId, { userId: params.userId }) };
}

/** Returns the keys of one device of a user. @throws {Failure} rate-limited, not-found */
export async function takeDeviceKeys(
  deps: FetchDeps,
  { holder, params, caller }: HandlerInput<typeof keyOperations.takeDeviceKeys>,
): Promise<{ status: 200; body: KeyBundles }> {
  await limitKeyFetch(deps, caller, { callerId: holder.userId, targetId: params.userId });
  return { status: 200, body: await handOut(deps, holder.userId, params) };
}

/** @throws {Failure} device-missing */
async function requireOwnDevice(
  { devices }: Pick<ApiDeps, 'devices'>,
  { userId, deviceId }: DeviceSession,
): Promise<{ set: DeviceSet; device: StoredDevice }> {
  const set = await devices.read(userId);
  const device = deviceIn(set, deviceId);
  if (set === undefined || device === undefined) throw new Failure('device-missing');
  return { set, device };
}

/** An upload and the device that it was decided for. */
interface Upload {
  set: DeviceSet;
  device: StoredDevice;
  body: KeyUpload;
}

/**
 * Makes the changes of an upload at once. False if the device has changed since it was read, and nothing was changed.
 *
 * @throws {Failure} key-id-taken
 */
async function replaceKeys(deps: UploadDeps, { set, device, body }: Upload): Promise<boolean> {
  const { userId } = set;
  const headers = await readHeaders(deps, device);
  const lists = knownLists(body);
  requireNoneTaken(takenKeyIds({ device, headers }, body, lists));
  const signed = changedSigned(device, body);
  const kinds = oneTimeKinds.filter((kind) => isNewList(headers[kind], lists[kind]));
  if (kinds.length === 0 && Object.keys(signed).length === 0) return true;
  const given = Object.fromEntries(kinds.map((kind) => [kind, body[kind]]));
  const stored = await storeInPlace(deps, { userId, device, headers }, given);
  const change: KeyChange = { ...signed, ...stored };
  const isChanged = await deps.devices.replaceKeys(set, device.deviceId, change);
  const unused = isChanged ? kinds.flatMap((kind) => device[kind]?.setId ?? []) : setIdsOf(change);
  // the purge removes what stays
  await deps.preKeys.remove(unused).catch(() => undefined);
  if (isChanged) {
    deps.events.keysUploaded(
      { userId, deviceId: device.deviceId },
      {
        preKeys: change.preKeys?.total ?? 0,
        pqPreKeys: change.pqPreKeys?.total ?? 0,
        signedKeys: Object.keys(signed).length,
      },
    );
  }
  return isChanged;
}

/**
 * Reads a device with the headers of its sets. A header is missing when its set was replaced between the reads, and then
 * a second look finds the new one.
 *
 * @throws {Failure} device-missing
 */
async function readUploads(
  deps: KeyDeps,
  holder: DeviceSession,
): Promise<{ set: DeviceSet; device: StoredDevice; headers: Headers }> {
  for (let look = 1; ; look++) {
    const { set, device } = await requireOwnDevice(deps, holder);
    const headers = await readHeaders(deps, device);
    const isWhole = oneTimeKinds.every((kind) => (device[kind] === undefined) === (headers[kind] === undefined));
    if (isWhole || look === 3) return { set, device, headers };
  }
}

/** Returns the signed keys of an upload that the device does not have; another signature of the same key changes nothing. */
function changedSigned(device: StoredDevice, body: KeyUpload): KeyChange {
  const { signedPreKey, pqLastResortPreKey } = body;
  return {
    ...(signedPreKey && signedPreKey.keyId !== device.signedPreKey.keyId && { signedPreKey }),
    ...(pqLastResortPreKey && pqLastResortPreKey.keyId !== device.pqLastResortPreKey.keyId && { pqLastResortPreKey }),
  };
}

function isNewList(header: KeySetHeader | undefined, keys: readonly KnownKey[] | undefined): boolean {
  if (keys === undefined || keys.length === 0) return false;
  return header === undefined || !isRepeat(header.uploaded, keys);
}

/** Who is asked for keys: a user, or one device of a user. */
interface Target {
  userId: string;
  deviceId?: string;
}

/**
 * Hands out the keys of a user. Unknown, disabled and deviceless users are the same to the caller.
 *
 * @throws {Failure} not-found
 */
async function handOut(deps: FetchDeps, callerId: string, { userId, deviceId }: Target): Promise<KeyBundles> {
  const [account, withOneTime] = await Promise.all([deps.accounts.read(userId), allowsHandOut(deps, userId)]);
  const isEnabled = account !== undefined && account.disabledAt === undefined;
  const taken = isEnabled ? await deps.devices.takeKeys(userId, deviceId, { withOneTime }) : undefined;
  if (taken === undefined) throw new Failure('not-found');
  tellLow(deps, userId, taken);
  const devices = await Promise.all(taken.devices.map((one) => bundleOf(deps, one)));
  const isGiven = taken.devices.some(({ preKey, pqPreKey }) => preKey !== undefined || pqPreKey !== undefined);
  const oneTime = isGiven ? 'given' : withOneTime ? 'none-left' : 'limited';
  deps.events.keysFetched({ userId: callerId, targetId: userId, devices: devices.length, oneTime });
  return { identityKey: taken.identityKey, devices };
}

/** Returns the keys of a device, with the one-time keys that were taken of it. */
async function bundleOf(deps: Pick<ApiDeps, 'preKeys'>, taken: TakenKeys): Promise<KeyBundles['devices'][number]> {
  const { deviceId, registrationId, signedPreKey, pqLastResortPreKey } = taken.device;
  const [preKey, pqPreKey] = await Promise.all([readTaken(deps, taken.preKey), readTaken(deps, taken.pqPreKey)]);
  return {
    deviceId,
    registrationId,
    signedPreKey,
    ...(preKey && { preKey: { keyId: preKey.keyId, publicKey: preKey.publicKey } }),
    pqPreKey: isSigned(pqPreKey) ? pqPreKey : pqLastResortPreKey,
  };
}

/**
 * Returns a one-time key that was taken. Undefined if it cannot be read, such as when the device has just replaced its
 * keys: then nobody gets it, and the answer is the one that a device without one-time keys has.
 */
async function readTaken({ preKeys }: Pick<ApiDeps, 'preKeys'>, taken: TakenKey | undefined) {
  return taken && preKeys.read(taken.setId, taken.index).catch(() => undefined);
}

function isSigned(key: OneTimeKey | undefined): key is SignedKey {
  return key?.signature !== undefined;
}

/** Tells devices that a hand-out left them few one-time keys or none. The caller does not wait for that. */
function tellLow(deps: LowKeyDeps, userId: string, { devices }: HandOut): void {
  for (const { device, ...taken } of devices) {
    const { deviceId } = device;
    const low = (['preKey', 'pqPreKey'] as const).filter((kind) => taken[kind] && isRunningOut(taken[kind]));
    for (const kind of low) deps.events.keysLow({ userId, deviceId, kind: `${kind}s`, left: taken[kind]?.left ?? 0 });
    if (low.length === 0) continue;
    const count = taken.preKey?.left ?? keysLeft(device.preKeys);
    const pqCount = taken.pqPreKey?.left ?? keysLeft(device.pqPreKeys);
    void deps.announcements.keysLow({ userId, deviceId }, { count, pqCount });
    void wakeUp(deps, { userId, deviceId, reason: 'keys-low' });
  }
}
