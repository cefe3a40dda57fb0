/** Devices of the calling user and their keys: `/devices`, `/users/{id}/keys` and `/push`. */
import { z } from 'zod';
import { registrationIdMax } from '../domain/keys.ts';
import { pushOutcomes, pushProviders } from '../domain/push.ts';
import { CurveKey, KeyUpload, PqPreKey, PqPreKeys, PreKey, PreKeys, SignedPreKey } from './keys.ts';
import { commonFailures, operation } from './operation.ts';
import { instant, Tokens, text } from './schemas.ts';

const devices = '/api/v1/devices';
const mine = `${devices}/me`;

/** The name of a device, as its user sees it. */
export const deviceName = text(64).trim().min(1, 'must not be empty');
/** The kind of app: `ios`, `android`, `desktop`, `web` or another one. */
export const deviceClient = text(32);

const capabilities = z
  .record(text(64), z.boolean())
  .refine((all) => Object.keys(all).length <= 32, 'must be at most 32 capabilities');

/** A device with its keys. */
export const Device = z
  .strictObject({
    name: deviceName,
    client: deviceClient,
    registrationId: z.int().min(1).max(registrationIdMax),
    identityKey: CurveKey,
    signedPreKey: SignedPreKey,
    preKeys: PreKeys.prefault([]),
    pqLastResortPreKey: PqPreKey,
    pqPreKeys: PqPreKeys.prefault([]),
    capabilities: capabilities.optional(),
  })
  .meta({ id: 'Device' });
export type Device = z.output<typeof Device>;

/** A device in the list of its user. */
export const ListedDevice = z
  .object({
    deviceId: z.string(),
    name: z.string(),
    client: z.string(),
    createdAt: instant,
    lastSeenAt: instant,
    current: z.boolean().describe('The device of the calling session'),
    linkedBy: z
      .string()
      .nullable()
      .describe('Id of the device that linked it; null if it was registered or added by a session'),
    probationUntil: instant
      .optional()
      .describe('Until then it cannot approve devices, change PIN, lock or identity, or export'),
    push: z
      .object({
        provider: z.enum(pushProviders),
        lastResult: z.string().nullable(),
        lastAt: instant.nullable(),
      })
      .optional(),
    keys: z.object({ count: z.int(), pqCount: z.int() }).describe('One-time keys that are left'),
  })
  .meta({ id: 'ListedDevice' });
export type ListedDevice = z.output<typeof ListedDevice>;

/** The keys of devices of a user, to begin sessions with them. */
const KeyBundles = z
  .object({
    identityKey: z.string(),
    devices: z.array(
      z.object({
        deviceId: z.string(),
        registrationId: z.int(),
        signedPreKey: SignedPreKey,
        preKey: PreKey.optional().describe('Absent when none is left'),
        pqPreKey: PqPreKey.describe('The last-resort key when no one-time key is left'),
      }),
    ),
  })
  .meta({ id: 'KeyBundles' });
export type KeyBundles = z.output<typeof KeyBundles>;

/** A token or topic goes into the header or path of a request. */
const pushToken = (max: number) => text(max).regex(/^[\w.:~=+/-]+$/, 'must be visible ASCII characters without spaces');

const Push = z.discriminatedUnion('provider', [
  z.strictObject({
    provider: z.literal('webpush'),
    endpoint: text(2048),
    p256dh: text(128),
    auth: text(64),
  }),
  z.strictObject({ provider: z.literal('fcm'), token: pushToken(4096) }),
  z.strictObject({ provider: z.literal('apns'), token: pushToken(256), topic: pushToken(256) }),
  z.strictObject({ provider: z.null() }),
]);
/** Where the wake-ups of a device are sent; provider null for nowhere. */
export type Push = z.output<typeof Push>;

const RotatedDevice = z.strictObject({
  deviceId: text(16),
  signedPreKey: SignedPreKey,
  pqLastResortPreKey: PqPreKey,
  preKeys: PreKeys.optional(),
  pqPreKeys: PqPreKeys.optional(),
});

/** A new identity key, and new keys of every device that it signs. */
export const IdentityRotation = z.strictObject({
  identityKey: CurveKey,
  devices: z
    .array(RotatedDevice)
    .min(1)
    .max(100)
    .refine((all) => new Set(all.map(({ deviceId }) => deviceId)).size === all.length, 'must not have a device twice'),
});
export type IdentityRotation = z.output<typeof IdentityRotation>;

