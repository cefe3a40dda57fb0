import { z } from 'zod';
import { readPolicy } from '../../domain/registration.ts';
import { integer, integers, list } from './schemas.ts';
import type { Variable } from './variable.ts';

const countries = list.pipe(z.array(z.string().regex(/^[A-Z]{2}$/, 'must be countries such as GB,IE')));

/** Variables of registrations and their codes. */
export const registrationVariables = {
  REGISTRATION_STEPS: {
    about:
      'steps of a registration, in the order they are shown: directory, captcha, code, credentials, device, signal',
    roles: ['api'],
    schema: list.superRefine((names, check) => {
      const problem = problemOf(() => readPolicy(names));
      if (problem !== undefined) check.addIssue(problem);
    }),
    default: 'directory,captcha,code,credentials,device',
  },
  REGISTRATION_TTL: {
    about: 'lifetime of an unfinished registration, in seconds, not counting the time it waits for a dependency',
    roles: ['api'],
    schema: integer(10, 86_400),
    default: '1800',
  },
  REGISTRATION_WAIT_MAX: {
    about: 'longest time a registration waits for a dependency, in seconds',
    roles: ['api'],
    schema: integer(60, 604_800),
    default: '86400',
  },
  REGISTRATION_UPDATES_MAX: {
    about:
      'how many steps of registrations an api has with Temporal at once; others wait their turn, and a first step that waits for a second is refused with 503, so that those who have begun are served',
    roles: ['api'],
    schema: integer(1, 1000),
    default: '12',
  },
  REGISTRATION_LOCK_DAYS: {
    about:
      'days after the last use of an account until its registration lock ends, so that its number or address is enough to register it again; 0 for never',
    roles: ['registration'],
    schema: integer(0, 3650),
    default: '7',
  },
  OTP_TTL: {
    about: 'lifetime of a code after it was sent, in seconds',
    roles: ['api'],
    schema: integer(5, 3600),
    default: '180',
  },
  OTP_CHECKS_MAX: { about: 'attempts allowed per code', roles: ['api'], schema: integer(1, 20), default: '5' },
  OTP_RESEND_WAITS: {
    about: 'waits in seconds between the sends on one channel; n waits allow n + 1 sends',
    roles: ['api'],
    schema: integers,
    default: '60,120,300,600',
  },
  OTP_VOICE_WAITS: {
    about: 'OTP_RESEND_WAITS for voice calls',
    roles: ['api'],
    schema: integers,
    default: '120,600',
  },
  DIRECTORY_TRIES: {
    about:
      'wrong passwords for one person of the directory in DIRECTORY_WINDOW, under all user names; keep it below the lockout limit of the directory',
    roles: ['api', 'directory'],
    schema: integer(1, 1000),
    default: '5',
  },
  DIRECTORY_WINDOW: {
    about: 'window of DIRECTORY_TRIES, in seconds',
    roles: ['api', 'directory'],
    schema: integer(1, 86_400),
    default: '900',
  },
  COUNTRIES_ALLOWED: {
    about: 'countries (ISO 3166) whose phone numbers may register, separated by commas; all when empty',
    roles: ['api', 'directory'],
    schema: countries,
    default: '',
  },
} satisfies Record<string, Variable>;

function problemOf(read: () => unknown): string | undefined {
  try {
    read();
    return undefined;
  } catch (err) {
    return (err as Error).message;
  }
}
