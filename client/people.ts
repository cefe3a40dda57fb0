/** What this device knows of the identity keys of others, for their users. */
import { fromBase64 } from './bytes.ts';
import { acceptIdentityChange, ownIdentity, recordOf, verifyIdentity } from './crypto/identities.ts';
import { safetyNumber } from './crypto/safety-number.ts';
import { VyryError } from './errors.ts';
import type { ClientState, ClientStore, StoredIdentity } from './store.ts';

/** The safety number of this account and another one. */
export interface SafetyNumber {
  /** 60 digits, the same ones on the devices of both; as text they fit into a QR code. */
  digits: string;
  /** A person has compared it on this device. */
  isVerified: boolean;
}

/** The identity keys of others. */
export interface Identities {
  /** @throws {VyryError} UNKNOWN_IDENTITY: this device has exchanged no message with the person */
  safetyNumber(userId: string): Promise<SafetyNumber>;
  /**
   * Records that a person has compared the digits. From then on nothing is sent to another identity key before `accept`.
   *
   * @param digits those that the other device shows, typed, read or scanned; blanks are ignored
   * @throws {VyryError} IDENTITY_CHANGED: they are not the digits of the present keys. UNKNOWN_IDENTITY
   */
  verify(userId: string, digits: string): Promise<void>;
  /** Accepts whatever identity key the person has now; what was held is sent. */
  accept(userId: string): Promise<void>;
}

/** Creates the functions on identity keys; `release` sends what was held for a person. */
export function createIdentities(store: ClientStore, release: (userId: string) => void): Identities {
  return {
    safetyNumber: (userId) =>
      store.transaction((state) => {
        const record = knownRecord(state, userId);
        return { digits: digitsOf(state, record), isVerified: record.isVerified };
      }),
    verify: (userId, digits) =>
      store.transaction((state) => {
        const record = knownRecord(state, userId);
        if (digits.replace(/\s/g, '') !== digitsOf(state, record))
          throw new VyryError('IDENTITY_CHANGED', 'The digits are those of other keys', { fields: { userId } });
        verifyIdentity(state, userId, record.publicKey);
      }),
    async accept(userId) {
      await store.transaction((state) => acceptIdentityChange(state, userId));
      release(userId);
    },
  };
}

function knownRecord(state: ClientState, userId: string): StoredIdentity {
  const record = recordOf(state, userId);
  if (record) return record;
  throw new VyryError('UNKNOWN_IDENTITY', 'No message was exchanged with this person', { fields: { userId } });
}

function digitsOf(state: ClientState, { userId, publicKey }: StoredIdentity): string {
  const own = { userId: state.userId ?? '', identityKey: ownIdentity(state).publicKey };
  return safetyNumber(own, { userId, identityKey: fromBase64(publicKey) });
}
