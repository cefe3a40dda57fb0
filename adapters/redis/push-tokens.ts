/**
 * Tokens for push providers: `push-token:{provider}`, encrypted, so that all workers use the same one. APNs refuses a
 * token that is replaced too often.
 *
 * Consistency: of parallel tokens the first one is shared. When Redis is unavailable, calls throw.
 */
import type { PushProvider } from '../../domain/push.ts';
import type { Cipher } from '../../platform/crypto.ts';
import type { Redis } from './connect.ts';
import { keys } from './keys.ts';

/** Creates the shared token of a push provider. */
export function createPushToken(
  redis: Redis,
  provider: PushProvider,
  cipher: Pick<Cipher, 'encryptText' | 'decryptText'>,
) {
  const key = keys.pushToken({ provider });
  const read = async (): Promise<string | undefined> => {
    const encrypted = await redis.get(key);
    return encrypted === null ? undefined : cipher.decryptText(encrypted);
  };
  return {
    /** Returns the shared token, or undefined if there is none. */
    read,

    /** Shares a token for some seconds, unless another one is shared already. Returns the shared one. */
    async share(token: string, seconds: number): Promise<string> {
      await redis.set(key, cipher.encryptText(token), 'EX', seconds, 'NX');
      return (await read()) ?? token;
    },

    /** Removes a token that is not accepted any more; a newer one stays. */
    async forget(token: string): Promise<void> {
      if ((await read()) === token) await redis.del(key);
    },
  };
}
