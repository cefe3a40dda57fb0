/** The stores of a system, seen from outside: its database, Redis and Temporal. */

import { Client, Connection } from '@temporalio/client';
import { Redis } from 'ioredis';
import mongoose from 'mongoose';
import { createWorkflowCodec } from '../../adapters/temporal/codec.ts';
import { createDataConverter } from '../../adapters/temporal/connect.ts';
import type { AuditAction, AuditEvent } from '../../domain/audit.ts';
import type { System } from '../../engines/system.ts';
import { readOperatorKeys } from '../../platform/config/config.ts';
import { sessionMacsOf } from './aging.ts';

/** Connections of a test to the stores of a system. */
export interface Stores extends AsyncDisposable {
  redis: Redis;
  database: mongoose.Connection;
  temporal: Client;
  /** Returns the user ids of the accounts with a name. */
  accountsOf(username: string): Promise<string[]>;
  /** Returns the claims of a user. */
  claimsOf(userId: string): Promise<string[]>;
  /** Returns the session keys of a user. */
  sessionsOf(userId: string): Promise<string[]>;
  /** Returns every Redis key that matches, sorted. */
  keys(pattern: string): Promise<string[]>;
  /** Returns the audit events that wait to be shipped, oldest first: those with an action, or all. */
  auditEvents(action?: AuditAction): Promise<AuditEvent[]>;
}

/**
 * Connects to the stores of a system. The connections recover automatically from outages.
 *
 * @param databaseUrl URL of the database, if the system reaches it another way
 */
export async function connectStores(system: System, databaseUrl = system.ready.databaseUrl): Promise<Stores> {
  const { redisUrl, temporalAddress } = system.ready;
  // so that records of sessions can be aged
  sessionMacsOf(system);
  const redis = new Redis(redisUrl, { maxRetriesPerRequest: 3 });
  redis.on('error', () => undefined);
  const database = await mongoose.createConnection(databaseUrl, { serverSelectionTimeoutMS: 5000 }).asPromise();
  const connection = Connection.lazy({ address: temporalAddress });
  const temporal = new Client({
    connection,
    namespace: system.processes.env('api').TEMPORAL_NAMESPACE ?? 'default',
    dataConverter: createDataConverter(createWorkflowCodec(readOperatorKeys(system.secrets))),
  });
  const keys = async (pattern: string) => {
    const found: string[] = [];
    for await (const some of redis.scanStream({ match: pattern, count: 500 })) found.push(...(some as string[]));
    return [...new Set(found)].sort();
  };
  return {
    redis,
    database,
    temporal,
    keys,
    async accountsOf(username) {
      const users = await database.collection('users').find({ username }).toArray();
      return users.map(({ _id }) => String(_id));
    },
    async claimsOf(userId) {
      const claims = await database.collection('claims').find({ userId }).toArray();
      return claims.map(({ _id }) => String(_id)).sort();
    },
    async sessionsOf(userId) {
      const all = await keys('session:*');
      const owners = await Promise.all(all.map((key) => redis.hget(key, 'userId')));
      return all.filter((_key, index) => owners[index] === userId);
    },
    async auditEvents(action) {
      const entries = await redis.xrange('audit', '-', '+');
      const events = entries.map(([, [, event = '{}']]) => JSON.parse(event) as AuditEvent);
      return action === undefined ? events : events.filter((event) => event.action === action);
    },
    async [Symbol.asyncDispose]() {
      redis.disconnect();
      await Promise.all([database.close(), connection.close()]);
    },
  };
}
