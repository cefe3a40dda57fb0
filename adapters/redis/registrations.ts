/**
 * The read model of registrations: `registration:{id}` HASH. The API creates it, reads it, subscribes to its changes, and
 * writes each status that an update returns. The workflow, which the first update starts, writes what changes without an
 * update. Until the first update the field `start` contains the workflow input.
 *
 * Consistency: a status has a version, and an older version never replaces a newer one, so writes may be repeated and
 * reordered. A lost status is written again by the next change or by a repeat of the step. Proofs that the workflow has
 * not recorded yet are fields of their own; whoever reads the status gets it with them.
 */
import { type CarriedProofs, type RegistrationStatus, statusAt, withProofs } from '../../domain/registration.ts';
import type { Cipher } from '../../platform/crypto.ts';
import { loadScript, type Redis } from './connect.ts';
import { keyFamilies, keys } from './keys.ts';

/** A registration as the API reads it. */
export interface StoredRegistration {
  status: RegistrationStatus;
  tokenHash: string;
}

/** PHC strings of the credentials of an account that does not exist yet. */
interface CredentialHashes {
  password?: string;
  pin?: string;
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
    /**
     * Stores and publishes a status. Safe to repeat and to reorder: keyed by its version. Without the hash of its token,
     * a registration that is not stored any more stays so.
     */
    async write(registrationId: string, status: RegistrationStatus, tokenHash = ''): Promise<void> {
      await writeScript(
        [keys.registration({ registrationId })],
        [status.version, JSON.stringify(status), lifeSeconds, tokenHash],
      );
    },

    /** Returns the newest status as of now, or undefined if the id is unknown or the registration ended long ago. */
    async read(registrationId: string): Promise<StoredRegistration | undefined> {
      const key = keys.registration({ registrationId });
      const [text, tokenHash, ...proofs] = await redis.hmget(key, 'status', 'token', 'captcha', 'code');
      if (!text || !tokenHash) return undefined;
      return { status: withProofs(statusAt(JSON.parse(text), Date.now()), proofsIn(proofs)), tokenHash };
    },

    ...createProofs(redis),

    /**
     * Claims the one session of a registration. Returns true for the first session id and for its repeats. One atomic
     * step (HSETNX), so of parallel calls exactly one wins.
     */
    async takeSession(registrationId: string, sessionId: string): Promise<boolean> {
      const key = keys.registration({ registrationId });
      if ((await redis.hsetnx(key, 'session', sessionId)) === 1) return true;
      return (await redis.hget(key, 'session')) === sessionId;
    },

    /** Stores password hashes until the account exists, with the reference of the secret that they were made of. */
    async saveCredentials(registrationId: string, hashes: CredentialHashes, reference: string): Promise<void> {
      const key = keys.credentials({ registrationId });
      await redis
        .multi()
        .del(key)
        .hset(key, { ...hashes, reference })
        .expire(key, credentialsSeconds)
        .exec();
    },

    /** Returns the stored password hashes and the reference of their secret; empty if there are none. */
    async readCredentials(registrationId: string): Promise<CredentialHashes & { reference?: string }> {
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

/** The proofs that the workflow has not recorded yet. */
function createProofs(redis: Redis) {
  const proofScript = loadScript(redis, 'registration-proof');
  const takeScript = loadScript(redis, 'registration-take');
  return {
    /**
     * Stores the proof of a step that the workflow learns with its next update. Returns false when it must be told at once
     * instead. Safe to repeat: the first proof stays.
     */
    async carryProof<Name extends keyof CarriedProofs>(
      registrationId: string,
      name: Name,
      proof: Required<CarriedProofs>[Name],
    ): Promise<boolean> {
      return (await proofScript([keys.registration({ registrationId })], [name, JSON.stringify(proof)])) === 1;
    },

    /** Returns the stored proofs. Every later one is told to the workflow at once. Safe to repeat. */
    async takeProofs(registrationId: string): Promise<CarriedProofs> {
      return proofsIn((await takeScript([keys.registration({ registrationId })], [])) as (string | null)[]);
    },
  };
}

function proofsIn([captcha, code]: readonly (string | null | undefined)[]): CarriedProofs {
  return { ...(captcha && { captcha: JSON.parse(captcha) }), ...(code && { code: JSON.parse(code) }) };
}

/** A registration before its first update. */
export interface NewRegistrationRecord extends StoredRegistration {
  /** The workflow input. It is personal data, so it is stored encrypted. */
  start: unknown;
}

/** The store of what updates of registrations need. */
export type RegistrationStarts = ReturnType<typeof createRegistrationStarts>;

/** How long an expired registration without a workflow is stored, so that a late client learns that it expired. */
const unstartedMs = 10 * 60_000;

/** Creates the store of what updates need, in the hash of the read model; `cipher` encrypts workflow inputs. */
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

    /**
     * Returns what the next update needs: the workflow input, until a status of the workflow is stored, and the proofs that
     * it has not recorded yet.
     */
    async read(registrationId: string): Promise<{ start?: unknown; proofs: CarriedProofs }> {
      const [start, ...proofs] = await redis.hmget(keys.registration({ registrationId }), 'start', 'captcha', 'code');
      return { ...(start && { start: JSON.parse(cipher.decryptText(start)) }), proofs: proofsIn(proofs) };
    },
  };
}
