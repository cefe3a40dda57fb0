/**
 * The protocol by which an existing device shares the identity key of its account with a new one, both sides, without
 * its transport. The server carries every message and is not trusted with any of them. docs/devices.md describes it.
 *
 * The new device commits to a nonce by its hash before the existing device sends its own, and reveals it after that.
 * Both derive six digits from the shared secret and the two nonces; a person copies them from the new device to the
 * existing one. A server in the middle has two secrets, and must fix its part of each before it learns the other nonce:
 * it cannot search for keys or nonces whose digits agree (MESSAGING.md section 3; commitments of short authentication
 * strings as in ZRTP, RFC 6189 section 4.4.1.1).
 */
import { sha256 } from '@noble/hashes/sha2.js';
import { concatBytes, randomBytes } from '@noble/hashes/utils.js';
import { fromBase64, toBase64, toBase64Url, utf8 } from './bytes.ts';
import { type KeyPair, publicKeyOf } from './crypto/curve.ts';
import { VyryError } from './errors.ts';
import {
  type DecryptingContext,
  type EncryptingContext,
  type ExportingContext,
  hpke,
  type LinkEncryption,
} from './hpke.ts';

const infoLabel = utf8('vyry device link v1');
const nonceLabel = utf8('vyry link nonce v1');
const codeLabel = utf8('vyry link code v1');
const deviceSetLabel = utf8('vyry device set v1');
const nonceBytes = 32;
/** Wrong digits that a person may type; the link is denied after them. */
const triesMax = 3;

/** What both devices know of a link; their digits differ unless all of it agrees. */
export interface LinkParties {
  linkId: string;
  /** The origin of the server's address, such as `https://chat.example.org`. */
  origin: string;
  /** The person whose account the new device joins. */
  userId: string;
}

/** What the existing device sends, encrypted. */
export interface Provision {
  userId: string;
  /** The identity key pair of the account. */
  identity: KeyPair;
  /** The hash of the devices that the account has without the new one. */
  deviceSetHash: string;
}

/** What a QR code says. */
export interface LinkAddress {
  linkId: string;
  /** Base64url of the SHA-256 of the new device's public key. */
  publicKeyHash: string;
}

/** Makes nonces. Tests pass a repeatable source. */
export type Random = (length: number) => Uint8Array;

interface LinkOptions {
  encryption?: LinkEncryption;
  random?: Random;
}

/** The new device's side of one link. */
export class NewDeviceLink {
  /** What the request for a link carries, in base64. */
  readonly request: { publicKey: string; nonceHash: string };
  readonly #encryption: LinkEncryption;
  readonly #publicKey: Uint8Array;
  readonly #privateKey: unknown;
  readonly #nonce: Uint8Array;
  #isClaimed = false;
  #userId = '';
  #context: DecryptingContext | undefined;

  private constructor(
    encryption: LinkEncryption,
    keys: { publicKey: Uint8Array; privateKey: unknown },
    nonce: Uint8Array,
  ) {
    this.#encryption = encryption;
    this.#publicKey = keys.publicKey;
    this.#privateKey = keys.privateKey;
    this.#nonce = nonce;
    this.request = { publicKey: toBase64(keys.publicKey), nonceHash: toBase64(hashNonce(nonce)) };
  }

  /** Makes a key pair and a nonce. */
  static async create({ encryption = hpke, random = randomBytes }: LinkOptions = {}): Promise<NewDeviceLink> {
    return new NewDeviceLink(encryption, await encryption.generateKeyPair(), random(nonceBytes));
  }

  /** Returns the text of the QR code. The server never sees its fragment. */
  qrText(origin: string, linkId: string): string {
    return `${origin}/app/link#1.${linkId}.${toBase64Url(sha256(this.#publicKey))}`;
  }

