/** The connections of commands. Each closes at the end of its scope (`await using`). */
import type { Client } from '@temporalio/client';
import { connectElastic, type Elastic } from '../adapters/elastic/connect.ts';
import { type Accounts, createAccounts } from '../adapters/mongo/accounts.ts';
import { connectMongo, readMongoPlace } from '../adapters/mongo/connect.ts';
import { createDevices, type Devices } from '../adapters/mongo/devices.ts';
import { createFactChanges } from '../adapters/redis/account-facts.ts';
import { connectRedis, readRedisPlace } from '../adapters/redis/connect.ts';
import { createDeviceActivity, type DeviceActivity } from '../adapters/redis/device-activity.ts';
import { createInboxDevices } from '../adapters/redis/inbox-devices.ts';
import { type AuthSessions, createAuthSessions } from '../adapters/redis/sessions.ts';
import { createWakeUps, type WakeUps } from '../adapters/redis/wake-ups.ts';
import { createWorkflowCodec } from '../adapters/temporal/codec.ts';
import { connectTemporal, createDataConverter } from '../adapters/temporal/connect.ts';
import { readTemporalPlace } from '../adapters/temporal/place.ts';
import { callTime } from '../platform/budget.ts';
import { readOperatorKeys, readVariables } from '../platform/config/config.ts';
import { namesFrom } from '../platform/config/variables.ts';
import type { Cipher } from '../platform/crypto.ts';
import { keysIn } from '../platform/keyring.ts';

/** Longest time of a Temporal call, in milliseconds. */
const askMs = 10_000;

/** A connection to Temporal with the same data converter as the processes. */
export interface TemporalAccess extends AsyncDisposable {
  client: Client;
  /** Makes calls with a deadline. */
  within<T>(ask: () => Promise<T>, ms?: number): Promise<T>;
}

/** Connects to Temporal. @throws {Error} a variable is missing or invalid */
export function openTemporal(env: Record<string, string>): TemporalAccess {
  const config = readVariables(namesFrom('TEMPORAL_'), env);
  const keys = readOperatorKeys(env, ['PAYLOAD_KEY']);
  const client = connectTemporal({
    ...readTemporalPlace(config),
    dataConverter: createDataConverter(createWorkflowCodec(keys)),
    traceCipher: keys.cipher('trace'),
    record: () => undefined,
  });
  return {
    client,
    within: (ask, ms = askMs) => client.withDeadline(Date.now() + callTime(ms), ask),
    [Symbol.asyncDispose]: () => client.connection.close(),
  };
}

/** A connection to Elasticsearch, and the prefix of the audit indices. */
export interface AuditAccess extends AsyncDisposable {
  elastic: Elastic;
  prefix: string;
}

/** Connects to the Elasticsearch of the audit log. @throws {Error} there is none, or a variable is invalid */
export function openAudit(env: Record<string, string>): AuditAccess {
  if (!env.ELASTICSEARCH_URL) {
    throw new Error(
      'ELASTICSEARCH_URL is not set, so audit events wait in Redis. npm start -- --elasticsearch starts one and moves them there.',
    );
  }
  const names = ['ELASTICSEARCH_URL', 'ELASTICSEARCH_API_KEY', 'ELASTICSEARCH_CA', 'AUDIT_INDEX'] as const;
  const { ELASTICSEARCH_URL: url, AUDIT_INDEX: prefix, ...config } = readVariables(names, env);
  const elastic = connectElastic({ url, apiKey: config.ELASTICSEARCH_API_KEY, ca: config.ELASTICSEARCH_CA });
  return { elastic, prefix, [Symbol.asyncDispose]: () => elastic.close() };
}

/** Access to accounts, sessions and devices. */
export interface UserAccess extends AsyncDisposable {
  accounts: Accounts;
  sessions: AuthSessions;
  devices: Devices;
  deviceActivity: DeviceActivity;
  wakeUps: WakeUps;
  /** Decrypts push registrations. */
  pushCipher: Cipher;
}

/** Connects to MongoDB and Redis. @throws {Error} a variable is missing or invalid */
export function openUsers(env: Record<string, string>): UserAccess {
  const config = readVariables([...namesFrom('DATABASE_'), ...namesFrom('REDIS_')], env);
  const keys = readOperatorKeys(env, ['PAYLOAD_KEY', 'DATA_KEY']);
  const database = connectMongo(readMongoPlace(config), () => undefined);
  const redis = connectRedis(readRedisPlace(config), () => undefined);
  const around = createFactChanges(redis);
  return {
    accounts: createAccounts(database.connection, keysIn(keys, 'identity'), keys.cipher('field'), {
      around,
    }),
    sessions: createAuthSessions(redis, { sessions: keys.mac('session'), persons: keys.mac('person') }),
    devices: createDevices(database.connection, { changed: createInboxDevices(redis).writeDevices, around }),
    deviceActivity: createDeviceActivity(redis),
    wakeUps: createWakeUps(redis),
    pushCipher: keys.cipher('push'),
    async [Symbol.asyncDispose]() {
      redis.disconnect();
      await database[Symbol.asyncDispose]();
    },
  };
}
