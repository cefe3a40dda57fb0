import { roles, rolesWithTemporal } from './roles.ts';
import { optionalKey, text, url } from './schemas.ts';
import type { Variable } from './variable.ts';

/** Variables of MongoDB, Redis and Temporal. */
export const engineVariables = {
  DATABASE_URL: {
    about: 'MongoDB connection string, with the database name',
    roles: ['api', 'gateway', 'registration'],
    schema: url('mongodb:', 'mongodb+srv:'),
    example: 'mongodb://127.0.0.1:27017/vyry',
  },
  REDIS_URL: {
    about: 'Redis 7 or later, with the append-only file on',
    roles,
    schema: url('redis:', 'rediss:'),
    example: 'redis://127.0.0.1:6379',
  },
  REDIS_ACL_KEY: {
    about:
      'the passwords of the users of Redis are derived from it (`vyry redis-acl`): 32 bytes in base64; processes are started with the user of their role where it is set',
    roles: [],
    schema: optionalKey,
    default: '',
  },
  TEMPORAL_ADDRESS: {
    about: 'address of the Temporal frontend',
    roles: rolesWithTemporal,
    schema: text,
    example: '127.0.0.1:7233',
  },
  TEMPORAL_NAMESPACE: { about: 'Temporal namespace', roles: rolesWithTemporal, schema: text, default: 'default' },
} satisfies Record<string, Variable>;
