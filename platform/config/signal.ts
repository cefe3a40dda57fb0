import { z } from 'zod';
import { integer, integers, list } from './schemas.ts';
import type { Variable } from './variable.ts';

const waits = list.pipe(z.array(integer(0, 86_400)));

/** Variables of verification sessions, the gRPC service of Signal. */
export const signalVariables = {
  SIGNAL_CODE_TTL: {
    about: 'lifetime of a code of a verification session, in seconds',
    roles: ['api'],
    schema: integer(5, 3600),
    default: '600',
  },
  SIGNAL_SESSION_TTL: {
    about:
      'lifetime of a verification session after its last activity or the time of its next possible send or check, in seconds',
    roles: ['api'],
    schema: integer(5, 86_400),
    default: '600',
  },
  SIGNAL_SMS_WAITS: {
    about: 'waits in seconds between the SMS of a verification session; n waits allow n + 1 SMS',
    roles: ['api'],
    schema: integers,
    default: '60,120,300,600',
  },
  SIGNAL_VOICE_AFTER_SMS: {
    about: 'wait in seconds from the first SMS of a verification session to its first voice call',
    roles: ['api'],
    schema: integer(0, 3600),
    default: '60',
  },
  SIGNAL_VOICE_WAITS: {
    about: 'waits in seconds between the voice calls of a verification session; n waits allow n + 1 calls',
    roles: ['api'],
    schema: integers,
    default: '60,300',
  },
  SIGNAL_CHECK_WAITS: {
    about: 'waits in seconds between the checks of one code of a verification session; n waits allow n + 1 checks',
    roles: ['api'],
    schema: waits,
    default: '0,0,60,120',
  },
  SIGNAL_SESSIONS_PER_DAY: {
    about: 'verification sessions that may be created in 24 hours for one phone number and rate-limit collation key',
    roles: ['api'],
    schema: integer(1, 10_000),
    default: '5',
  },
  SIGNAL_SESSION_SPACING: {
    about: 'wait in seconds between two of these sessions; 0 for none',
    roles: ['api'],
    schema: integer(0, 3600),
    default: '60',
  },
} satisfies Record<string, Variable>;
