/**
 * The read model of registrations: `registration:{id}` HASH, created by the api, then written by the workflow that the first
 * order starts, read and listened to by the api. Until the workflow writes, the field `start` is what it is started with.
 *
 * Consistency: a status carries a version and an older one never replaces a newer one, so writes may be repeated and
 * may overtake each other. It can be rebuilt by the workflow at its next change.
 */
import { type RegistrationStatus, statusAt } from '../../domain/registration.ts';
import type { Cipher } from '../../platform/crypto.ts';
import { loadScript, type Redis } from './connect.ts';

/** A registration as the api reads it. */
export interface StoredRegistration {
  status: RegistrationStatus;
  tokenHash: string;
}

export type Registrations = ReturnType<typeof createRegistrations>;

/** How long a status stays readable after its last change: a day beyond the longest stay for an outside system. */
const lifeSeconds = 2 * 86_400;
/** How long credentials wait for the account they belong to; the longest life of a registration. */
const credentialsSeconds = 2 * 86_400;

/** Creates the read model on a connection. */
export function createRegistrations(redis: Redis) {
  const writeScript = loadScript(redis, 'registration-write');
  return {
    /** Stores and announces a status. Safe to repeat and to reorder: keyed by its version. */
    async write(registrationId: string, tokenHash: string, status: RegistrationStatus): Promise<void> {
      await writeScript(
        [registrationKey(registrationId)],
        [status.version, JSON.stringify(status), lifeSeconds, tokenHash],
      );
    },

    /** The newest status as it stands now, or undefined when the id is unknown or long over. */
    async read(registrationId: string): Promise<StoredRegistration | undefined> {
      const [status, tokenHash] = await redis.hmget(registrationKey(registrationId), 'status', 'token');
      return status && tokenHash ? { status: statusAt(JSON.parse(status), Date.now()), tokenHash } : undefined;
    },

    /**
     * Takes the one session a registration gives: true for the first session id and whenever that one asks again.
     * One atomic step (HSETNX), so of parallel calls exactly one wins.
     */
    async takeSession(registrationId: string, sessionId: string): Promise<boolean> {
      const key = registrationKey(registrationId);
      if ((await redis.hsetnx(key, 'session', sessionId)) === 1) return true;
      return (await redis.hget(key, 'session')) === sessionId;
    },

    /** Keeps password hashes until the account exists. */
    async saveCredentials(registrationId: string, hashes: { password?: string; pin?: string }): Promise<void> {
      const key = credentialsKey(registrationId);
      await redis.multi().del(key).hset(key, hashes).expire(key, credentialsSeconds).exec();
    },

    /** The password hashes that were kept; empty when there are none. */
    async readCredentials(registrationId: string): Promise<{ password?: string; pin?: string }> {
      return redis.hgetall(credentialsKey(registrationId));
    },

    async removeCredentials(registrationId: string): Promise<void> {
      await redis.del(credentialsKey(registrationId));
    },
  };
}

/** A registration before its first order. */
export interface NewRegistrationRecord extends StoredRegistration {
  /** What its workflow is started with; personal, so that it is sealed. */
  start: unknown;
}

export type RegistrationStarts = ReturnType<typeof createRegistrationStarts>;

/** Whoever asks in time after its end hears that it has expired; nothing else is left to know of it. */
const unstartedMs = 10 * 60_000;

/** Creates the store of what registrations are started with, on the hash of the read model; `cipher` seals it. */
export function createRegistrationStarts(redis: Redis, cipher: Pick<Cipher, 'encryptText' | 'decryptText'>) {
  const createScript = loadScript(redis, 'registration-create');
  return {
    /** Stores a registration in one step, until ten minutes after its end. Safe to repeat: what is there stays. */
    async create(registrationId: string, { status, tokenHash, start }: NewRegistrationRecord): Promise<void> {
      await createScript(
        [registrationKey(registrationId)],
        [
          status.version,
          JSON.stringify(status),
          tokenHash,
          cipher.encryptText(JSON.stringify(start)),
          status.expiresAt + unstartedMs,
        ],
      );
    },

    /** What its workflow is started with, or undefined once the workflow has written, or when the id is unknown. */
    async read(registrationId: string): Promise<unknown> {
      const encrypted = await redis.hget(registrationKey(registrationId), 'start');
      return encrypted === null ? undefined : JSON.parse(cipher.decryptText(encrypted));
    },
  };
}

/** A stay on the line for one registration. */
export interface Listening extends AsyncDisposable {
  /** Resolves to true at the next announcement since it was last called, to false when the time is over. */
  changed(): Promise<boolean>;
}

/** Listens to announcements over one connection of its own. */
export function createRegistrationListener(subscriber: Redis) {
  const waiting = new Map<string, Set<() => void>>();
  subscriber.on('message', (channel: string) => {
    for (const wake of waiting.get(channel) ?? []) wake();
  });

  return {
    /** Begins to listen, for so long; read the status after that, and no change is missed. */
    async listen(registrationId: string, timeoutMs: number): Promise<Listening> {
      const channel = registrationKey(registrationId);
      const deadline = Date.now() + timeoutMs;
      let announced = Promise.withResolvers<boolean>();
      const wake = () => announced.resolve(true);
      const wakes = waiting.get(channel) ?? new Set();
      waiting.set(channel, wakes.add(wake));
      await subscriber.subscribe(channel);
      return {
        async changed() {
          const timer = setTimeout(() => announced.resolve(false), Math.max(0, deadline - Date.now()));
          const isNew = await announced.promise;
          clearTimeout(timer);
          announced = Promise.withResolvers<boolean>();
          return isNew;
        },
        async [Symbol.asyncDispose]() {
          wakes.delete(wake);
          if (wakes.size > 0 || waiting.get(channel) !== wakes) return;
          waiting.delete(channel);
          await subscriber.unsubscribe(channel);
        },
      };
    },
  };
}

export type RegistrationListener = ReturnType<typeof createRegistrationListener>;

function registrationKey(registrationId: string): string {
  return `registration:{${registrationId}}`;
}

function credentialsKey(registrationId: string): string {
  return `credentials:{${registrationId}}`;
}
