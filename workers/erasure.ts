/**
 * Builds the activities of account deletion. They are the only part of the registration role that reaches every store.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { type AuditLog, createDeletionActivities, createErasureActivities } from '../activities/deletion.ts';
import type { Accounts } from '../adapters/mongo/accounts.ts';
import type { Archive } from '../adapters/mongo/archive.ts';
import type { Conversations } from '../adapters/mongo/conversations.ts';
import { createDeletions } from '../adapters/mongo/deletions.ts';
import type { Devices } from '../adapters/mongo/devices.ts';
import type { PreKeys } from '../adapters/mongo/prekeys.ts';
import { readAuditHead, readAuditOldest } from '../adapters/redis/audit-stream.ts';
import type { Redis } from '../adapters/redis/connect.ts';
import { erasePersonKeys } from '../adapters/redis/erasure.ts';
import type { SessionEnds } from '../adapters/redis/sessions.ts';
import { connectTemporal } from '../adapters/temporal/connect.ts';
import { erasePersonWorkflows, workflowsOf } from '../adapters/temporal/person-workflows.ts';
import { readTemporalPlace } from '../adapters/temporal/place.ts';
import { pseudonymOf, withoutPerson } from '../platform/audit.ts';
import type { Config } from '../platform/config/config.ts';
import { keyedHash, newId } from '../platform/crypto.ts';
import { keysIn } from '../platform/keyring.ts';
import type { WorkerTools } from './host.ts';

type Connection = Parameters<typeof createDeletions>[0];

/** The stores and tools that erasure uses. */
export interface ErasureStores extends Pick<WorkerTools, 'redis' | 'events' | 'dataConverter'> {
  database: Connection;
  accounts: Accounts;
  devices: Devices;
  archive: Archive;
  conversations: Conversations;
  preKeys: PreKeys;
  sessions: SessionEnds;
}

const lookMs = 500;
const looksMax = 20;

/** Creates the activities of account deletion, and connects to Temporal for them. */
export async function createErasure(
  config: Config<'registration'>,
  { redis, events, dataConverter, database, accounts, sessions, ...stores }: ErasureStores,
) {
  const deletions = createDeletions(database);
  const limitKey = config.KEYS.lasting('limit');
  const temporal = connectTemporal({
    ...readTemporalPlace(config),
    dataConverter,
    traceCipher: config.KEYS.cipher('trace'),
    record: () => undefined,
  });
  const auditLog = await auditLogOf(config, redis);
  return {
    activities: {
      ...createDeletionActivities({ accounts, deletions, sessions, events, newId }),
      ...createErasureActivities({
        ...stores,
        accounts,
        deletions,
        auditLog,
        eraseKeys: (person) => erasePersonKeys(redis, person),
        eraseWorkflows: (userId, known) => erasePersonWorkflows(temporal, workflowsOf(userId, known)),
        // the same key as in the API, which counts the actions of a user within sessions
        limitKeyOf: (userId) => keyedHash(limitKey, 'name', `user ${userId}`),
        events,
      }),
    },
    close: () => temporal.connection.close(),
  };
}

/** Loads the Elasticsearch client only if the audit log is configured. */
async function auditLogOf(config: Config<'registration'>, redis: Redis): Promise<AuditLog | undefined> {
  const { PRIVACY_ELASTICSEARCH_URL: url, KEYS: keys, AUDIT_INDEX: prefix } = config;
  if (url === undefined) return undefined;
  const [{ connectElastic }, { rewriteEvents }] = await Promise.all([
    import('../adapters/elastic/connect.ts'),
    import('../adapters/elastic/erasure.ts'),
  ]);
  const elastic = connectElastic({ url, apiKey: config.PRIVACY_ELASTICSEARCH_API_KEY, ca: config.ELASTICSEARCH_CA });
  const macKey = keys.key('audit');
  return {
    async shipped() {
      const { sequence } = await readAuditHead(redis);
      const isWaiting = async () => ((await readAuditOldest(redis)) ?? Number.POSITIVE_INFINITY) <= sequence;
      for (let look = 0; await isWaiting(); look++) {
        if (look === looksMax) throw new Error('Audit events wait to be shipped');
        await pause(lookMs);
      }
    },
    rewrite: (person, identity) =>
      rewriteEvents(elastic, prefix, person, (event) => withoutPerson(event, identity, macKey)),
    pseudonymsOf: (identity) => keysIn(keys, 'pseudonym').map((key) => pseudonymOf(identity, key)),
  };
}
