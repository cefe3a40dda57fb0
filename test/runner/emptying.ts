/** Emptying the stores of a system that workers go on using. */
import { Client, Connection } from '@temporalio/client';
import { Redis } from 'ioredis';
import mongoose from 'mongoose';

/** How often what was terminated may still be listed as running. */
const triesMax = 400;

/**
 * Terminates what runs in a namespace. What has ended stays listed: Temporal deletes it too slowly to wait for, so that tests
 * of such lists have a namespace of their own.
 *
 * @throws {Error} some run on
 */
export async function terminateWorkflows(address: string, namespace: string): Promise<void> {
  const connection = await Connection.connect({ address });
  try {
    const { workflow } = new Client({ connection, namespace });
    for (let tries = 0; ; tries++) {
      const running: string[] = [];
      for await (const { workflowId, runId, type } of workflow.list({ query: 'ExecutionStatus = "Running"' })) {
        running.push(type);
        // it may have ended by itself
        await workflow
          .getHandle(workflowId, runId)
          .terminate()
          .catch(() => undefined);
      }
      if (running.length === 0) return;
      if (tries === triesMax) throw new Error(`Workflows of ${namespace} run on: ${running}`);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  } finally {
    await connection.close();
  }
}

/** All but the heartbeats of the workers (adapters/redis/heartbeats.ts), which tell that they run. */
export async function deleteKeys(url: string): Promise<void> {
  const redis = new Redis(url);
  try {
    for await (const keys of redis.scanStream({ count: 1000 })) {
      const old = (keys as string[]).filter((key) => !key.startsWith('health:'));
      if (old.length > 0) await redis.unlink(old);
    }
  } finally {
    redis.disconnect();
  }
}

/** Of every collection of the database that the URL names; its indexes stay. */
export async function deleteDocuments(url: string): Promise<void> {
  const database = await mongoose.createConnection(url).asPromise();
  try {
    for (const { name } of (await database.db?.listCollections().toArray()) ?? [])
      await database.collection(name).deleteMany({});
  } finally {
    await database.close();
  }
}
