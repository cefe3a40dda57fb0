/**
 * The encryption of links: HPKE (RFC 9180) in base mode with one suite only, MLKEM768-X25519, HKDF-SHA-256 and
 * AES-256-GCM. It is the same implementation in every runtime, because WebCrypto has no ML-KEM in most of them.
 */
import { AEAD_AES_256_GCM, KDF_HKDF_SHA256, KEM_MLKEM768_X25519 } from '@panva/hpke-noble';
import { CipherSuite, type Key, type RecipientContext, type SenderContext } from 'hpke';

/** The part of an HPKE context that the six digits are made of. */
export type ExportingContext = Pick<SenderContext, 'Export'>;

/** The context of the existing device. */
export interface EncryptingContext extends ExportingContext {
  encrypt(plain: Uint8Array): Promise<Uint8Array>;
}

/** The context of the new device. */
export type DecryptingContext = Pick<RecipientContext, 'Export' | 'Open'>;

/** What the protocol of links asks of its encryption. */
export interface LinkEncryption<PrivateKey = unknown> {
  /** Length of an encapsulated secret. */
  readonly encapsulationBytes: number;
  generateKeyPair(): Promise<{ publicKey: Uint8Array; privateKey: PrivateKey }>;
  /** @throws {Error} the public key is malformed */
  sender(publicKey: Uint8Array, info: Uint8Array): Promise<{ encapsulation: Uint8Array; context: EncryptingContext }>;
  /** @throws {Error} the encapsulation is malformed */
  recipient(privateKey: PrivateKey, encapsulation: Uint8Array, info: Uint8Array): Promise<DecryptingContext>;
}

const suite = new CipherSuite(KEM_MLKEM768_X25519, KDF_HKDF_SHA256, AEAD_AES_256_GCM);

/** The encryption of links whose QR text begins its fragment with `1.`. */
export const hpke: LinkEncryption<Key> = {
  encapsulationBytes: suite.KEM.Nenc,
  async generateKeyPair() {
    const { publicKey, privateKey } = await suite.GenerateKeyPair();
    return { publicKey: await suite.SerializePublicKey(publicKey), privateKey };
  },
  async sender(publicKey, info) {
    const key = await suite.DeserializePublicKey(publicKey);
    const { encapsulatedSecret, ctx } = await suite.SetupSender(key, { info });
    return {
      encapsulation: encapsulatedSecret,
      context: {
        Export: (exporterContext, length) => ctx.Export(exporterContext, length),
        encrypt: (plain) => ctx.Seal(plain),
      },
    };
  },
  async recipient(privateKey, encapsulation, info) {
    return await suite.SetupRecipient(privateKey, encapsulation, { info });
  },
};
