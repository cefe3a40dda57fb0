/** The rules of devices' keys that clients keep as the server does. It loads no schema. */
export { bytesOf } from '../domain/base64.ts';
export { isCurvePublicKey, isKemPublicKey, keyDigestInput } from '../domain/keys.ts';
