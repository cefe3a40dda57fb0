/** The part of the demo that registers a person at the fake Signal-Server: an api with the step, and the keys. */
import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseEnv } from 'node:util';
import { generateKeyPair, type KeyPair, sign } from '../client/crypto/curve.ts';
import { generateKyberSeed, kyberKeyPair } from '../client/crypto/kyber.ts';
import type { Vyry } from '../client/vyry.ts';
import { deriveDevicePassword } from '../platform/crypto.ts';
import { startChild } from './child.ts';
import { openTemporaryFolder } from './data-folder.ts';
import { note } from './demo-calls.ts';
import { freePort } from './ports.ts';
import { compileCacheFolder, roleCommand } from './processes.ts';

/** The policy of the api that the demo starts. */
const steps = 'captcha,code,credentials,device,signal';
const oneTimeKeys = 3;

/**
 * Starts another api of a running system, whose policy has the step `signal`, until `act` is done. The system's own gRPC
 * server answers the Signal-Server.
 *
 * @throws {Error} no system runs in the folder
 */
export async function withSignalStep<T>(systemFolder: string, act: (apiUrl: string) => Promise<T>): Promise<T> {
  const file = join(systemFolder, 'operator.env');
  if (!existsSync(file)) throw new Error('Vyry does not run here. Run npm start in another terminal and try again.');
  const [api, codec, grpc] = await Promise.all([freePort(), freePort(), freePort()]);
  const env = {
    ...(parseEnv(readFileSync(file, 'utf8')) as Record<string, string>),
    REGISTRATION_STEPS: steps,
    SERVER_PORT: String(api),
    CODEC_PORT: String(codec),
    GRPC_PORT: String(grpc),
  };
  const folder = await openTemporaryFolder();
  try {
    await startChild(folder, { name: 'api', ...roleCommand('api', env, compileCacheFolder) });
    return await act(`http://127.0.0.1:${api}`);
  } finally {
    await folder.close();
  }
}

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
