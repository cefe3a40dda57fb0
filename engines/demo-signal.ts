/** The part of the demo that registers a person at the fake Signal-Server: the step and its keys. */
import { randomBytes } from 'node:crypto';
import { generateKeyPair, type KeyPair, sign } from '../client/crypto/curve.ts';
import { generateKyberSeed, kyberKeyPair } from '../client/crypto/kyber.ts';
import type { Vyry } from '../client/vyry.ts';
import { deriveDevicePassword } from '../platform/crypto.ts';
import { note } from './demo-calls.ts';

const oneTimeKeys = 3;

/**
 * Does the step `signal` of a registration, and asks the Signal-Server for the keys that it has then.
 *
 * @throws {VyryError} the Signal-Server refused
 */
export async function registerAtSignal(
  { calls }: Pick<Vyry, 'calls'>,
  registration: { registrationId: string; token: string },
  signalServerUrl: string | undefined,
): Promise<void> {
  note('The keys of the two identities of a Signal account …');
  const { uuid } = await calls.submitSignal({ ...registration, body: signalBody() });
  if (signalServerUrl === undefined) return;
  const count = await countSignalKeys(signalServerUrl, { uuid, registrationToken: registration.token });
  note(`The Signal-Server asked Vyry for the proof of the number, and has one-time keys: ${JSON.stringify(count)}`);
}

/** Returns a body of the step `signal` with new keys, as an app makes them. */
function signalBody(): Parameters<Vyry['calls']['submitSignal']>[0]['body'] {
  const [aci, pni] = [generateKeyPair(), generateKeyPair()];
  return {
    skipDeviceTransfer: true,
    accountAttributes: {
      fetchesMessages: true,
      registrationId: registrationId(),
      pniRegistrationId: registrationId(),
      capabilities: { spqr: true },
      unidentifiedAccessKey: randomBytes(16).toString('base64'),
      discoverableByPhoneNumber: true,
      recoveryPassword: randomBytes(32).toString('base64'),
    },
    aciIdentityKey: base64(aci.publicKey),
    pniIdentityKey: base64(pni.publicKey),
    aciSignedPreKey: signed(aci, generateKeyPair().publicKey, 1),
    pniSignedPreKey: signed(pni, generateKeyPair().publicKey, 1),
    aciPqLastResortPreKey: signed(aci, kyberKey(), 2),
    pniPqLastResortPreKey: signed(pni, kyberKey(), 2),
    aciPreKeys: ids().map((keyId) => ({ keyId, publicKey: base64(generateKeyPair().publicKey) })),
    aciPqPreKeys: ids().map((keyId) => signed(aci, kyberKey(), keyId)),
  };
}

/**
 * Asks the Signal-Server how many one-time keys it has, with the password that the app derives from its registration
 * token.
 */
async function countSignalKeys(
  signalServerUrl: string,
  { uuid, registrationToken }: { uuid: string; registrationToken: string },
): Promise<unknown> {
  const credentials = Buffer.from(`${uuid}:${deriveDevicePassword(registrationToken)}`).toString('base64');
  const response = await fetch(`${signalServerUrl}/v2/keys?identity=aci`, {
    headers: { authorization: `Basic ${credentials}` },
  });
  if (!response.ok) throw new Error(`The Signal-Server answers ${response.status}`);
  return response.json();
}

function signed({ privateKey }: KeyPair, publicKey: Uint8Array, keyId: number) {
  return { keyId, publicKey: base64(publicKey), signature: base64(sign(privateKey, publicKey)) };
}

function kyberKey(): Uint8Array {
  return kyberKeyPair(generateKyberSeed()).publicKey;
}

function ids(): number[] {
  return Array.from({ length: oneTimeKeys }, (_, index) => index + 10);
}

function registrationId(): number {
  return 1 + (randomBytes(2).readUInt16BE() % 16_383);
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('base64');
}