/** The operations on devices. */
export const deviceOperations = {
  addDevice: operation({
    method: 'put',
    path: mine,
    summary: 'Make the calling session one of a new device; a repeat with the same keys returns the same device',
    description:
      'The first device of an account sets its identity key; a later one must have it (400), and gets it by a link. The answer has new tokens; the old ones end.',
    auth: 'session',
    stepUp: 'always',
    body: Device,
    bodyBytesMax: 1_048_576,
    answers: { 201: Tokens },
    failures: [...commonFailures, 'device-limit', 'device-present', 'account-disabled', 'not-found'],
  }),
  listDevices: operation({
    method: 'get',
    path: devices,
    summary: 'List the devices of the user',
    description: '`keys` counts the one-time keys that are left; a device uploads new ones before they run out.',
    auth: 'session',
    answers: { 200: z.object({ items: z.array(ListedDevice) }).meta({ id: 'DeviceList' }) },
    failures: commonFailures,
  }),
  renameDevice: operation({
    method: 'patch',
    path: `${devices}/:deviceId`,
    summary: 'Rename a device of the user',
    description: 'The name is for the user and is shown to nobody else.',
    auth: 'session',
    body: z.strictObject({ name: deviceName }),
    answers: { 204: null },
    failures: [...commonFailures, 'not-found'],
  }),
  revokeDevice: operation({
    method: 'delete',
    path: `${devices}/:deviceId`,
    summary: 'Revoke a device of the user: its sessions, push registration and keys end',
    description:
      'Its sessions, sockets, push registration, inbox and keys end within a second. It knew the identity key: when `rotationAdvised` is true, rotate the key with `PUT /users/me/identity`.',
    auth: 'session',
    answers: {
      200: z
        .object({ rotationAdvised: z.boolean().describe('Other devices remain, whose identity key the device has') })
        .meta({ id: 'RevokedDevice' }),
    },
    failures: [...commonFailures, 'not-found'],
  }),
  rotateIdentity: operation({
    method: 'put',
    path: '/api/v1/users/me/identity',
    summary: 'Replace the identity key of the user and the signed keys of every device at once',
    description:
      'Every device must be in the list (409 with `missingDevices`), with keys that the new identity key has signed. Contacts get `identity:changed` with the reason `rotated`.',
    auth: 'device',
    stepUp: 'always',
    isBarredOnProbation: true,
    body: IdentityRotation,
    bodyBytesMax: 1_048_576,
    answers: { 204: null },
    failures: [...commonFailures, 'devices-differ', 'key-id-taken', 'device-missing'],
  }),
} as const;

/** The operations on keys. */
export const keyOperations = {
  uploadKeys: operation({
    method: 'put',
    path: `${mine}/keys`,
    summary: 'Replace keys of the calling device; a repeat changes nothing',
    description:
      'At most 100 keys of each kind. A list that is not empty replaces the stored one-time keys of its kind; an empty one changes nothing. A known id with another key is refused (409), and then nothing is stored.',
    auth: 'device',
    body: KeyUpload,
    bodyBytesMax: 1_048_576,
    answers: { 204: null },
    failures: [...commonFailures, 'key-id-taken', 'device-missing'],
  }),
  readKeyState: operation({
    method: 'get',
    path: `${mine}/keys`,
    summary: 'Get how many one-time keys of the calling device are left, and a digest of its keys',
    description:
      'A device compares `digest` with its own keys to notice that it was restored from an old backup. Counts include zeros.',
    auth: 'device',
    answers: {
      200: z
        .object({
          count: z.int(),
          pqCount: z.int(),
          signedPreKeyId: z.int(),
          pqLastResortPreKeyId: z.int(),
          digest: z.string().describe('SHA-256 in base64; docs/devices.md says over what'),
        })
        .meta({ id: 'KeyState' }),
    },
    failures: [...commonFailures, 'device-missing'],
  }),
  takeKeys: operation({
    method: 'get',
    path: '/api/v1/users/:userId/keys',
    summary: 'Get the keys of every device of a user; each one-time key is given once',
    description:
      'What a sender needs to begin sessions. One-time keys are handed out in the order of their upload. When they are used up `preKey` is absent and `pqPreKey` is the last-resort key.',
    auth: 'session',
    answers: { 200: KeyBundles },
    failures: [...commonFailures, 'not-found'],
  }),
  takeDeviceKeys: operation({
    method: 'get',
    path: '/api/v1/users/:userId/devices/:deviceId/keys',
    summary: 'Get the keys of one device of a user; each one-time key is given once',
    description: 'As `GET /users/{userId}/keys`, for a device that was added since.',
    auth: 'session',
    answers: { 200: KeyBundles },
    failures: [...commonFailures, 'not-found'],
  }),
} as const;

/** The operations on push registrations. */
export const pushOperations = {
  readPushConfig: operation({
    method: 'get',
    path: '/api/v1/push/config',
    summary: 'Get which push providers are available',
    description:
      'A browser subscribes with the public key of `webpush`. A provider that is not configured is null or false.',
    auth: 'none',
    answers: {
      200: z
        .object({
          webpush: z.object({ publicKey: z.string().describe('VAPID public key, base64url (RFC 8292)') }).nullable(),
          fcm: z.boolean(),
          apns: z.boolean(),
        })
        .meta({ id: 'PushConfig' }),
    },
    failures: commonFailures,
  }),
  setPush: operation({
    method: 'put',
    path: `${mine}/push`,
    summary: 'Set where the wake-ups of the calling device are sent',
    description:
      'A wake-up has no content: the device connects and reads its inbox. `provider` null ends the registration. The endpoint of WebPush must be https at a public address.',
    auth: 'device',
    body: Push,
    answers: { 204: null },
    failures: [...commonFailures, 'device-missing'],
  }),
  testPush: operation({
    method: 'post',
    path: `${mine}/push/test`,
    summary: 'Send a wake-up to the calling device now, and return what the provider answered',
    description: '`message` is what the provider said. A registration that the provider no longer knows is removed.',
    auth: 'device',
    idempotent: true,
    answers: {
      200: z
        .object({
          provider: z.enum(pushProviders),
          result: z.enum(pushOutcomes),
          status: z.int().nullable().describe('HTTP status of the provider; null without an answer'),
          message: z.string().nullable().describe('What the provider said'),
        })
        .meta({ id: 'PushTest' }),
    },
    failures: [...commonFailures, 'push-missing', 'device-missing', 'idempotency-key-reused'],
  }),
} as const;
