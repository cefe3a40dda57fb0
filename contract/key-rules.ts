/** The rules of devices' keys that clients keep as the server does. */
export { isCurvePublicKey, isKemPublicKey, keyDigestInput } from '../domain/keys.ts';
