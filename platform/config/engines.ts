import { z } from 'zod';
import { type Role, roles, rolesWithTemporal } from './roles.ts';
import { apiKey, flag, key, list, optional, optionalKey, optionalSecret, pem, places, text, url } from './schemas.ts';
import type { Variable } from './variable.ts';

const rolesWithDatabase = ['api', 'gateway', 'registration'] as const satisfies Role[];

/** Variables of MongoDB, Redis and Temporal. */
export const engineVariables = {
  DATABASE_URL: {
    about:
      'MongoDB connection string, with the database name; several hosts and replicaSet= for a replica set, authMechanism=MONGODB-X509 for a client certificate',
    roles: rolesWithDatabase,
    schema: url('mongodb:', 'mongodb+srv:'),
    example: 'mongodb://127.0.0.1:27017/vyry',
  },
  DATABASE_CA: {
    about: 'CA certificates of MongoDB as PEM, which turns TLS on; those of the system when empty',
    roles: rolesWithDatabase,
    schema: pem,
    isRenewed: true,
    default: '',
  },
  DATABASE_CERT: {
    about: 'client certificate for MongoDB as PEM, which turns TLS on',
    roles: rolesWithDatabase,
    schema: pem,
    isRenewed: true,
    default: '',
  },
  DATABASE_KEY: {
    about: 'private key of DATABASE_CERT as PEM',
    roles: rolesWithDatabase,
    schema: pem,
    isRenewed: true,
    default: '',
  },
  REDIS_URL: {
    about:
      'Redis 7 or later, with the append-only file on: rediss:// for TLS, with the name and password of an ACL user; with Sentinel its host is the name of the primary',
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
  REDIS_ACL_KEYS_OLD: {
    about: 'earlier keys of REDIS_ACL_KEY whose passwords Redis still accepts, separated by commas',
    roles: [],
    schema: list.pipe(z.array(key)),
    default: '',
  },
  REDIS_SENTINELS: {
    about: 'Sentinels as host:port, separated by commas; REDIS_URL then is redis://user:password@<name of the primary>',
    roles,
    schema: places,
    default: '',
  },
  REDIS_SENTINEL_PASSWORD: { about: 'password of the Sentinels', roles, schema: optionalSecret, default: '' },
  REDIS_CLUSTER_NODES: {
    about:
      'some nodes of a Redis Cluster as host:port, separated by commas; user, password and rediss:// of REDIS_URL are for all of them',
    roles,
    schema: places,
    default: '',
  },
  REDIS_CA: {
    about: 'CA certificates of Redis as PEM, for rediss://; those of the system when empty',
    roles,
    schema: pem,
    isRenewed: true,
    default: '',
  },
  REDIS_CERT: { about: 'client certificate for Redis as PEM', roles, schema: pem, isRenewed: true, default: '' },
  REDIS_KEY: { about: 'private key of REDIS_CERT as PEM', roles, schema: pem, isRenewed: true, default: '' },
  TEMPORAL_ADDRESS: {
    about: 'address of the Temporal frontend',
    roles: rolesWithTemporal,
    schema: text,
    example: '127.0.0.1:7233',
  },
  TEMPORAL_TLS: {
    about: '`true`: TLS to Temporal; a CA, a client certificate, a server name or an API key turns it on too',
    roles: rolesWithTemporal,
    schema: flag,
    default: 'false',
  },
  TEMPORAL_CA: {
    about: 'CA certificates of Temporal as PEM; those of the system when empty',
    roles: rolesWithTemporal,
    schema: pem,
    isRenewed: true,
    default: '',
  },
  TEMPORAL_CERT: {
    about: 'client certificate for Temporal as PEM',
    roles: rolesWithTemporal,
    schema: pem,
    isRenewed: true,
    default: '',
  },
  TEMPORAL_KEY: {
    about: 'private key of TEMPORAL_CERT as PEM',
    roles: rolesWithTemporal,
    schema: pem,
    isRenewed: true,
    default: '',
  },
  TEMPORAL_SERVER_NAME: {
    about: 'name in the certificate of Temporal, where it is not the host of TEMPORAL_ADDRESS',
    roles: rolesWithTemporal,
    schema: optional,
    default: '',
  },
  TEMPORAL_API_KEY: {
    about: 'API key for Temporal, as of Temporal Cloud',
    roles: rolesWithTemporal,
    schema: apiKey,
    isRenewed: true,
    default: '',
  },
  TEMPORAL_NAMESPACE: { about: 'Temporal namespace', roles: rolesWithTemporal, schema: text, default: 'default' },
} satisfies Record<string, Variable>;
