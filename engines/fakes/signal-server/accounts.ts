/** The accounts of the fake Signal-Server, in memory. */
import { hkdfSync, randomBytes, randomUUID, timingSafeEqual } from 'node:crypto';

/** The keys of one identity of a device. */
export interface IdentityKeys {
  identityKey: Uint8Array;
  signedPreKey: { keyId: number; publicKey: Uint8Array };
  pqLastResortPreKey: { keyId: number; publicKey: Uint8Array };
  /** Ids of the one-time keys that are left. */
  preKeyIds: number[];
  pqPreKeyIds: number[];
}

/** An account. */
export interface Account {
  uuid: string;
  pni: string;
  number: string;
  password: SaltedHash;
  registrationLock: SaltedHash | undefined;
  recoveryPassword: string | undefined;
  /** The device can transfer its data to a new one. */
  canTransfer: boolean;
  /** When it last used the server, in ms since the Unix epoch. */
  seenAt: number;
  /** How often the number was registered. */
  registrations: number;
  keys: Record<'aci' | 'pni', IdentityKeys>;
}

/** A salted hash of a secret: HKDF-SHA-256, as the server stores passwords and registration locks. */
export interface SaltedHash {
  salt: Buffer;
  hash: Buffer;
}

/** Returns a salted hash of a secret. */
export function saltedHash(secret: string, salt: Buffer = randomBytes(16)): SaltedHash {
  return { salt, hash: Buffer.from(hkdfSync('sha256', secret, salt.toString('hex'), 'authtoken', 32)) };
}

/** Returns whether a secret has this hash. */
export function isSecretOf({ salt, hash }: SaltedHash, secret: string): boolean {
  return timingSafeEqual(saltedHash(secret, salt).hash, hash);
}

/** All accounts. */
export interface Accounts {
  byNumber(number: string): Account | undefined;
  /** By the user of Basic authentication: a UUID, with or without the device id of the primary device. */
  byUser(user: string): Account | undefined;
  /** Stores an account. The identities of a number stay. */
  register(account: Omit<Account, 'uuid' | 'pni' | 'registrations'>): Account;
  all(): Account[];
  clear(): void;
}

/** Creates the store. */
export function createAccounts(): Accounts {
  const accounts = new Map<string, Account>();
  return {
    byNumber: (number) => accounts.get(number),
    byUser: (user) => [...accounts.values()].find(({ uuid }) => user === uuid || user === `${uuid}.1`),
    register(given) {
      const earlier = accounts.get(given.number);
      const { uuid = randomUUID(), pni = randomUUID(), registrations = 0 } = earlier ?? {};
      const account = { ...given, uuid, pni, registrations: registrations + 1 };
      accounts.set(given.number, account);
      return account;
    },
    all: () => [...accounts.values()],
    clear: () => accounts.clear(),
  };
}
