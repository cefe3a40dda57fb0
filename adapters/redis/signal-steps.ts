/**
 * What the step `signal` of a registration needs outside of Temporal: `signal:{registrationId}` HASH.
 *
 * `number` is the number whose code was typed, for the Signal-Server that asks for the verification session. `request`
 * has the attributes, keys and device password of the last request, and `answer` the account that it registered. All
 * are encrypted, the request to the role that sends it. A later request replaces an earlier one, whose reference then finds nothing.
 *
 * Consistency: `number` and `answer` have one value each, so writes may be repeated and reordered. When Redis is
 * unavailable: fails closed.
 */
import type { SignalAccount } from '../../domain/signal.ts';
import { type Cipher, newId } from '../../platform/crypto.ts';
import type { Box } from '../../platform/keyring.ts';
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

/** The keys of the store. A process has those of the values that it writes or reads. */
export interface SignalStepKeys {
  /** Encrypts number and answer. */
  cipher?: Pick<Cipher, 'encryptText' | 'decryptText'>;
  /** Seals the request to the role that sends it. */
  requests?: Pick<Box, 'sealText' | 'openText'>;
}

/** Creates the store; every value is encrypted and bound to its key. */
export function createSignalSteps(redis: Redis, { cipher, requests }: SignalStepKeys) {
  const own = <Key>(key: Key | undefined): Key => {
    if (key === undefined) throw new Error('This process has no key for this value of the step signal');
    return key;
  };
  const contextOf = (registrationId: string, field: string) => `${keys.signalStep({ registrationId })} ${field}`;
  const encrypt = (registrationId: string, field: string, value: unknown) =>
    own(cipher).encryptText(JSON.stringify(value), contextOf(registrationId, field));
  const decrypt = (registrationId: string, field: string, text: string): unknown =>
    JSON.parse(own(cipher).decryptText(text, contextOf(registrationId, field)));
  async function write(registrationId: string, fields: Record<string, string>): Promise<void> {
    const key = keys.signalStep({ registrationId });
    await redis.multi().hset(key, fields).expire(key, lifeSeconds).exec();
  }

  return {
    /** Stores the number whose code was typed. Safe to repeat. */
    saveNumber: (registrationId: string, number: string): Promise<void> =>
      write(registrationId, { number: encrypt(registrationId, 'number', number) }),

    /** Returns that number, or undefined. */
    async readNumber(registrationId: string): Promise<string | undefined> {
      const number = await redis.hget(keys.signalStep({ registrationId }), 'number');
      return number === null ? undefined : (decrypt(registrationId, 'number', number) as string);
    },

    /** Stores a request in place of an earlier one. Returns its reference. */
    async saveRequest(registrationId: string, request: SignalRequest): Promise<string> {
      const reference = newId();
      const text = JSON.stringify({ reference, request });
      await write(registrationId, { request: own(requests).sealText(text, contextOf(registrationId, 'request')) });
      return reference;
    },

    /**
     * Returns a request, or undefined when another one has replaced it. It can be read repeatedly, so that an activity
     * can be retried.
     */
    async readRequest(registrationId: string, reference: string): Promise<SignalRequest | undefined> {
      const stored = await redis.hget(keys.signalStep({ registrationId }), 'request');
      if (stored === null) return undefined;
      const opened = own(requests).openText(stored, contextOf(registrationId, 'request'));
      const found = JSON.parse(opened) as { reference: string; request: SignalRequest };
      return found.reference === reference ? found.request : undefined;
    },

    /** Stores the account of the completed step. Safe to repeat. */
    saveAnswer: (registrationId: string, answer: SignalAnswer): Promise<void> =>
      write(registrationId, { answer: encrypt(registrationId, 'answer', answer) }),

    /** Returns the account of the completed step, or undefined. */
    async readAnswer(registrationId: string): Promise<SignalAnswer | undefined> {
      const answer = await redis.hget(keys.signalStep({ registrationId }), 'answer');
      return answer === null ? undefined : (decrypt(registrationId, 'answer', answer) as SignalAnswer);
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
