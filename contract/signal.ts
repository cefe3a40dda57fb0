/**
 * The step `signal` of a registration: Signal's registration attributes and keys, without the session id. Bounds, names
 * and the encoding of keys are those of `POST /v1/registration` and `PUT /v2/keys` of a Signal-Server. Apps write `null`
 * for what they leave out.
 */
import { z } from 'zod';
import { keyIdMax, oneTimeKeysMax, registrationIdMax, signatureBytes } from '../domain/keys.ts';
import { base64Bytes, base64Text, CurveKey, KemKey } from './keys.ts';
import { text } from './schemas.ts';

const deviceNameBytesMax = 225;
const accessKeyBytes = 16;
const recoveryPasswordBytes = 32;
/** 32 bytes in hexadecimal. */
const registrationLockLength = 64;

const registrationId = z.int().min(1).max(registrationIdMax);
/** A Signal-Server accepts 0 too. */
const keyId = z.int().min(0).max(keyIdMax);
const signature = base64Bytes(signatureBytes);

const SignedPreKey = z.strictObject({ keyId, publicKey: CurveKey, signature });
const PqPreKey = z.strictObject({ keyId, publicKey: KemKey, signature });
const PreKeys = z.array(z.strictObject({ keyId, publicKey: CurveKey })).max(oneTimeKeysMax);
const PqPreKeys = z.array(PqPreKey).max(oneTimeKeysMax);

const AccountAttributes = z
  .strictObject({
    fetchesMessages: z.boolean().nullish().describe('The app fetches its messages and gets no push'),
    registrationId,
    pniRegistrationId: registrationId,
    name: base64Text(deviceNameBytesMax).nullish().describe('The name of the device, encrypted'),
    capabilities: z
      .record(text(64), z.boolean())
      .refine((all) => Object.keys(all).length <= 64, 'must be at most 64 capabilities')
      .nullish(),
    registrationLock: z
      .string()
      .regex(/^([!-~]{64})?$/, `must be empty or ${registrationLockLength} characters`)
      .nullish()
      .describe('Sets the registration lock, and opens one that the number has'),
    unidentifiedAccessKey: base64Bytes(accessKeyBytes).nullish(),
    unrestrictedUnidentifiedAccess: z.boolean().nullish(),
    discoverableByPhoneNumber: z.boolean().nullish(),
    recoveryPassword: base64Bytes(recoveryPasswordBytes).nullish(),
  })
  .refine((given) => given.unrestrictedUnidentifiedAccess === true || typeof given.unidentifiedAccessKey === 'string', {
    path: ['unidentifiedAccessKey'],
    message: 'is required unless unrestrictedUnidentifiedAccess is true',
  });

/** The body of the step. */
export const SignalRegistration = z
  .strictObject({
    skipDeviceTransfer: z.boolean().nullish(),
    totp: z
      .int()
      .min(0)
      .max(999_999)
      .nullish()
      .describe('Current code of the authenticator app, if the account has one'),
    accountAttributes: AccountAttributes,
    aciIdentityKey: CurveKey,
    pniIdentityKey: CurveKey,
    aciSignedPreKey: SignedPreKey,
    pniSignedPreKey: SignedPreKey,
    aciPqLastResortPreKey: PqPreKey,
    pniPqLastResortPreKey: PqPreKey,
    apnToken: z.strictObject({ apnRegistrationId: text(256) }).nullish(),
    gcmToken: z.strictObject({ gcmRegistrationId: text(4096) }).nullish(),
    aciPreKeys: PreKeys.nullish().describe('One-time keys, uploaded after the registration'),
    aciPqPreKeys: PqPreKeys.nullish(),
    pniPreKeys: PreKeys.nullish(),
    pniPqPreKeys: PqPreKeys.nullish(),
  })
  .refine(hasOneDelivery, 'must have exactly one of apnToken, gcmToken and accountAttributes.fetchesMessages true')
  .meta({ id: 'SignalRegistration' });
export type SignalRegistration = z.output<typeof SignalRegistration>;

/** The account at the Signal-Server. */
export const SignalAccount = z
  .object({
    uuid: z.string().describe('The account identity (ACI)'),
    pni: z.string().describe('The phone number identity (PNI)'),
    number: z.string().describe('E.164'),
  })
  .meta({ id: 'SignalAccount' });

interface Delivery {
  apnToken?: unknown;
  gcmToken?: unknown;
  accountAttributes: { fetchesMessages?: boolean | null | undefined };
}

function hasOneDelivery({ apnToken, gcmToken, accountAttributes }: Delivery): boolean {
  const ways = [(apnToken ?? null) !== null, (gcmToken ?? null) !== null, accountAttributes.fetchesMessages === true];
  return ways.filter(Boolean).length === 1;
}
