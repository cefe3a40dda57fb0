/**
 * The client of a Vyry server, for Node and browsers: registration, log-in, tokens, the keys of a device and links. What
 * a device keeps is in its store; all else is a call to the server.
 */

import type { sessionOperations } from '../contract/auth.ts';
import type { BodyOf } from '../contract/operation.ts';
import type { registrationOperations } from '../contract/registrations.ts';
import type { Tokens } from '../contract/schemas.ts';
import { fromBase64 } from './bytes.ts';
import { type Calls, createCalls } from './calls.ts';
import { hasCode, VyryError } from './errors.ts';
import { confirmUpload, deviceKeys, discardUpload, dueUpload, pruneKeys, setIdentity } from './keys.ts';
import { type ExistingDeviceFlow, type NewDeviceFlow, openLink, requestLink } from './link-flows.ts';
import { hashDeviceSet, type Provision, readQrText } from './linking.ts';
import {
  continueRegistration,
  type RegistrationDeps,
  type RegistrationFlow,
  startRegistration,
} from './registration.ts';
import { keepReceived, rotate, type SendKeys, settleRotation } from './rotation.ts';
import { createSession } from './session.ts';
import type { ClientStore, RotatedKeys } from './store.ts';

/** How a client is made. */
export interface VyryOptions {
  store: ClientStore;
  /** The kind of app that the device reports: `ios`, `android`, `desktop`, `web` or another. */
  client: string;
  /** The `fetch` of the runtime by default. */
  fetch?: typeof fetch;
  /** Milliseconds since the Unix epoch; the clock of the runtime by default. */
  now?: () => number;
}

/** A log-in that waits for its code, or undefined when the password was enough. */
type PendingLogIn = { loginId: string; channel: string; expiresAt: string } | undefined;

/** A link that this new device has requested. */
interface LinkToAccount extends Pick<NewDeviceFlow, 'linkId' | 'qrText' | 'code'> {
  /**
   * Waits for the approval, adds this device to the account and begins its session. It tells whether the server shows
   * the same devices as the device that approved knows; warn the person if it does not.
   *
   * @throws {VyryError} LINK_ENDED, LINK_PROVISION, or a refusal of the server
   */
  complete(): Promise<{ isDeviceSetKnown: boolean }>;
}

/** A client of one device. Every method throws a `VyryError`. */
export interface Vyry {
  /** Every operation of the server, by its name in contract/. */
  calls: Calls;
  register(person: BodyOf<(typeof registrationOperations)['createRegistration']>): Promise<RegistrationFlow>;
  continueRegistration(): Promise<RegistrationFlow>;
  logIn(credentials: BodyOf<(typeof sessionOperations)['beginLogIn']>): Promise<PendingLogIn>;
  verifyLogIn(proof: Omit<BodyOf<(typeof sessionOperations)['verify']>, 'registrationId'>): Promise<void>;
  /** Ends the session; the keys stay. */
  logOut(): Promise<void>;
  /** Makes the session one of a device with keys: the account's first, or one whose store has the account's identity key. */
  addDevice(name: string): Promise<{ deviceId: string }>;
  /** Uploads the keys that are due. Call it at each start, and when the server says `keys:low`. */
  maintainKeys(): Promise<void>;
  /**
   * Replaces the identity key of the account and the signed keys of every device, as a device that was removed knows the
   * old ones. `sendKeys` gives the other devices private keys: it sends them end-to-end encrypted, each device keeps them
   * by `acceptRotation`, and it resolves after that. A repeat finishes what a failed call began. Needs a recent
   * authentication.
   *
   * @throws {VyryError} OTHER_DEVICES: there are others, and no `sendKeys`
   */
  rotateIdentity(sendKeys?: SendKeys): Promise<void>;
  /**
   * Keeps keys that another device of the account has sent. `maintainKeys` uses them once the server has them.
   *
   * @throws {VyryError} ROTATION_KEYS
   */
  acceptRotation(keys: RotatedKeys): Promise<void>;
  /** Asks to be linked to an account, as a new device. */
  requestLink(deviceName: string): Promise<LinkToAccount>;
  /** Opens the link of a QR text that was scanned in the application's own screen for linking. */
  openScannedLink(qrText: string): Promise<ExistingDeviceFlow>;
  /** Opens an approval that `calls.listLinkRequests` shows; there is no QR code, and the digits are its protection. */
  openApproval(linkId: string): Promise<ExistingDeviceFlow>;
}

