/**
 * A device of Signal's own library, which judges what is compatible. libsignal takes arrays that own their buffer, so
 * bytes are copied.
 */
import {
  CiphertextMessageType,
  type Direction,
  IdentityChange,
  IdentityKeyStore,
  KEMPublicKey,
  KyberPreKeyRecord,
  KyberPreKeyStore,
  PreKeyBundle,
  PreKeyRecord,
  PreKeySignalMessage,
  PreKeyStore,
  PrivateKey,
  ProtocolAddress,
  PublicKey,
  processPreKeyBundle,
  SessionRecord,
  SessionStore,
  SignalMessage,
  SignedPreKeyRecord,
  SignedPreKeyStore,
  signalDecrypt,
  signalDecryptPreKey,
  signalEncrypt,
} from '@signalapp/libsignal-client';
import protobuf from 'protobufjs';
import { storedKyberKeyPair } from '../../client/keys.ts';
import type { ClientState, KeyKind } from '../../client/store.ts';

/** A key of a bundle, in base64. */
interface BundleKey {
  keyId: number;
  publicKey: string;
}

/** One device of a bundle, as the key directory answers it. */
export interface BundleDevice {
  registrationId: number;
  signedPreKey: BundleKey & { signature: string };
  preKey?: BundleKey | undefined;
  pqPreKey: BundleKey & { signature: string };
}

/** A message between two devices of libsignal. */
export interface LibsignalMessage {
  isFirst: boolean;
  bytes: Uint8Array;
}

/** Decodes base64 into an array of its own. */
function decode(base64: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(Buffer.from(base64, 'base64'));
}

class Sessions extends SessionStore {
  readonly records = new Map<string, Uint8Array<ArrayBuffer>>();
  async saveSession(name: ProtocolAddress, record: SessionRecord): Promise<void> {
    this.records.set(name.name(), record.serialize());
  }
  async getSession(name: ProtocolAddress): Promise<SessionRecord | null> {
    const record = this.records.get(name.name());
    return record === undefined ? null : SessionRecord.deserialize(record);
  }
  async getExistingSessions(): Promise<SessionRecord[]> {
    return [...this.records.values()].map((record) => SessionRecord.deserialize(record));
  }
}

class Identities extends IdentityKeyStore {
  readonly #privateKey: PrivateKey;
  readonly #registrationId: number;
  constructor(privateKey: PrivateKey, registrationId: number) {
    super();
    this.#privateKey = privateKey;
    this.#registrationId = registrationId;
  }
  async getIdentityKey(): Promise<PrivateKey> {
    return this.#privateKey;
  }
  async getLocalRegistrationId(): Promise<number> {
    return this.#registrationId;
  }
  async saveIdentity(): Promise<IdentityChange> {
    return IdentityChange.NewOrUnchanged;
  }
  async isTrustedIdentity(_name: ProtocolAddress, _key: PublicKey, _direction: Direction): Promise<boolean> {
    return true;
  }
  async getIdentity(): Promise<PublicKey | null> {
    return null;
  }
}

class PreKeys extends PreKeyStore {
  readonly records = new Map<number, PreKeyRecord>();
  async savePreKey(id: number, record: PreKeyRecord): Promise<void> {
    this.records.set(id, record);
  }
  async getPreKey(id: number): Promise<PreKeyRecord> {
    return known(this.records, id);
  }
  async removePreKey(id: number): Promise<void> {
    this.records.delete(id);
  }
}

class SignedPreKeys extends SignedPreKeyStore {
  readonly records = new Map<number, SignedPreKeyRecord>();
  async saveSignedPreKey(id: number, record: SignedPreKeyRecord): Promise<void> {
    this.records.set(id, record);
  }
  async getSignedPreKey(id: number): Promise<SignedPreKeyRecord> {
    return known(this.records, id);
  }
}

class KyberPreKeys extends KyberPreKeyStore {
  readonly records = new Map<number, KyberPreKeyRecord>();
  async saveKyberPreKey(id: number, record: KyberPreKeyRecord): Promise<void> {
    this.records.set(id, record);
  }
  async getKyberPreKey(id: number): Promise<KyberPreKeyRecord> {
    return known(this.records, id);
  }
  async markKyberPreKeyUsed(): Promise<void> {}
}

function known<T>(records: Map<number, T>, id: number): T {
  const record = records.get(id);
  if (record === undefined) throw new Error(`libsignal asked for the unknown key ${id}`);
  return record;
}

/** A device of libsignal with its stores. */
export class LibsignalDevice {
  readonly #name: string;
  readonly #identities: Identities;
  readonly #sessions = new Sessions();
  readonly #preKeys = new PreKeys();
  readonly #signedPreKeys = new SignedPreKeys();
  readonly #kyberPreKeys = new KyberPreKeys();

  constructor(name: string, identity = PrivateKey.generate(), registrationId = 1) {
    this.#name = name;
    this.#identities = new Identities(identity, registrationId);
  }

