import { integer, optionalUrl } from './schemas.ts';
import type { Variable } from './variable.ts';

/** Variables of account deletion, reauthentication and password recovery. */
export const accountVariables = {
  DELETION_GRACE_SECONDS: {
    about: 'grace period in which a user can stop the deletion of their account, in seconds; then it is erased',
    roles: ['api'],
    schema: integer(1, 7_776_000),
    default: '1209600',
  },
  STEP_UP_SECONDS: {
    about:
      'time after a log-in, password or PIN in which a session may change a number, an address or a PIN, export data or delete the account, in seconds',
    roles: ['api'],
    schema: integer(30, 86_400),
    default: '900',
  },
  RECOVERY_TTL: {
    about: 'lifetime of the token of a password recovery, in seconds',
    roles: ['api'],
    schema: integer(300, 3600),
    default: '1800',
  },
  RECOVERY_URL: {
    about:
      'page of your own that takes the token of a recovery message after #token= (to choose a password) or #stop= (to stop the recovery), and the token of a notification after #stop-registration=; when empty, links lead into the web app under PUBLIC_URL, and messages contain the bare tokens when that is empty too',
    roles: ['delivery'],
    schema: optionalUrl('http:', 'https:'),
    default: '',
  },
  PIN_RESET_WAIT: {
    about:
      'time after a password recovery, or a log-in by a mailed code alone, in which a code by the same channel cannot reset the PIN, in seconds',
    roles: ['api'],
    schema: integer(60, 2_592_000),
    default: '86400',
  },
  BREACHED_PASSWORDS_URL: {
    about:
      'service that checks new passwords for breaches: https://api.pwnedpasswords.com or a mirror of it; not checked when empty',
    roles: ['api'],
    schema: optionalUrl('http:', 'https:'),
    default: '',
  },
} satisfies Record<string, Variable>;