/** Creates the client of the device whose state is in a store. */
export function createVyry(origin: string, options: VyryOptions): Vyry {
  const { store, now = Date.now } = options;
  const session = createSession(store, {
    now,
    refresh: (refreshToken) => calls.refreshTokens({ body: { refreshToken } }),
  });
  const calls: Calls = createCalls({
    origin: new URL(origin).origin,
    fetch: options.fetch ?? ((...request) => fetch(...request)),
    accessToken: session.accessToken,
    renewedToken: session.renewedToken,
  });
  const device: RegistrationDeps = {
    calls,
    store,
    session,
    now,
    origin: new URL(origin).origin,
    client: options.client,
  };
  return {
    calls,
    register: (person) => startRegistration(device, person),
    continueRegistration: () => continueRegistration(device),
    async logIn(credentials) {
      const answer = await calls.beginLogIn({ body: credentials });
      if ('loginId' in answer) return answer;
      await session.keep(answer);
      return undefined;
    },
    async verifyLogIn(proof) {
      const answer = await calls.verify({ body: proof });
      if ('accessToken' in answer) await session.keep(answer);
    },
    async logOut() {
      await calls.logOut();
      await session.end();
    },
    addDevice: (name) => addDevice(device, name),
    maintainKeys: () => maintainKeys(device),
    rotateIdentity: (sendKeys) => rotateIdentity(device, sendKeys),
    acceptRotation: (keys) => store.transaction((state) => keepReceived(state, keys)),
    requestLink: (deviceName) => requestLinkToAccount(device, deviceName),
    openScannedLink: (qrText) => openLinkOf(device, readQrText(qrText, device.origin)),
    openApproval: (linkId) => openLinkOf(device, { linkId }),
  };
}

/** Keeps the keys before they are sent, and the tokens before the keys count as uploaded. A repeat sends the same keys. */
async function addDevice(device: RegistrationDeps, name: string): Promise<{ deviceId: string }> {
  const { calls, store } = device;
  const keys = await store.transaction((state) => deviceKeys(state, device.now()));
  return await keepDevice(device, await calls.addDevice({ body: { name, client: device.client, ...keys } }));
}

async function keepDevice({ store, session, now }: RegistrationDeps, tokens: Tokens): Promise<{ deviceId: string }> {
  await session.keep(tokens);
  await store.transaction((state) => confirmUpload(state, now()));
  return { deviceId: tokens.device?.deviceId ?? '' };
}

/** Uploads in one maintenance: the one without an answer, and what is due after it. */
const uploadsMax = 2;

async function maintainKeys(device: RegistrationDeps): Promise<void> {
  const { calls, store, now } = device;
  await settleRotation(device);
  for (let uploads = 0; uploads < uploadsMax; uploads += 1) {
    const status = await calls.readKeyState();
    const upload = await store.transaction((state) => {
      pruneKeys(state, now());
      return dueUpload(state, status, now());
    });
    if (upload === undefined) return;
    try {
      await calls.uploadKeys({ body: upload });
    } catch (err) {
      // the server has other keys under these ids: new ones have new ids
      if (hasCode(err, 'CONFLICT')) await store.transaction(discardUpload);
      throw err;
    }
    await store.transaction((state) => confirmUpload(state, now()));
  }
}

async function rotateIdentity(device: RegistrationDeps, sendKeys: SendKeys | undefined): Promise<void> {
  const settled = await settleRotation(device);
  // an upload without an answer is settled before its signatures are worth nothing
  await maintainKeys(device);
  // that of an earlier call was made
  if (settled?.body !== undefined) return;
  await rotate(device, sendKeys);
  await maintainKeys(device);
}

async function requestLinkToAccount(device: RegistrationDeps, deviceName: string): Promise<LinkToAccount> {
  const { calls, client, store } = device;
  const flow = await requestLink(device, (offer) => calls.createLink({ body: { deviceName, client, ...offer } }));
  return {
    linkId: flow.linkId,
    qrText: flow.qrText,
    code: flow.code,
    async complete() {
      const provision = await flow.provision();
      const keys = await store.transaction((state) => {
        setIdentity(state, provision.identity);
        return deviceKeys(state, device.now());
      });
      const body = { name: deviceName, client, ...keys };
      const tokens = await calls.completeLink({ linkId: flow.linkId, token: flow.linkToken, body });
      const { deviceId } = await keepDevice(device, tokens);
      const { items } = await calls.listDevices();
      const others = items.map((item) => item.deviceId).filter((id) => id !== deviceId);
      return { isDeviceSetKnown: hashDeviceSet(others) === provision.deviceSetHash };
    },
  };
}

async function openLinkOf(
  device: RegistrationDeps,
  link: { linkId: string; publicKeyHash?: string },
): Promise<ExistingDeviceFlow> {
  const { userId } = await device.store.transaction((state) => state);
  if (userId === undefined) throw new VyryError('SIGNED_OUT', 'This device is not logged in');
  return await openLink(device, { ...link, userId }, () => provisionOf(device, userId));
}

/** What this device gives to a new one. */
async function provisionOf({ calls, store }: RegistrationDeps, userId: string): Promise<Provision> {
  const { identity } = await store.transaction((state) => state);
  if (identity === undefined) throw new VyryError('NO_KEYS', 'This device has no identity key');
  const { items } = await calls.listDevices();
  return {
    userId,
    identity: { publicKey: fromBase64(identity.publicKey), privateKey: fromBase64(identity.privateKey) },
    deviceSetHash: hashDeviceSet(items.map(({ deviceId }) => deviceId)),
  };
}
