/** States of a registration, for tests of its rules. */
import type { RegistrationRules, RegistrationState } from '../../domain/registration.ts';
import type { Send } from '../../domain/verification.ts';

const rules: RegistrationRules = {
  codeTtlSeconds: 180,
  checksMax: 5,
  resendWaitsSeconds: [60],
  ttlSeconds: 1800,
  waitMaxSeconds: 86_400,
};
/** When the registration started, in milliseconds since the Unix epoch. */
export const start = 1_700_000_000_000;

/** A state with nothing done, but for what is given. */
export function state(given: Partial<RegistrationState> = {}): RegistrationState {
  return {
    policy: ['directory', 'captcha', 'code', 'credentials'],
    identity: { phone: '+12025550100', email: 'ada@example.com' },
    done: new Set(),
    sends: [],
    rules,
    startedAt: start,
    expiresAt: start + 1_800_000,
    version: 1,
    ...given,
  };
}

/** A send by SMS that was accepted, but for what is given. */
export function send(given: Partial<Send> = {}): Send {
  return { number: 1, channel: 'sms', requestedAt: start, state: 'sent', sentAt: start, ...given };
}
