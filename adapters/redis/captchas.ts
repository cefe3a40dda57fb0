/**
 * Used captcha tokens: `captcha:{hash}` contains the registration id, so that a token is valid for one registration.
 */
import { tokenHash } from '../../platform/crypto.ts';
import type { Redis } from './connect.ts';
import { keyFamilies, keys } from './keys.ts';

/** The store of used captcha tokens. */
export type UsedCaptchas = ReturnType<typeof createUsedCaptchas>;

/** Longer than the lifetime of any captcha token. */
const lifeSeconds = keyFamilies.captcha.life.seconds;

/** Creates the store of used captcha tokens. When Redis is unavailable: fails closed. */
export function createUsedCaptchas(redis: Redis) {
  return {
    /**
     * Claims a token for a registration, in one atomic step. `taken`: it must be verified now. `passed`: the same
     * registration claimed it before and it was verified. `used`: another registration claimed it.
     */
    async take(token: string, registrationId: string): Promise<'taken' | 'passed' | 'used'> {
      const holder = await redis.set(captchaKey(token), registrationId, 'EX', lifeSeconds, 'NX', 'GET');
      if (holder === null || holder === registrationId) return 'taken';
      return holder === passedBy(registrationId) ? 'passed' : 'used';
    },

    /** Stores that a token was verified, so that its registration may repeat the request. */
    async pass(token: string, registrationId: string): Promise<void> {
      await redis.set(captchaKey(token), passedBy(registrationId), 'EX', lifeSeconds);
    },

    /** Releases a token that could not be verified because the captcha provider was unavailable. */
    async refund(token: string): Promise<void> {
      await redis.del(captchaKey(token));
    },
  };
}

function passedBy(registrationId: string): string {
  return `${registrationId} passed`;
}

function captchaKey(token: string): string {
  return keys.captcha({ tokenHash: tokenHash(token) });
}
