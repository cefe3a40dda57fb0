/** Captcha tokens that were used: `captcha:{hash}` names the registration, so that a token works once. */
import { tokenHash } from '../../platform/crypto.ts';
import type { Redis } from './connect.ts';

export type UsedCaptchas = ReturnType<typeof createUsedCaptchas>;

/** Longer than any captcha token lives. */
const lifeSeconds = 3600;

/** Creates the memory of used captcha tokens. Away: fails closed. */
export function createUsedCaptchas(redis: Redis) {
  return {
    /**
     * Takes a token for a registration, in one atomic step. `passed`: the same registration took it before and it was
     * verified then; `used`: another registration has it.
     */
    async take(token: string, registrationId: string): Promise<'taken' | 'passed' | 'used'> {
      const holder = await redis.set(captchaKey(token), registrationId, 'EX', lifeSeconds, 'NX', 'GET');
      if (holder === null || holder === registrationId) return 'taken';
      return holder === passedBy(registrationId) ? 'passed' : 'used';
    },

    /** Remembers that a token was verified, so that its registration may repeat the request. */
    async pass(token: string, registrationId: string): Promise<void> {
      await redis.set(captchaKey(token), passedBy(registrationId), 'EX', lifeSeconds);
    },

    /** Gives a token back that could not be verified because its provider was away. */
    async refund(token: string): Promise<void> {
      await redis.del(captchaKey(token));
    },
  };
}

function passedBy(registrationId: string): string {
  return `${registrationId} passed`;
}

function captchaKey(token: string): string {
  return `captcha:${tokenHash(token)}`;
}
