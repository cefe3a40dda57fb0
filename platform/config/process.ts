import { z } from 'zod';
import { roles } from './roles.ts';
import type { Variable } from './variable.ts';

/** Variables of every process. */
export const processVariables = {
  NODE_ENV: {
    about: '`production` refuses sample secrets and settings meant for tests',
    roles,
    schema: z.enum(['production', 'development']),
    default: 'development',
  },
  LOG_LEVEL: {
    about: 'lowest log level that is written: trace, debug, info, warn, error',
    roles,
    schema: z.enum(['trace', 'debug', 'info', 'warn', 'error']),
    default: 'info',
  },
} satisfies Record<string, Variable>;
