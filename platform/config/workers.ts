import { integer, text } from './schemas.ts';
import type { Variable } from './variable.ts';

/** Variables of the workers and their scheduled workflows. */
export const workerVariables = {
  WORKFLOW_BUNDLE: {
    about: 'path of the workflow bundle that `npm run bundle` writes',
    roles: ['registration'],
    schema: text,
    default: 'dist/workflows.js',
  },
  PURGE_INTERVAL: {
    about: 'interval between purges of expired data, in seconds',
    roles: ['registration'],
    schema: integer(60, 2_592_000),
    default: '86400',
  },
  DIRECTORY_SYNC_INTERVAL: {
    about: 'interval between checks of all linked accounts against the directory, in seconds',
    roles: ['registration'],
    schema: integer(1, 86_400),
    default: '30',
  },
  ARGON2_CONCURRENCY: {
    about: 'password hashes computed at the same time; each takes 19 MiB and one thread',
    roles: ['api', 'registration'],
    schema: integer(1, 64),
    default: '2',
  },
  HEALTH_PORT: {
    about: 'port of /health and /metrics of a worker; not served when 0',
    roles: ['registration', 'directory', 'delivery', 'signal', 'audit'],
    schema: integer(0, 65_535),
    default: '0',
  },
} satisfies Record<string, Variable>;
