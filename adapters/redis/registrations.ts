/**
 * The read model of registrations: `registration:{id}` HASH. The API creates it, reads it and subscribes to its
 * changes. The workflow, which the first update starts, writes it. Until then the field `start` contains the workflow
 * input.
 *
 * Consistency: a status has a version, and an older version never replaces a newer one, so writes may be repeated and
 * reordered. The next change of the workflow rewrites a lost status.
 */
import { type RegistrationStatus, statusAt } from '../../domain/registration.ts';
import type { Cipher } from '../../platform/crypto.ts';
import { loadScript, type Redis } from './connect.ts';
import { keyFamilies, keys } from './keys.ts';

/** A registration as the API reads it. */
export interface StoredRegistration {
  status: RegistrationStatus;
  tokenHash: string;
}

/** The read model of registrations. */
export type Registrations = ReturnType<typeof createRegistrations>;

/** How long a status is stored after its last change: a day longer than the longest wait for a dependency. */
const lifeSeconds = keyFamilies.registration.life.seconds;
/** How long a device is stored before the account has it. */
const deviceSeconds = keyFamilies.registrationDevice.life.seconds;
/** How long credentials are stored before the account exists: the longest lifetime of a registration. */
const credentialsSeconds = keyFamilies.credentials.life.seconds;

/** Creates the read model of registrations. */
export function createRegistrations(redis: Redis) {
  const writeScript = loadScript(redis, 'registration-write');
  return {
    /** Stores and publishes a status. Safe to repeat and to reorder: keyed by its version. */
    async write(registrationId: string, tokenHash: string, status: RegistrationStatus): Promise<void> {
      await writeScript(
        [keys.registration({ registrationId })],
        [status.version, JSON.stringify(status), lifeSeconds, tokenHash],
      );
    },

    /** Returns the newest status as of now, or undefined if the id is unknown or the registration ended long ago. */
    async read(registrationId: string): Promise<StoredRegistration | undefined> {
      const [status, tokenHash] = await redis.hmget(keys.registration({ registrationId }), 'status', 'token');
      return status && tokenHash ? { status: statusAt(JSON.parse(status), Date.now()), tokenHash } : undefined;
    },

    /**
     * Claims the one session of a registration. Returns true for the first session id and for its repeats. One atomic
     * step (HSETNX), so of parallel calls exactly one wins.
     */
    async takeSession(registrationId: string, sessionId: string): Promise<boolean> {
      const key = keys.registration({ registrationId });
      if ((await redis.hsetnx(key, 'session', sessionId)) === 1) return true;
      return (await redis.hget(key, 'session')) === sessionId;
    },

    /** Stores password hashes until the account exists. */
    async saveCredentials(registrationId: string, hashes: { password?: string; pin?: string }): Promise<void> {
      const key = keys.credentials({ registrationId });
      await redis.multi().del(key).hset(key, hashes).expire(key, credentialsSeconds).exec();
    },

    /** Returns the stored password hashes; empty if there are none. */
    async readCredentials(registrationId: string): Promise<{ password?: string; pin?: string }> {
      return redis.hgetall(keys.credentials({ registrationId }));
    },

    /** Deletes the stored password hashes. Safe to repeat. */
    async removeCredentials(registrationId: string): Promise<void> {
      await redis.del(keys.credentials({ registrationId }));
    },

    /** Stores a device with its keys until the account has it; a later one replaces it. */
    async saveDevice(registrationId: string, device: unknown): Promise<void> {
      await redis.set(keys.registrationDevice({ registrationId }), JSON.stringify(device), 'EX', deviceSeconds);
    },

    /** Returns the stored device; undefined if there is none. */
    async readDevice(registrationId: string): Promise<unknown> {
      const text = await redis.get(keys.registrationDevice({ registrationId }));
      return text === null ? undefined : JSON.parse(text);
    },

    /** Deletes the stored device. Safe to repeat. */
    async removeDevice(registrationId: string): Promise<void> {
      await redis.del(keys.registrationDevice({ registrationId }));
    },
  };
}

/** A registration before its first update. */
export interface NewRegistrationRecord extends StoredRegistration {
  /** The workflow input. It is personal data, so it is stored encrypted. */
  start: unknown;
}

/** The store of workflow inputs of registrations. */
export type RegistrationStarts = ReturnType<typeof createRegistrationStarts>;

/** How long an expired registration without a workflow is stored, so that a late client learns that it expired. */
const unstartedMs = 10 * 60_000;

/** Creates the store of workflow inputs, in the hash of the read model; `cipher` encrypts them. */
export function createRegistrationStarts(redis: Redis, cipher: Pick<Cipher, 'encryptText' | 'decryptText'>) {
  const createScript = loadScript(redis, 'registration-create');
  return {
    /** Stores a registration in one step, until ten minutes after it expires. Safe to repeat: an existing one stays. */
    async create(registrationId: string, { status, tokenHash, start }: NewRegistrationRecord): Promise<void> {
      await createScript(
        [keys.registration({ registrationId })],
        [
          status.version,
          JSON.stringify(status),
          tokenHash,
          cipher.encryptText(JSON.stringify(start)),
          status.expiresAt + unstartedMs,
        ],
      );
    },

    /** Returns the workflow input, or undefined once the workflow has written a status or if the id is unknown. */
    async read(registrationId: string): Promise<unknown> {
      const encrypted = await redis.hget(keys.registration({ registrationId }), 'start');
      return encrypted === null ? undefined : JSON.parse(cipher.decryptText(encrypted));
    },
  };
}
