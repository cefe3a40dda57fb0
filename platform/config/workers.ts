import { availableParallelism } from 'node:os';
import { z } from 'zod';
import { temporalRoles } from './roles.ts';
import { integer, text } from './schemas.ts';
import type { Variable } from './variable.ts';

/** A name that Temporal accepts in a deployment version, or undefined when empty. */
const deploymentName = (allowed: RegExp, about: string) =>
  z
    .string()
    .refine((value) => value === '' || allowed.test(value), about)
    .transform((value) => (value === '' ? undefined : value));

/** Variables of the workers and their scheduled workflows. */
export const workerVariables = {
  WORKFLOW_BUNDLE: {
    about: 'path of the workflow bundle that `npm run bundle` writes',
    roles: ['registration'],
    schema: text,
    default: 'dist/workflows.js',
  },
  WORKER_DEPLOYMENT: {
    about: 'name of the worker deployment in Temporal; workers have no versions when empty',
    roles: temporalRoles,
    schema: deploymentName(/^[\w-]{1,64}$/, 'must be at most 64 letters, digits, dashes and underscores'),
    default: '',
  },
  WORKER_BUILD_ID: {
    about: 'version of this build in WORKER_DEPLOYMENT; `npm run bundle` writes one to dist/build-id',
    roles: temporalRoles,
    schema: deploymentName(/^[\w.-]{1,128}$/, 'must be at most 128 letters, digits, dots, dashes and underscores'),
    default: '',
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
    about: 'password hashes computed at the same time, each with 19 MiB and a thread; as many as processors when 0',
    roles: ['api', 'registration'],
    schema: integer(0, 64).transform((given) => given || Math.min(availableParallelism(), 64)),
    default: '0',
  },
  HEALTH_PORT: {
    about: 'port of /health and /metrics of a worker; not served when 0',
    roles: ['registration', 'directory', 'delivery', 'signal', 'audit'],
    schema: integer(0, 65_535),
    default: '0',
  },
} satisfies Record<string, Variable>;