  /**
   * Accepts the claim of an existing device. Only then returns the nonce to reveal, and the six digits to show.
   *
   * @throws {VyryError} LINK_PROVISION: the claim is malformed
   */
  async acceptClaim(
    link: Pick<LinkParties, 'linkId' | 'origin'>,
    claim: { encapsulation: string; nonce: string },
  ): Promise<{ nonce: string; code: string }> {
    // a second claim would be answered with a nonce that the server knows by then
    if (this.#isClaimed) throw new VyryError('LINK_PROVISION', 'The link was claimed before');
    this.#isClaimed = true;
    return await orRefuse('LINK_PROVISION', 'The claim cannot be read', async () => {
      const nonce = readNonce(claim.nonce);
      const bytes = fromBase64(claim.encapsulation);
      const encapsulation = bytes.subarray(0, this.#encryption.encapsulationBytes);
      this.#userId = new TextDecoder('utf-8', { fatal: true }).decode(bytes.subarray(encapsulation.length));
      const info = linkInfo({ ...link, userId: this.#userId });
      this.#context = await this.#encryption.recipient(this.#privateKey, encapsulation, info);
      const code = await linkCode(this.#context, link.linkId, this.#nonce, nonce);
      return { nonce: toBase64(this.#nonce), code };
    });
  }

  /**
   * Decrypts what the existing device sent after a person had compared the digits.
   *
   * @throws {VyryError} LINK_PROVISION: another device sent it, or it is not what the protocol says
   */
  async openProvision(sealedProvision: string): Promise<Provision> {
    return await orRefuse('LINK_PROVISION', 'The existing device sent something that cannot be used', async () => {
      if (this.#context === undefined) throw new Error('the link was not claimed');
      const provision = decodeProvision(await this.#context.Open(fromBase64(sealedProvision)));
      if (provision.userId !== this.#userId) throw new Error('the provision is that of another person');
      return provision;
    });
  }
}

/** The existing device's side of one link, from its claim on. */
export class ExistingDeviceLink {
  /** What the claim carries, in base64. */
  readonly claim: { encapsulation: string; nonce: string };
  readonly #context: EncryptingContext;
  readonly #link: { linkId: string; nonceHash: string; nonce: Uint8Array };
  #code: string | undefined;
  #isConfirmed = false;
  #attemptsLeft = triesMax;

  private constructor(
    context: EncryptingContext,
    encapsulation: Uint8Array,
    link: { linkId: string; nonceHash: string; nonce: Uint8Array },
  ) {
    this.#context = context;
    this.#link = link;
    this.claim = { encapsulation: toBase64(encapsulation), nonce: toBase64(link.nonce) };
  }

  /**
   * Makes a shared secret with the new device. A link that was scanned has the hash of the QR code; an approval has none,
   * and only the digits protect it.
   *
   * @throws {VyryError} LINK_KEY: the server sent another key than the QR code names, or none
   */
  static async create(
    parties: LinkParties,
    request: { publicKey: string; nonceHash: string; publicKeyHash?: string | undefined },
    { encryption = hpke, random = randomBytes }: LinkOptions = {},
  ): Promise<ExistingDeviceLink> {
    const { encapsulation, context } = await orRefuse(
      'LINK_KEY',
      'The new device has another key, or none',
      async () => {
        const publicKey = fromBase64(request.publicKey);
        if (request.publicKeyHash !== undefined && toBase64Url(sha256(publicKey)) !== request.publicKeyHash)
          throw new Error('the server sent another key than the QR code names');
        return await encryption.sender(publicKey, linkInfo(parties));
      },
    );
    // the new device does not know whose account it joins, and needs it for its side of `info`
    return new ExistingDeviceLink(context, concatBytes(encapsulation, utf8(parties.userId)), {
      linkId: parties.linkId,
      nonceHash: request.nonceHash,
      nonce: random(nonceBytes),
    });
  }

  /**
   * Accepts the nonce that the new device reveals.
   *
   * @throws {VyryError} LINK_NONCE: it is not the one that the request promised
   */
  async acceptReveal(revealed: string): Promise<void> {
    const { linkId, nonceHash, nonce } = this.#link;
    await orRefuse('LINK_NONCE', 'The new device revealed another nonce than it promised', async () => {
      const newNonce = readNonce(revealed);
      if (toBase64(hashNonce(newNonce)) !== nonceHash) throw new Error('the hash of the nonce differs');
      this.#code = await linkCode(this.#context, linkId, newNonce, nonce);
    });
  }

  /**
   * Compares the digits that a person read on the new device; blanks and hyphens among them are ignored.
   *
   * @throws {VyryError} LINK_CODE: they differ. With no `attemptsLeft` the link must be denied.
   */
  confirmCode(typed: string): void {
    if (this.#code === undefined || this.#attemptsLeft === 0)
      throw new VyryError('LINK_CODE', 'There are no digits to compare', { attemptsLeft: 0 });
    this.#isConfirmed = typed.replace(/[\s-]/g, '') === this.#code;
    if (this.#isConfirmed) return;
    this.#attemptsLeft -= 1;
    throw new VyryError('LINK_CODE', 'The digits are not those of the new device', {
      attemptsLeft: this.#attemptsLeft,
    });
  }

  /**
   * Encrypts the identity key pair for the new device, in base64.
   *
   * @throws {VyryError} LINK_CODE: the digits were not compared
   */
  async sealProvision(provision: Provision): Promise<string> {
    if (!this.#isConfirmed) throw new VyryError('LINK_CODE', 'The digits were not compared');
    return toBase64(await this.#context.encrypt(encodeProvision(provision)));
  }
}

/**
 * Reads the text of a QR code. An application reads it in its own screen for linking only, never from an address that
 * was opened: a link in a message must not start a link.
 *
 * @throws {VyryError} LINK_ADDRESS: it is no link, or one of another server
 */
export function readQrText(text: string, origin: string): LinkAddress {
  const [, linkOrigin, linkId, publicKeyHash] =
    /^(https?:\/\/[^/#?]+)\/app\/link#1\.([\w-]{1,128})\.([\w-]{43})$/.exec(text) ?? [];
  if (linkOrigin === undefined || linkId === undefined || publicKeyHash === undefined)
    throw new VyryError('LINK_ADDRESS', 'This is not the code of a device that wants to be linked');
  if (linkOrigin !== origin) throw new VyryError('LINK_ADDRESS', `This device is linked at ${linkOrigin}`);
  return { linkId, publicKeyHash };
}

/** Returns the hash of the devices of an account, in base64: it does not depend on their order. */
export function hashDeviceSet(deviceIds: readonly string[]): string {
  const ids = deviceIds.map(utf8).map((id) => concatBytes(Uint8Array.of(id.length >> 8, id.length & 0xff), id));
  const sorted = ids.sort((one, other) => (toBase64(one) < toBase64(other) ? -1 : 1));
  return toBase64(sha256(concatBytes(deviceSetLabel, ...sorted)));
}

function linkInfo({ linkId, origin, userId }: LinkParties): Uint8Array {
  return concatBytes(infoLabel, utf8(linkId), utf8(origin), utf8(userId));
}

/** Six digits of 64 bits: the most frequent ones are more probable by less than one in 10^13. */
async function linkCode(
  context: ExportingContext,
  linkId: string,
  newNonce: Uint8Array,
  existingNonce: Uint8Array,
): Promise<string> {
  const exported = await context.Export(concatBytes(codeLabel, utf8(linkId), newNonce, existingNonce), 8);
  const number = new DataView(exported.buffer, exported.byteOffset).getBigUint64(0);
  return String(number % 1_000_000n).padStart(6, '0');
}

function hashNonce(nonce: Uint8Array): Uint8Array {
  return sha256(concatBytes(nonceLabel, nonce));
}

/**
 * A nonce of another length could move bytes between the two nonces of the digits.
 *
 * @throws {Error} it is not base64 of 32 bytes
 */
function readNonce(text: string): Uint8Array {
  const nonce = fromBase64(text);
  if (nonce.length !== nonceBytes) throw new Error('the nonce has another length');
  return nonce;
}

/** Runs what fails on bad input: every error becomes the one refusal of this step. */
async function orRefuse<T>(code: string, message: string, read: () => Promise<T>): Promise<T> {
  try {
    return await read();
  } catch (cause) {
    throw new VyryError(code, message, { cause });
  }
}

function encodeProvision({ userId, identity, deviceSetHash }: Provision): Uint8Array {
  const { publicKey, privateKey } = identity;
  return utf8(
    JSON.stringify({
      userId,
      identityKey: toBase64(publicKey),
      identityPrivateKey: toBase64(privateKey),
      deviceSetHash,
    }),
  );
}

/** @throws {Error} it is not what `encodeProvision` writes, or the keys are no pair */
function decodeProvision(bytes: Uint8Array): Provision {
  const fields: Record<string, unknown> = JSON.parse(new TextDecoder().decode(bytes));
  const read = (name: string): string => {
    const value = fields[name];
    if (typeof value !== 'string') throw new Error(`the provision has no ${name}`);
    return value;
  };
  const privateKey = fromBase64(read('identityPrivateKey'));
  const publicKey = publicKeyOf(privateKey);
  if (toBase64(publicKey) !== read('identityKey')) throw new Error('the identity keys are no pair');
  return { userId: read('userId'), identity: { publicKey, privateKey }, deviceSetHash: read('deviceSetHash') };
}
