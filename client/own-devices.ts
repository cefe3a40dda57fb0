/** The devices of the account: their list, and how this one is added or links others. */
import type { ListedDevice } from '../contract/devices.ts';
import type { Tokens } from '../contract/schemas.ts';
import { fromBase64 } from './bytes.ts';
import type { Calls } from './calls.ts';
import type { ClientDeps } from './deps.ts';
import { toVyryError, VyryError } from './errors.ts';
import { confirmUpload, deviceKeys, knownDeviceKeys, setIdentity } from './keys.ts';
import { type ExistingDeviceFlow, type NewDeviceFlow, openLink, requestLink } from './link-flows.ts';
import { hashDeviceSet, type Provision, readQrText } from './linking.ts';

/** A link that this new device has requested. */
export interface LinkToAccount extends Pick<NewDeviceFlow, 'linkId' | 'qrText' | 'code'> {
  /**
   * Waits for the approval, adds this device to the account and begins its session. It tells whether the server shows
   * the same devices as the device that approved knows; warn the person if it does not.
   *
   * @throws {VyryError} LINK_ENDED, LINK_PROVISION, or a refusal of the server
   */
  complete(): Promise<{ isDeviceSetKnown: boolean }>;
}

/** What became of the identity key after a device was removed. */
export interface RemovedDevice {
  /** The removed device knows the identity key, and others remain that use it. */
  rotationAdvised: boolean;
  /** The account has a new identity key. */
  isRotated: boolean;
  /** Why it has none although that is advised, such as a recent authentication that is missing: call `rotateIdentity` then. */
  error?: VyryError;
}

/** The devices of the account. */
export interface OwnDevices {
  list(): Promise<ListedDevice[]>;
  /**
   * Makes the session one of a device with keys: the one of this store, the account's first, or one whose store has the
   * account's identity key. Needs a recent authentication.
   */
  add(name: string): Promise<{ deviceId: string }>;
  rename(deviceId: string, name: string): Promise<void>;
  /** Removes a device, and replaces the identity key that it knows. */
  remove(deviceId: string): Promise<RemovedDevice>;
  /** Asks to be linked to an account, as a new device. */
  requestLink(deviceName: string): Promise<LinkToAccount>;
  /** Opens the link of a QR text that was scanned in the application's own screen for linking. */
  openScannedLink(qrText: string): Promise<ExistingDeviceFlow>;
  /** Opens an approval that `requests` lists; there is no QR code, and the digits are its protection. */
  openApproval(linkId: string): Promise<ExistingDeviceFlow>;
  /** Lists the open requests that are meant for this account. */
  requests(): Promise<Awaited<ReturnType<Calls['listLinkRequests']>>['items']>;
}

/** Creates the functions on the devices of an account. `rotate` replaces the identity key. */
export function createOwnDevices(deps: ClientDeps, rotate: () => Promise<void>): OwnDevices {
  const { calls } = deps;
  return {
    list: async () => (await calls.listDevices()).items,
    add: (name) => addDevice(deps, name),
    async rename(deviceId, name) {
      await calls.renameDevice({ deviceId, body: { name } });
    },
    async remove(deviceId) {
      const { rotationAdvised } = await calls.revokeDevice({ deviceId });
      if (!rotationAdvised) return { rotationAdvised, isRotated: false };
      try {
        await rotate();
        return { rotationAdvised, isRotated: true };
      } catch (err) {
        return { rotationAdvised, isRotated: false, error: toVyryError(err) };
      }
    },
    requestLink: (deviceName) => requestLinkToAccount(deps, deviceName),
    openScannedLink: async (qrText) => await openLinkOf(deps, readQrText(qrText, deps.origin)),
    openApproval: (linkId) => openLinkOf(deps, { linkId }),
    requests: async () => (await calls.listLinkRequests()).items,
  };
}

/**
 * Keeps the keys before they are sent, and the tokens before the keys count as uploaded. A repeat sends the same keys. A
 * device whose session has ended is recognized by its keys and stays the same one.
 */
async function addDevice(deps: ClientDeps, name: string): Promise<{ deviceId: string }> {
  const { calls, store } = deps;
  const keys = await store.transaction((state) => knownDeviceKeys(state) ?? deviceKeys(state, deps.now()));
  return await keepDevice(deps, await calls.addDevice({ body: { name, client: deps.client, ...keys } }));
}

async function keepDevice({ store, session, now }: ClientDeps, tokens: Tokens): Promise<{ deviceId: string }> {
  await session.keep(tokens);
  await store.transaction((state) => confirmUpload(state, now()));
  return { deviceId: tokens.device?.deviceId ?? '' };
}

async function requestLinkToAccount(deps: ClientDeps, deviceName: string): Promise<LinkToAccount> {
  const { calls, client, store, origin, closing } = deps;
  const flow = await requestLink({ calls, origin, delay: closing.delay }, (offer) =>
    calls.createLink({ body: { deviceName, client, ...offer } }),
  );
  return {
    linkId: flow.linkId,
    qrText: flow.qrText,
    code: flow.code,
    async complete() {
      const provision = await flow.provision();
      const keys = await store.transaction((state) => {
        setIdentity(state, provision.identity);
        return deviceKeys(state, deps.now());
      });
      const body = { name: deviceName, client, ...keys };
      const tokens = await calls.completeLink({ linkId: flow.linkId, token: flow.linkToken, body });
      const { deviceId } = await keepDevice(deps, tokens);
      const { items } = await calls.listDevices();
      const others = items.map((item) => item.deviceId).filter((id) => id !== deviceId);
      return { isDeviceSetKnown: hashDeviceSet(others) === provision.deviceSetHash };
    },
  };
}

async function openLinkOf(
  deps: ClientDeps,
  link: { linkId: string; publicKeyHash?: string },
): Promise<ExistingDeviceFlow> {
  const { calls, origin, closing, store } = deps;
  const { userId } = await store.transaction((state) => state);
  if (userId === undefined) throw new VyryError('SIGNED_OUT', 'This device is not signed in');
  return await openLink({ calls, origin, delay: closing.delay }, { ...link, userId }, () => provisionOf(deps, userId));
}

/** What this device gives to a new one. */
async function provisionOf({ calls, store }: ClientDeps, userId: string): Promise<Provision> {
  const { identity } = await store.transaction((state) => state);
  if (identity === undefined) throw new VyryError('NO_KEYS', 'This device has no identity key');
  const { items } = await calls.listDevices();
  return {
    userId,
    identity: { publicKey: fromBase64(identity.publicKey), privateKey: fromBase64(identity.privateKey) },
    deviceSetHash: hashDeviceSet(items.map(({ deviceId }) => deviceId)),
  };
}
