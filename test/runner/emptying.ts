/** Emptying the stores of a system that workers go on using. */
import { Client, Connection } from '@temporalio/client';
import { Redis } from 'ioredis';
import mongoose from 'mongoose';

/** How often what is deleted may still be listed: Temporal deletes in the background. */
const deleteTriesMax = 100;

/** How long ago a workflow has to have ended, so that Temporal has noted it everywhere. */
const settledMs = 2000;

/**
 * Terminates and deletes the workflows of a namespace.
 *
 * @throws {Error} some are still listed after a while
 */
export async function deleteWorkflows(address: string, namespace: string): Promise<void> {
  const connection = await Connection.connect({ address });
  try {
    const client = new Client({ connection, namespace });
    for (let tries = 0; (await client.workflow.count()).count > 0; tries++) {
      const left = await deleteListed(client);
      if (tries === deleteTriesMax) throw new Error(`Workflows of ${namespace} are not deleted: ${left}`);
      await new Promise((resolve) => setTimeout(resolve, 250));
    }
  } finally {
    await connection.close();
  }
}

/**
 * Terminates what runs and deletes what has ended a while ago: Temporal lists a workflow for ever whose end it notes after
 * its deletion. Gives what it saw.
 */
async function deleteListed({ workflow, workflowService, options: { namespace } }: Client): Promise<string[]> {
  const seen: string[] = [];
  for await (const { workflowId, runId, type, status, closeTime } of workflow.list()) {
    seen.push(`${type} ${status.name}`);
    const end =
      closeTime === undefined
        ? workflow.getHandle(workflowId, runId).terminate()
        : Date.now() - closeTime.getTime() > settledMs &&
          workflowService.deleteWorkflowExecution({ namespace, workflowExecution: { workflowId, runId } });
    // it may have ended, or be on its way already
    await Promise.resolve(end).catch(() => undefined);
  }
  return seen;
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
