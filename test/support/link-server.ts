/**
 * A server that owns the network between a new device and an existing one, for simulations of many links.
 *
 * The KEM of a link is replaced: keys and encapsulations are random bytes, and the exporter secret is a hash of them. The
 * real one takes 40 ms for each link, and the server knows the secret of both of its legs with any KEM. What decides, the
 * order of the messages and the derivation of the digits, is the client's own code with the export of RFC 9180.
 */
import { createCipheriv, hash } from 'node:crypto';
import type { LinkEncryption } from '../../client/hpke.ts';
import { ExistingDeviceLink, type LinkParties, NewDeviceLink, type Random } from '../../client/linking.ts';

/** Returns a source of random bytes that is the same in each run, so that a result never depends on chance. */
export function repeatableRandom(seed: number): Random {
  const stream = createCipheriv('aes-256-ctr', sha256(Buffer.from(`${seed}`)), Buffer.alloc(16));
  let pool = Buffer.alloc(0);
  return (length) => {
    if (pool.length < length) pool = stream.update(Buffer.alloc(65_536));
    const bytes = Uint8Array.from(pool.subarray(0, length));
    pool = pool.subarray(length);
    return bytes;
  };
}

/** Context.Export of RFC 9180 section 5.3 under HKDF-SHA-256, for at most 32 bytes: one HMAC (RFC 5869 section 2.3). */
export function exportOf(secret: Uint8Array, suiteId: string, context: Uint8Array, length: number): Uint8Array {
  const info = [Buffer.of(0, length), Buffer.from('HPKE-v1'), Buffer.from(suiteId, 'hex'), Buffer.from('sec'), context];
  return hmac(secret, Buffer.concat([...info, Buffer.of(1)])).subarray(0, length);
}

/** RFC 2104, for keys of 32 bytes. It is the same as createHmac, in a fifth of its time. */
function hmac(key: Uint8Array, message: Uint8Array): Buffer {
  const pad = (byte: number) => {
    const padded = Buffer.alloc(64, byte);
    for (let index = 0; index < key.length; index += 1) padded[index] = byte ^ (key[index] ?? 0);
    return padded;
  };
  return sha256(pad(0x5c), sha256(pad(0x36), message));
}

function sha256(...parts: Uint8Array[]): Buffer {
  return hash('sha256', Buffer.concat(parts), 'buffer');
}

/** "HPKE", MLKEM768-X25519, HKDF-SHA-256 and AES-256-GCM. */
const suiteId = '48504b45647a00010002';

/** Returns the replaced encryption. */
function randomSecrets(random: Random): LinkEncryption<Uint8Array> {
  const contextOf = (key: Uint8Array, encapsulation: Uint8Array, info: Uint8Array) => {
    const secret = sha256(key, encapsulation, info);
    return {
      Export: async (context: Uint8Array, length: number) => exportOf(secret, suiteId, context, length),
      encrypt: async (plain: Uint8Array) => plain,
      Open: async (plain: Uint8Array) => plain,
    };
  };
  return {
    encapsulationBytes: 32,
    async generateKeyPair() {
      const key = random(32);
      return { publicKey: key, privateKey: key };
    },
    async sender(publicKey, info) {
      const encapsulation = random(32);
      return { encapsulation, context: contextOf(publicKey, encapsulation, info) };
    },
    async recipient(privateKey, encapsulation, info) {
      return contextOf(privateKey, encapsulation, info);
    },
  };
}

/** The digits on both sides of one link with the server in the middle. */
export interface Outcome {
  shown: string;
  /** Whether the existing device accepts the digits that the new device shows. */
  isAccepted: boolean;
}

/**
 * One link in which the server gives each device a key of its own. It finishes with one device first, as it likes, before
 * it begins with the other.
 */
