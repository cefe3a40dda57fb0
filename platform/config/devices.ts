import { integer } from './schemas.ts';
import type { Variable } from './variable.ts';

/** Variables of devices. */
export const deviceVariables = {
  DEVICES_MAX: {
    about: 'how many devices an account may have',
    roles: ['api', 'registration'],
    schema: integer(1, 100),
    default: '6',
  },
} satisfies Record<string, Variable>;
