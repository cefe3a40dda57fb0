/**
 * What the step `signal` of a registration needs outside of Temporal: `signal:{registrationId}` HASH.
 *
 * `number` is the number whose code was typed, for the Signal-Server that asks for the verification session. `request`
 * has the attributes, keys and device password of the last request, and `answer` the account that it registered. All
 * are encrypted. A later request replaces an earlier one, whose reference then finds nothing.
 *
 * Consistency: `number` and `answer` have one value each, so writes may be repeated and reordered. When Redis is
 * unavailable: fails closed.
 */
import type { SignalAccount } from '../../domain/signal.ts';
import { type Cipher, newId } from '../../platform/crypto.ts';
import type { Redis } from './connect.ts';
import { keyFamilies, keys } from './keys.ts';

/** A request to register at a Signal-Server. */
export interface SignalRequest {
  /** The password of the new device. */
  password: string;
  userAgent: string;
  /** The body of the registration, without `sessionId`. */
  attributes: Record<string, unknown>;
  /** One-time keys by identity. */
  preKeys: Partial<Record<'aci' | 'pni', Record<string, unknown>>>;
}

/** A completed step: the account, and the keyed hash of the request that registered it. */
export interface SignalAnswer {
  account: SignalAccount;
  requestHash: string;
}

/** The store of the steps `signal`. */
export type SignalSteps = ReturnType<typeof createSignalSteps>;

const lifeSeconds = keyFamilies.signalStep.life.seconds;
const afterEndSeconds = keyFamilies.registration.life.seconds;

/** Creates the store; `cipher` encrypts every value. */
export function createSignalSteps(redis: Redis, cipher: Pick<Cipher, 'encryptText' | 'decryptText'>) {
  const encrypt = (value: unknown) => cipher.encryptText(JSON.stringify(value));
  const decrypt = (text: string): unknown => JSON.parse(cipher.decryptText(text));
  async function write(registrationId: string, fields: Record<string, string>): Promise<void> {
    const key = keys.signalStep({ registrationId });
    await redis.multi().hset(key, fields).expire(key, lifeSeconds).exec();
  }

  return {
    /** Stores the number whose code was typed. Safe to repeat. */
    saveNumber: (registrationId: string, number: string): Promise<void> =>
      write(registrationId, { number: encrypt(number) }),

    /** Returns that number, or undefined. */
    async readNumber(registrationId: string): Promise<string | undefined> {
      const number = await redis.hget(keys.signalStep({ registrationId }), 'number');
      return number === null ? undefined : (decrypt(number) as string);
    },

    /** Stores a request in place of an earlier one. Returns its reference. */
    async saveRequest(registrationId: string, request: SignalRequest): Promise<string> {
      const reference = newId();
      await write(registrationId, { request: encrypt({ reference, request }) });
      return reference;
    },

    /**
     * Returns a request, or undefined when another one has replaced it. It can be read repeatedly, so that an activity
     * can be retried.
     */
    async readRequest(registrationId: string, reference: string): Promise<SignalRequest | undefined> {
      const stored = await redis.hget(keys.signalStep({ registrationId }), 'request');
      if (stored === null) return undefined;
      const found = decrypt(stored) as { reference: string; request: SignalRequest };
      return found.reference === reference ? found.request : undefined;
    },

    /** Stores the account of the completed step. Safe to repeat. */
    saveAnswer: (registrationId: string, answer: SignalAnswer): Promise<void> =>
      write(registrationId, { answer: encrypt(answer) }),

    /** Returns the account of the completed step, or undefined. */
    async readAnswer(registrationId: string): Promise<SignalAnswer | undefined> {
      const answer = await redis.hget(keys.signalStep({ registrationId }), 'answer');
      return answer === null ? undefined : (decrypt(answer) as SignalAnswer);
    },

    /**
     * Deletes the number and the request of a registration that is over. Its answer can be repeated as long as its
     * status is stored.
     */
    async forget(registrationId: string): Promise<void> {
      const key = keys.signalStep({ registrationId });
      await redis.multi().hdel(key, 'number', 'request').expire(key, afterEndSeconds).exec();
    },
  };
}