export async function attackLink(parties: LinkParties, random: Random, isNewFirst: boolean): Promise<Outcome> {
  const options = { encryption: randomSecrets(random), random };
  const newDevice = await NewDeviceLink.create(options);
  const show = () =>
    newDevice.acceptClaim(parties, { encapsulation: encapsulationOf(random(32), parties), nonce: base64(random(32)) });
  const early = isNewFirst ? await show() : undefined;
  const nonce = random(32);
  const request = { publicKey: base64(random(32)), nonceHash: nonceHashOf(nonce) };
  const existing = await ExistingDeviceLink.create(parties, request, options);
  await existing.acceptReveal(base64(nonce));
  const { code } = early ?? (await show());
  return { shown: code, isAccepted: accepts(existing, code) };
}

/** Nonces that the server tries on each side: 16 million pairs for a million digits. */
const triesPerSide = 4000;

/**
 * The same link without the commitment: the server learns the nonces of both devices before it must choose its own. It
 * tries thousands on each side, and uses two whose digits agree.
 */
export async function attackUncommittedLink(parties: LinkParties, random: Random): Promise<Outcome> {
  const [newNonce, existingNonce] = [random(32), random(32)];
  const newDevice = await NewDeviceLink.create({ encryption: randomSecrets(random), random: () => newNonce });
  // the existing device draws its encapsulation, then its nonce: the server sees the claim before it fixes its own nonce
  const encapsulation = random(32);
  const existingOptions = { encryption: randomSecrets(() => encapsulation), random: () => existingNonce };
  const serverKey = random(32);

  const candidates = Array.from({ length: triesPerSide }, () => random(32));
  const toNew = await ExistingDeviceLink.create(parties, newDevice.request, {
    encryption: randomSecrets(random),
    random,
  });
  const newKey = Buffer.from(newDevice.request.publicKey, 'base64');
  const newLeg = secretOf(newKey, Buffer.from(toNew.claim.encapsulation, 'base64').subarray(0, 32), parties);
  const existingLeg = secretOf(serverKey, encapsulation, parties);
  const byDigits = new Map(candidates.map((nonce) => [digitsOf(newLeg, parties, newNonce, nonce), nonce]));
  const revealed = candidates.find((nonce) => byDigits.has(digitsOf(existingLeg, parties, nonce, existingNonce)));
  if (revealed === undefined) throw new Error('no two nonces agree');
  const sent = byDigits.get(digitsOf(existingLeg, parties, revealed, existingNonce)) ?? revealed;

  const request = {
    publicKey: base64(serverKey),
    nonceHash: nonceHashOf(revealed),
  };
  const existing = await ExistingDeviceLink.create(parties, request, existingOptions);
  await existing.acceptReveal(base64(revealed));
  const { code } = await newDevice.acceptClaim(parties, {
    encapsulation: toNew.claim.encapsulation,
    nonce: base64(sent),
  });
  return { shown: code, isAccepted: accepts(existing, code) };
}

function accepts(existing: ExistingDeviceLink, code: string): boolean {
  try {
    existing.confirmCode(code);
    return true;
  } catch {
    return false;
  }
}

/** The encapsulated secret, then the id of the person. */
function encapsulationOf(secret: Uint8Array, { userId }: LinkParties): string {
  return base64(Buffer.concat([secret, Buffer.from(userId)]));
}

function nonceHashOf(nonce: Uint8Array): string {
  return base64(sha256(Buffer.from('vyry link nonce v1'), nonce));
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('base64');
}

function secretOf(key: Uint8Array, encapsulation: Uint8Array, { linkId, origin, userId }: LinkParties): Uint8Array {
  return sha256(key, encapsulation, Buffer.from(`vyry device link v1${linkId}${origin}${userId}`));
}

function digitsOf(
  secret: Uint8Array,
  { linkId }: LinkParties,
  newNonce: Uint8Array,
  existingNonce: Uint8Array,
): string {
  const context = Buffer.concat([Buffer.from(`vyry link code v1${linkId}`), newNonce, existingNonce]);
  const exported = Buffer.from(exportOf(secret, suiteId, context, 8)).readBigUInt64BE();
  return String(exported % 1_000_000n).padStart(6, '0');
}