  /** Begins a session from a bundle of the key directory; libsignal verifies its signatures. */
  async begin(peer: string, identityKey: string, device: BundleDevice): Promise<void> {
    const { registrationId, signedPreKey, preKey, pqPreKey } = device;
    const bundle = PreKeyBundle.new(
      registrationId,
      1,
      preKey?.keyId ?? null,
      preKey ? PublicKey.deserialize(decode(preKey.publicKey)) : null,
      signedPreKey.keyId,
      PublicKey.deserialize(decode(signedPreKey.publicKey)),
      decode(signedPreKey.signature),
      PublicKey.deserialize(decode(identityKey)),
      pqPreKey.keyId,
      KEMPublicKey.deserialize(decode(pqPreKey.publicKey)),
      decode(pqPreKey.signature),
    );
    await processPreKeyBundle(bundle, address(peer), address(this.#name), this.#sessions, this.#identities);
  }

  /** Creates a device of libsignal with the private keys of a device of the client, for one bundle of it. */
  static async ofClient(name: string, state: ClientState, bundle: BundleDevice): Promise<LibsignalDevice> {
    const secretOf = (kind: KeyKind, keyId: number) => {
      const key = state.keys[kind].find((one) => one.keyId === keyId);
      if (key === undefined) throw new Error(`The client has no ${kind} ${keyId}`);
      return key;
    };
    const { signedPreKey, preKey, pqPreKey, registrationId } = bundle;
    const device = new LibsignalDevice(
      name,
      PrivateKey.deserialize(decode(state.identity?.privateKey ?? '')),
      registrationId,
    );
    const isOneTime = state.keys.pqPreKeys.some(({ keyId }) => keyId === pqPreKey.keyId);
    await device.#keepKeys({
      ...(preKey && { preKey: { keyId: preKey.keyId, privateKey: decode(secretOf('preKeys', preKey.keyId).secret) } }),
      signedPreKey: { ...signedPreKey, privateKey: decode(secretOf('signedPreKey', signedPreKey.keyId).secret) },
      kyberPreKey: {
        ...pqPreKey,
        ...storedKyberKeyPair(secretOf(isOneTime ? 'pqPreKeys' : 'pqLastResortPreKey', pqPreKey.keyId)),
      },
    });
    return device;
  }

  /** Keeps private keys that another program made. Bytes of a Kyber secret key are serialised with their type. */
  async #keepKeys(keys: {
    preKey?: { keyId: number; privateKey: Uint8Array };
    signedPreKey: { keyId: number; privateKey: Uint8Array; signature: string };
    kyberPreKey: { keyId: number; publicKey: Uint8Array; secretKey: Uint8Array; signature: string };
  }): Promise<void> {
    const { preKey, signedPreKey, kyberPreKey } = keys;
    if (preKey) {
      const secret = PrivateKey.deserialize(Uint8Array.from(preKey.privateKey));
      this.#preKeys.records.set(preKey.keyId, PreKeyRecord.new(preKey.keyId, secret.getPublicKey(), secret));
    }
    const secret = PrivateKey.deserialize(Uint8Array.from(signedPreKey.privateKey));
    const { keyId, signature } = signedPreKey;
    const record = SignedPreKeyRecord.new(keyId, 1, secret.getPublicKey(), secret, decode(signature));
    this.#signedPreKeys.records.set(keyId, record);
    this.#kyberPreKeys.records.set(kyberPreKey.keyId, KyberPreKeyRecord.deserialize(kyberRecord(kyberPreKey)));
  }

  /** Returns the serialised session with a peer. */
  session(peer: string): Uint8Array {
    return this.#sessions.records.get(peer) ?? new Uint8Array();
  }

  /** Encrypts a text in the session with a peer. */
  async encrypt(peer: string, text: string): Promise<LibsignalMessage> {
    const plain = Uint8Array.from(Buffer.from(text));
    const message = await signalEncrypt(plain, address(peer), address(this.#name), this.#sessions, this.#identities);
    return { isFirst: message.type() === CiphertextMessageType.PreKey, bytes: message.serialize() };
  }

  /** Decrypts a message of a peer. */
  async decrypt(peer: string, { isFirst, bytes }: LibsignalMessage): Promise<string> {
    const from = address(peer);
    const to = address(this.#name);
    const own = Uint8Array.from(bytes);
    const plain = isFirst
      ? await signalDecryptPreKey(
          PreKeySignalMessage.deserialize(own),
          from,
          to,
          this.#sessions,
          this.#identities,
          this.#preKeys,
          this.#signedPreKeys,
          this.#kyberPreKeys,
        )
      : await signalDecrypt(SignalMessage.deserialize(own), from, to, this.#sessions, this.#identities);
    return Buffer.from(plain).toString();
  }
}

function address(name: string): ProtocolAddress {
  return ProtocolAddress.new(name, 1);
}

/** libsignal reads Kyber keys of others only in its own record: id 1, public key 2, secret key 3, signature 4, time 5. */
function kyberRecord(key: {
  keyId: number;
  publicKey: Uint8Array;
  secretKey: Uint8Array;
  signature: string;
}): Uint8Array<ArrayBuffer> {
  const writer = protobuf.Writer.create();
  writer.uint32(0x08).uint32(key.keyId);
  writer.uint32(0x12).bytes(key.publicKey);
  writer.uint32(0x1a).bytes(key.secretKey);
  writer.uint32(0x22).bytes(decode(key.signature));
  writer.uint32(0x29).fixed64(1);
  return Uint8Array.from(writer.finish());
}

/** Returns the fields of a protobuf message by their numbers: bytes of texts, messages and bytes, else numbers. */
export function fieldsOf(message: Uint8Array): Map<number, (number | Uint8Array)[]> {
  const fields = new Map<number, (number | Uint8Array)[]>();
  const reader = protobuf.Reader.create(message);
  while (reader.pos < reader.len) {
    const tag = reader.uint32();
    const value = (tag & 7) === 2 ? reader.bytes() : (tag & 7) === 1 ? Number(reader.fixed64()) : reader.uint32();
    fields.set(tag >>> 3, [...(fields.get(tag >>> 3) ?? []), value]);
  }
  return fields;
}
