/**
 * The versions of the workers (Worker Deployment Versioning): which is current, which workers run, and how many workflows
 * each still has to finish.
 *
 * Consistency: counts come from the visibility store, which lags by about a second. Timeout: that of the caller. When
 * Temporal is unavailable, calls throw.
 */
import { type Client, isGrpcServiceError } from '@temporalio/client';
import { type TemporalRole, temporalRoles } from '../../platform/config/roles.ts';

/** A version of the workers. */
export interface WorkerVersion {
  buildId: string;
  /**
   * `current`: new workflows go to it. `ramping`: a share of them does. `inactive`: it was never either. `draining`: it was,
   * and finishes its pinned workflows; `drained`: it has none left, as Temporal saw it some minutes ago.
   */
  state: 'current' | 'ramping' | 'inactive' | 'draining' | 'drained';
  /** Share of new workflows in percent, of a ramping version. */
  percent?: number;
  /** Running workflows that only this version can finish. */
  pinned: number;
  /** Roles of which a worker of this version polled its task queue within the last minute and a half. */
  roles: TemporalRole[];
  createdAt: Date;
}

/** A deployment with its versions, the newest first. */
export interface WorkerDeployment {
  versions: WorkerVersion[];
  /** Who set the current or ramping version last. */
  changedBy?: string;
}

/** gRPC status. */
const notFound = 5;
/** temporal.api.enums.v1.TaskQueueType */
const activityQueue = 2;
/** Temporal lists a poller for minutes after its last poll; one that runs polls at least once a minute. */
const pollMs = 90_000;
/** temporal.api.enums.v1.WorkerDeploymentVersionStatus */
const states: Record<number, WorkerVersion['state']> = {
  2: 'current',
  3: 'ramping',
  4: 'draining',
  5: 'drained',
};

/** Returns a deployment; undefined while no worker has ever polled for it. */
export async function readDeployment(client: Client, deploymentName: string): Promise<WorkerDeployment | undefined> {
  const { namespace } = client.options;
  try {
    const [{ workerDeploymentInfo: info }, running] = await Promise.all([
      client.workflowService.describeWorkerDeployment({ namespace, deploymentName }),
      readRunning(client, deploymentName),
    ]);
    const percent = info?.routingConfig?.rampingVersionPercentage ?? 0;
    const versions = await Promise.all(
      (info?.versionSummaries ?? []).map(async ({ deploymentVersion, status, createTime }): Promise<WorkerVersion> => {
        const buildId = deploymentVersion?.buildId ?? '';
        const state = states[Number(status ?? 0)] ?? 'inactive';
        return {
          buildId,
          state,
          ...(state === 'ramping' && { percent }),
          pinned: await countPinned(client, { deploymentName, buildId }),
          roles: temporalRoles.filter((role) => running.get(role)?.has(buildId)),
          createdAt: new Date(Number(createTime?.seconds ?? 0) * 1000),
        };
      }),
    );
    return {
      versions: versions.sort((a, b) => b.createdAt.getTime() - a.createdAt.getTime()),
      ...(info?.lastModifierIdentity && { changedBy: info.lastModifierIdentity }),
    };
  } catch (err) {
    if (isGrpcServiceError(err) && err.code === notFound) return undefined;
    throw err;
  }
}

/** A version of a deployment. */
export interface VersionAddress {
  deploymentName: string;
  buildId: string;
}

/** Counts the running workflows that are pinned to a version. */
export async function countPinned(client: Client, { deploymentName, buildId }: VersionAddress): Promise<number> {
  const { count } = await client.workflow.count(
    `ExecutionStatus = "Running" AND TemporalWorkflowVersioningBehavior = "Pinned" AND TemporalWorkerDeploymentVersion = "${deploymentName}:${buildId}"`,
  );
  return count;
}

/**
 * Makes a version current: all new workflows go to it, and those that upgrade move to it with their next task. With a
 * share in percent, only that share does, and the current version stays what it is; 0 ends it.
 *
 * @throws {Error} gRPC error: there is no such version, or no worker of it polls a task queue that the current one serves
 */
export async function routeTo(
  client: Client,
  { deploymentName, buildId }: VersionAddress,
  { percent, by }: { percent?: number | undefined; by: string },
): Promise<void> {
  const change = { namespace: client.options.namespace, deploymentName, identity: by };
  if (percent === undefined) await client.workflowService.setWorkerDeploymentCurrentVersion({ ...change, buildId });
  else if (percent > 0)
    await client.workflowService.setWorkerDeploymentRampingVersion({ ...change, buildId, percentage: percent });
  else await client.workflowService.setWorkerDeploymentRampingVersion({ ...change, buildId: '', percentage: 0 });
}

/** Returns the versions of the workers that poll the task queue of each role. */
async function readRunning(client: Client, deploymentName: string): Promise<Map<TemporalRole, Set<string>>> {
  const found = await Promise.all(
    temporalRoles.map(async (role) => {
      const { pollers } = await client.workflowService.describeTaskQueue({
        namespace: client.options.namespace,
        taskQueue: { name: role },
        taskQueueType: activityQueue,
      });
      const recent = (pollers ?? []).filter(
        ({ lastAccessTime: at }) => Date.now() - Number(at?.seconds ?? 0) * 1000 < pollMs,
      );
      const own = recent.flatMap(({ deploymentOptions: of }) =>
        of?.deploymentName === deploymentName && of.buildId ? [of.buildId] : [],
      );
      return [role, new Set(own)] as const;
    }),
  );
  return new Map(found);
}
