/** Bodies of the step `signal`, with keys and signatures of Signal's own library. */
import { randomBytes } from 'node:crypto';
import { KEMKeyPair, PrivateKey } from '@signalapp/libsignal-client';
import type { z } from 'zod';
import type { SignalRegistration } from '../../contract/signal.ts';
import { newToken } from '../../platform/crypto.ts';

/** A body of the step. */
export type SignalBody = z.input<typeof SignalRegistration>;

/** Returns a body with new keys. The parts given replace those of an app without push and without a registration lock. */
export function signalBody({
  attributes = {},
  ...parts
}: Partial<SignalBody> & { attributes?: Partial<SignalBody['accountAttributes']> } = {}): SignalBody {
  const [aci, pni] = [identity(), identity()];
  return {
    accountAttributes: {
      fetchesMessages: true,
      registrationId: 1,
      pniRegistrationId: 16_383,
      capabilities: { spqr: true },
      unidentifiedAccessKey: randomBytes(16).toString('base64'),
      recoveryPassword: randomBytes(32).toString('base64'),
      ...attributes,
    },
    aciIdentityKey: aci.identityKey,
    pniIdentityKey: pni.identityKey,
    aciSignedPreKey: aci.signedPreKey(),
    pniSignedPreKey: pni.signedPreKey(),
    aciPqLastResortPreKey: aci.pqPreKey(1),
    pniPqLastResortPreKey: pni.pqPreKey(1),
    aciPreKeys: [10, 11, 12].map((keyId) => ({ keyId, publicKey: curveKey() })),
    aciPqPreKeys: [20, 21].map((keyId) => aci.pqPreKey(keyId)),
    ...parts,
  };
}

/** Returns a signed key whose signature differs in one bit. */
export function withWrongSignature<K extends { signature: string }>(key: K): K {
  const signature = Buffer.from(key.signature, 'base64');
  signature[0] = (signature[0] ?? 0) ^ 1;
  return { ...key, signature: signature.toString('base64') };
}

/** Returns a new token of a registration lock: 64 characters. */
export function newLock(): string {
  return newToken().padEnd(64, '0');
}

function identity() {
  const privateKey = PrivateKey.generate();
  const sign = (message: Uint8Array<ArrayBuffer>) => Buffer.from(privateKey.sign(message)).toString('base64');
  return {
    identityKey: base64(privateKey.getPublicKey().serialize()),
    signedPreKey() {
      const publicKey = PrivateKey.generate().getPublicKey().serialize();
      return { keyId: 0, publicKey: base64(publicKey), signature: sign(publicKey) };
    },
    pqPreKey(keyId: number) {
      const publicKey = KEMKeyPair.generate().getPublicKey().serialize();
      return { keyId, publicKey: base64(publicKey), signature: sign(publicKey) };
    },
  };
}

function curveKey(): string {
  return base64(PrivateKey.generate().getPublicKey().serialize());
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('base64');
}
