/**
 * A new identity key of an account, such as after a device was removed that knows the old one. It signs new keys of every
 * device, and the server takes all of them or none. One device makes everything, and sends the others their private keys
 * first: whichever moment a process ends at, each device has the keys that the server may have.
 */
import type { IdentityRotation } from '../contract/devices.ts';
import { fromBase64, toBase64 } from './bytes.ts';
import type { Calls } from './calls.ts';
import { generateKeyPair, publicKeyOf } from './crypto/curve.ts';
import { hasCode, VyryError } from './errors.ts';
import { makeSignedKeys, pruneKeys } from './keys.ts';
import type { ClientState, ClientStore, RotatedKeys, Rotation } from './store.ts';

/** What a rotation needs. */
export interface RotationDeps {
  calls: Calls;
  store: ClientStore;
  now: () => number;
}

/** Gives other devices of the account their keys, and resolves once they have kept them. */
export type SendKeys = (keys: readonly RotatedKeys[]) => Promise<void>;

/**
 * Replaces the identity key of an account. A repeat sends the same keys until the server has them or refuses them.
 *
 * @throws {VyryError} OTHER_DEVICES, a refusal of the server, or what `sendKeys` throws
 */
export async function rotate(deps: RotationDeps, sendKeys: SendKeys | undefined): Promise<void> {
  const { calls, store } = deps;
  const { items } = await calls.listDevices();
  const otherIds = items.filter(({ current }) => !current).map(({ deviceId }) => deviceId);
  if (otherIds.length > 0 && sendKeys === undefined) {
    const message = 'Other devices must have their new keys before the server does';
    throw new VyryError('OTHER_DEVICES', message, { fields: { devices: otherIds } });
  }
  const { body, others } = await store.transaction((state) => ownRotation(state, otherIds, deps.now()));
  if (others.length > 0) await sendKeys?.(others);
  const refused = await calls.rotateIdentity({ body }).then(
    () => undefined,
    (err: unknown) => err,
  );
  // the server may have it also after a refusal: that of a repeat, when the answer was lost and a device was added since
  if ((await settleRotation(deps)) !== undefined || refused === undefined) return;
  if (hasCode(refused, 'CONFLICT')) await store.transaction(discardOwnRotation);
  throw refused;
}

/** Takes over the rotation that the server has, and returns it; undefined if it has none that this device knows. */
export async function settleRotation({ calls, store, now }: RotationDeps): Promise<Rotation | undefined> {
  if (await store.transaction((state) => state.rotations === undefined)) return undefined;
  const published = await calls.readKeyState();
  return await store.transaction((state) => takeOver(state, published, now()));
}

/**
 * Keeps keys that another device of the account has sent, until the server has them.
 *
 * @throws {VyryError} ROTATION_KEYS
 */
export function keepReceived(state: ClientState, keys: RotatedKeys): void {
  const { deviceId, identity } = keys;
  if (deviceId !== state.deviceId || !isPair(identity))
    throw new VyryError('ROTATION_KEYS', 'These keys are not those of this device');
  const known = state.rotations?.some((one) => one.keys.identity.publicKey === identity.publicKey) ?? false;
  if (!known) state.rotations = [...(state.rotations ?? []), { keys }];
}

/** Returns the rotation that this device has begun for these other devices, or begins it. */
function ownRotation(state: ClientState, others: readonly string[], now: number): Required<Rotation> {
  const begun = state.rotations?.find((one): one is Required<Rotation> => one.body !== undefined);
  const isSame = begun?.others.map(({ deviceId }) => deviceId).join() === others.join();
  if (begun !== undefined && isSame) return begun;
  const { publicKey, privateKey } = generateKeyPair();
  const identity = { publicKey: toBase64(publicKey), privateKey: toBase64(privateKey) };
  const made = [state.deviceId ?? '', ...others].map((deviceId) => {
    const { upload, stored } = makeSignedKeys(state, privateKey, now);
    return { upload: { deviceId, ...upload }, keys: { deviceId, identity, ...stored } };
  });
  const [own, ...forOthers] = made.map(({ keys }) => keys);
  if (own === undefined) throw new Error('unreachable');
  const body: IdentityRotation = { identityKey: identity.publicKey, devices: made.map(({ upload }) => upload) };
  const rotation = { keys: own, body, others: forOthers };
  discardOwnRotation(state);
  state.rotations = [...(state.rotations ?? []), rotation];
  return rotation;
}

function discardOwnRotation(state: ClientState): void {
  const others = state.rotations?.filter(({ body }) => body === undefined) ?? [];
  if (others.length > 0) state.rotations = others;
  else delete state.rotations;
}

/** Makes the keys of a rotation those of the device if the server has them. What they replace is kept for messages. */
function takeOver(
  state: ClientState,
  published: { signedPreKeyId: number; pqLastResortPreKeyId: number },
  now: number,
): Rotation | undefined {
  const made = state.rotations?.find(
    ({ keys: { signedPreKey, pqLastResortPreKey } }) =>
      signedPreKey.keyId === published.signedPreKeyId && pqLastResortPreKey.keyId === published.pqLastResortPreKeyId,
  );
  if (made === undefined) return undefined;
  const { identity, signedPreKey, pqLastResortPreKey } = made.keys;
  // the old identity key signed these, so the server dropped them
  for (const kind of ['signedPreKey', 'pqLastResortPreKey', 'pqPreKeys'] as const)
    for (const key of state.keys[kind]) key.replacedAt ??= now;
  state.identity = identity;
  state.keys.signedPreKey.push(signedPreKey);
  state.keys.pqLastResortPreKey.push(pqLastResortPreKey);
  state.confirmed = {
    signedPreKeyId: signedPreKey.keyId,
    pqLastResortPreKeyId: pqLastResortPreKey.keyId,
    preKeyIds: state.confirmed?.preKeyIds ?? [],
    pqPreKeyIds: [],
  };
  // signed by the old identity key: refused from now on; its private keys stay, because the server may have taken it before
  delete state.pending;
  delete state.rotations;
  pruneKeys(state, now);
  return made;
}

function isPair({ publicKey, privateKey }: RotatedKeys['identity']): boolean {
  try {
    return toBase64(publicKeyOf(fromBase64(privateKey))) === publicKey;
  } catch {
    return false;
  }
}
