/**
 * The version of a worker in Temporal (Worker Deployment Versioning). Each task of a pinned workflow, and each activity
 * that it schedules, goes to workers of the version that began it; a workflow that upgrades goes to the current version.
 * A workflow is pinned unless the client that started it said otherwise.
 * https://docs.temporal.io/worker-versioning
 */
import type { WorkerOptions } from '@temporalio/worker';
import type { Config } from '../platform/config/config.ts';
import type { TemporalRole } from '../platform/config/roles.ts';

type Version = Pick<Config<TemporalRole>, 'WORKER_DEPLOYMENT' | 'WORKER_BUILD_ID'>;

/**
 * Returns the options that give a worker its version; none without `WORKER_DEPLOYMENT`.
 *
 * @throws {Error} `WORKER_DEPLOYMENT` is set and `WORKER_BUILD_ID` is not
 */
export function versionOptions({
  WORKER_DEPLOYMENT: deploymentName,
  WORKER_BUILD_ID: buildId,
}: Version): Pick<WorkerOptions, 'workerDeploymentOptions'> {
  if (deploymentName === undefined) return {};
  if (buildId === undefined) {
    throw new Error('WORKER_DEPLOYMENT needs WORKER_BUILD_ID, or WORKER_BUILD_ID_FILE=dist/build-id');
  }
  return {
    workerDeploymentOptions: {
      version: { deploymentName, buildId },
      useWorkerVersioning: true,
      defaultVersioningBehavior: 'PINNED',
    },
  };
}
