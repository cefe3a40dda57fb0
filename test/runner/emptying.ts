/** Empties the stores of a system whose workers keep running. */
import { Client, Connection } from '@temporalio/client';
import { Redis } from 'ioredis';
import mongoose from 'mongoose';

/** Maximum number of polls, because terminated workflows may still be listed as running. */
const triesMax = 400;

/**
 * Terminates all running workflows of a namespace. Closed workflows stay listed, because Temporal deletes them too
 * slowly to wait for. Tests of such lists use a namespace of their own.
 *
 * @throws {Error} some workflows are still running after the last poll
 */
export async function terminateWorkflows(address: string, namespace: string): Promise<void> {
  const connection = await Connection.connect({ address });
  try {
    const { workflow } = new Client({ connection, namespace });
    for (let tries = 0; ; tries++) {
      const running: string[] = [];
      for await (const { workflowId, runId, type } of workflow.list({ query: 'ExecutionStatus = "Running"' })) {
        running.push(type);
        // it may have closed on its own
        await workflow
          .getHandle(workflowId, runId)
          .terminate()
          .catch(() => undefined);
      }
      if (running.length === 0) return;
      if (tries === triesMax) throw new Error(`Workflows of ${namespace} are still running: ${running}`);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  } finally {
    await connection.close();
  }
}

/**
 * Deletes all Redis keys except the heartbeats of the workers (adapters/redis/heartbeats.ts), which show that they run.
 */
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

/** Deletes all documents of the database in the URL. Indexes stay, and with them the record of what made them. */
export async function deleteDocuments(url: string): Promise<void> {
  const database = await mongoose.createConnection(url).asPromise();
  try {
    const collections = (await database.db?.listCollections().toArray()) ?? [];
    for (const { name } of collections.filter((one) => one.name !== 'migrations'))
      await database.collection(name).deleteMany({});
  } finally {
    await database.close();
  }
}
