/** The activity that moves accounts and devices to the current keys. */

import type { Devices } from '../adapters/mongo/devices.ts';
import type { Reencryption } from '../adapters/mongo/reencryption.ts';
import type { Passwords } from '../adapters/passwords.ts';
import type { Cipher } from '../platform/crypto.ts';

/** A page to move. */
export interface ReencryptInput {
  /** The last account of the page before; empty for the first page. */
  after: string;
  /** Deletes the claims by earlier keys as well. */
  retire: boolean;
}

/** A page that was moved. */
export interface ReencryptResult {
  /** The last account; absent after the last page. */
  last?: string;
  accounts: number;
  changed: number;
  /** Passwords and PINs that need an earlier key until their owner uses them. */
  earlierHashes: number;
}

/** Dependencies of the activity. */
export interface ReencryptionDeps {
  reencryption: Reencryption;
  devices: Pick<Devices, 'read' | 'setPush'>;
  passwords: Pick<Passwords, 'isCurrent'>;
  pushCipher: Cipher;
}

/** The activities of the registration role that change keys. */
export type ReencryptionActivities = ReturnType<typeof createReencryptionActivities>;

const size = 200;

/** Creates the activities. Temporal retries outages. */
export function createReencryptionActivities({ reencryption, devices, passwords, pushCipher }: ReencryptionDeps) {
  async function movePush(userId: string): Promise<void> {
    for (const { deviceId, push } of (await devices.read(userId))?.devices ?? []) {
      if (push === undefined || push.startsWith(`${pushCipher.keyId}.`)) continue;
      await devices.setPush(userId, deviceId, pushCipher.encryptText(pushCipher.decryptText(push)), { was: push });
    }
  }

  return {
    /** Moves a page of accounts and their devices. Idempotent: what has the current keys is not written. */
    async reencryptPage({ after, retire }: ReencryptInput): Promise<ReencryptResult> {
      const { userIds, changed, hashes } = await reencryption.movePage(after, { size, retire });
      for (const userId of userIds) await movePush(userId);
      const last = userIds.length < size ? undefined : userIds.at(-1);
      const earlierHashes = hashes.filter((hash) => !passwords.isCurrent(hash)).length;
      return { accounts: userIds.length, changed, earlierHashes, ...(last !== undefined && { last }) };
    },
  };
}
