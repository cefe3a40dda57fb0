/** The bodies that a Signal-Server accepts, with its bounds. Base64 may lack its padding; `null` means absent. */
import { z } from 'zod';
import { isCurvePublicKey, isKemPublicKey, keyIdMax, oneTimeKeysMax, signatureBytes } from '../../../domain/keys.ts';

const bytes = (isValid: (decoded: Uint8Array) => boolean) =>
  z
    .string()
    .regex(/^[A-Za-z0-9+/]*={0,2}$/)
    .transform((text): Uint8Array => Buffer.from(text, 'base64'))
    .refine(isValid, 'has the wrong bytes');
const ofLength = (length: number) => bytes((decoded) => decoded.length === length);
const curveKey = bytes(isCurvePublicKey);
const kemKey = bytes(isKemPublicKey);
const keyId = z.int().min(0).max(keyIdMax);
const signature = ofLength(signatureBytes);
const signedPreKey = z.object({ keyId, publicKey: curveKey, signature });
const pqPreKey = z.object({ keyId, publicKey: kemKey, signature });
const registrationId = z.int().min(1).max(16_383);
const flag = z.boolean().nullish();

/** A signed key. */
export type SignedKey = z.output<typeof pqPreKey>;

const accountAttributes = z
  .object({
    fetchesMessages: flag,
    registrationId,
    pniRegistrationId: registrationId.nullish(),
    name: bytes((decoded) => decoded.length <= 225).nullish(),
    capabilities: z.record(z.string(), z.boolean()).nullish(),
    registrationLock: z
      .string()
      .refine((lock) => lock === '' || lock.length === 64)
      .nullish(),
    unidentifiedAccessKey: bytes(() => true).nullish(),
    unrestrictedUnidentifiedAccess: flag,
    discoverableByPhoneNumber: flag,
    recoveryPassword: ofLength(32).nullish(),
  })
  .refine(
    ({ unrestrictedUnidentifiedAccess, unidentifiedAccessKey }) =>
      unrestrictedUnidentifiedAccess === true || unidentifiedAccessKey?.length === 16,
  );

/** The body of a registration. */
export const RegistrationBody = z
  .object({
    sessionId: z.string().min(1).nullish(),
    recoveryPassword: bytes(() => true).nullish(),
    totp: z.int().min(0).nullish(),
    skipDeviceTransfer: flag,
    accountAttributes,
    aciIdentityKey: curveKey,
    pniIdentityKey: curveKey.nullish(),
    aciSignedPreKey: signedPreKey,
    pniSignedPreKey: signedPreKey.nullish(),
    aciPqLastResortPreKey: pqPreKey,
    pniPqLastResortPreKey: pqPreKey.nullish(),
    apnToken: z.object({ apnRegistrationId: z.string().min(1) }).nullish(),
    gcmToken: z.object({ gcmRegistrationId: z.string().min(1) }).nullish(),
  })
  .refine(({ sessionId, recoveryPassword }) => countOf(sessionId, recoveryPassword) === 1, 'needs one proof')
  .refine(
    ({ apnToken, gcmToken, accountAttributes: { fetchesMessages } }) =>
      countOf(apnToken, gcmToken, fetchesMessages || undefined) === 1,
    'needs one delivery channel',
  )
  .refine((body) => [0, 4].includes(countOf(...pniPartsOf(body))), 'has some of the PNI keys');
/** A registration. */
export type RegistrationBody = z.output<typeof RegistrationBody>;

/** The body of an upload of keys. */
export const KeysBody = z.object({
  preKeys: z
    .array(z.object({ keyId, publicKey: curveKey }))
    .max(oneTimeKeysMax)
    .nullish(),
  signedPreKey: signedPreKey.nullish(),
  pqPreKeys: z.array(pqPreKey).max(oneTimeKeysMax).nullish(),
  pqLastResortPreKey: pqPreKey.nullish(),
});
/** An upload of keys. */
export type KeysBody = z.output<typeof KeysBody>;

interface PniParts {
  pniIdentityKey?: unknown;
  pniSignedPreKey?: unknown;
  pniPqLastResortPreKey?: unknown;
  accountAttributes: { pniRegistrationId?: unknown };
}

/** Returns the four parts of the second identity. A number needs all of them. */
export function pniPartsOf(body: PniParts): unknown[] {
  const { pniIdentityKey, pniSignedPreKey, pniPqLastResortPreKey, accountAttributes: attributes } = body;
  return [pniIdentityKey, pniSignedPreKey, pniPqLastResortPreKey, attributes.pniRegistrationId];
}

/** Returns how many values there are. */
export function countOf(...values: unknown[]): number {
  return values.filter((value) => value !== undefined && value !== null).length;
}
