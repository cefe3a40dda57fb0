/**
 * Keys of devices for tests, made and signed by libsignal: what the server accepts is so compared with Signal's own
 * library. KEM keys are slow to make, so their public keys are made once and signed by each identity.
 */
import { randomInt } from 'node:crypto';
import { IdentityKeyPair, KEMKeyPair, PrivateKey } from '@signalapp/libsignal-client';
import type { Device, IdentityRotation } from '../../contract/devices.ts';
import type { PqPreKey, PreKey, SignedPreKey } from '../../contract/keys.ts';
import { keyIdMax, registrationIdMax } from '../../domain/keys.ts';

/** The identity of an account: its key pair, and the public key in base64. */
export interface TestIdentity {
  pair: IdentityKeyPair;
  publicKey: string;
}

/** Makes an identity. */
export function makeIdentity(): TestIdentity {
  const pair = IdentityKeyPair.generate();
  return { pair, publicKey: base64(pair.publicKey.serialize()) };
}

/** The choices of a device: how many one-time keys it has, and fields that replace those made here. */
export interface DeviceChoice extends Partial<Device> {
  /** One-time keys of each kind; none by default. */
  oneTimeKeys?: number;
}

/** Makes the body of a device, with new keys that are signed by an identity. */
export function makeDevice(identity: TestIdentity, { oneTimeKeys = 0, ...given }: DeviceChoice = {}): Device {
  return {
    name: 'Telephone',
    client: 'android',
    registrationId: randomInt(1, registrationIdMax + 1),
    identityKey: identity.publicKey,
    signedPreKey: makeSignedPreKey(identity),
    preKeys: makePreKeys(oneTimeKeys),
    pqLastResortPreKey: makePqPreKey(identity),
    pqPreKeys: makePqPreKeys(identity, oneTimeKeys),
    ...given,
  };
}

/** Makes a signed prekey. */
export function makeSignedPreKey(identity: TestIdentity, keyId = randomKeyId()): SignedPreKey {
  const publicKey = newCurveKey();
  return { keyId, publicKey: base64(publicKey), signature: sign(identity, publicKey) };
}

/** Makes one-time curve keys with ascending ids. */
export function makePreKeys(count: number, firstId = 1): PreKey[] {
  return Array.from({ length: count }, (_, index) => ({ keyId: firstId + index, publicKey: base64(newCurveKey()) }));
}

/** Makes a signed KEM key. Two of them may have the same public key. */
export function makePqPreKey(identity: TestIdentity, keyId = randomKeyId()): PqPreKey {
  const publicKey = kemKey(keyId);
  return { keyId, publicKey: base64(publicKey), signature: sign(identity, publicKey) };
}

/** Makes one-time KEM keys with ascending ids. Those of one call differ, up to 100. */
export function makePqPreKeys(identity: TestIdentity, count: number, firstId = 1): PqPreKey[] {
  return Array.from({ length: count }, (_, index) => makePqPreKey(identity, firstId + index));
}

/** Makes the body of a rotation to a new identity for the devices of an account, without one-time keys. */
export function makeRotation(identity: TestIdentity, deviceIds: readonly string[]): IdentityRotation {
  const devices = deviceIds.map((deviceId) => ({
    deviceId,
    signedPreKey: makeSignedPreKey(identity),
    pqLastResortPreKey: makePqPreKey(identity),
  }));
  return { identityKey: identity.publicKey, devices };
}

/** Signs bytes by the private key of an identity (XEdDSA), in base64. */
export function sign({ pair }: TestIdentity, bytes: Uint8Array<ArrayBuffer>): string {
  return base64(pair.privateKey.sign(bytes));
}

const kemKeys: Uint8Array<ArrayBuffer>[] = [];

/** The same key for ids that are equal modulo 100. */
function kemKey(keyId: number): Uint8Array<ArrayBuffer> {
  const index = keyId % 100;
  const key = kemKeys[index] ?? KEMKeyPair.generate().getPublicKey().serialize();
  kemKeys[index] = key;
  return key;
}

function newCurveKey(): Uint8Array<ArrayBuffer> {
  return PrivateKey.generate().getPublicKey().serialize();
}

function randomKeyId(): number {
  return randomInt(1, keyIdMax);
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('base64');
}
