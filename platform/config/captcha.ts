import { z } from 'zod';
import { integer, list, optional, optionalSecret, optionalUrl, text } from './schemas.ts';
import type { Variable } from './variable.ts';

/** Variables of the captcha provider. */
export const captchaVariables = {
  CAPTCHA_PROVIDER: {
    about: 'altcha (self-hosted proof of work), hcaptcha, turnstile or recaptcha',
    roles: ['api'],
    schema: z.enum(['altcha', 'hcaptcha', 'turnstile', 'recaptcha']),
    default: 'altcha',
  },
  CAPTCHA_SITE_KEY: { about: 'site key, sent to clients', roles: ['api'], schema: optional, default: '' },
  CAPTCHA_SECRET: { about: 'secret key of the captcha provider', roles: ['api'], schema: optionalSecret, default: '' },
  CAPTCHA_HOSTNAMES: {
    about: 'host names on which a captcha may be solved, separated by commas; any when empty',
    roles: ['api'],
    schema: list,
    default: '',
  },
  CAPTCHA_ACTION: {
    about: 'action that a solved captcha must name (turnstile, recaptcha)',
    roles: ['api'],
    schema: text,
    default: 'register',
  },
  CAPTCHA_SCORE_MIN: {
    about: 'lowest reCAPTCHA score that passes, in percent',
    roles: ['api'],
    schema: integer(0, 100),
    default: '50',
  },
  CAPTCHA_VERIFY_URL: {
    about: 'verification URL of the captcha provider, if not the provider’s default',
    roles: ['api'],
    schema: optionalUrl('http:', 'https:'),
    default: '',
  },
  CAPTCHA_COST: {
    about: 'cost of an ALTCHA challenge: the most attempts a client needs, of 1,000 PBKDF2 iterations each',
    roles: ['api'],
    schema: integer(2, 1_000_000),
    default: '1000',
  },
} satisfies Record<string, Variable>;
