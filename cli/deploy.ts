/** `vyry deploy`: the versions of the workers, which of them gets new workflows, and whether an older one may stop. */
import { setTimeout as pause } from 'node:timers/promises';
import { isGrpcServiceError } from '@temporalio/client';
import {
  countPinned,
  readDeployment,
  routeTo,
  type WorkerDeployment,
  type WorkerVersion,
} from '../adapters/temporal/deployments.ts';
import { readVariables } from '../platform/config/config.ts';
import { neededRoles } from './checks/temporal.ts';
import { actOptions, type Command, operatorName, table, UsageError } from './command.ts';
import { openTemporal, type TemporalAccess } from './connections.ts';

const pollMs = 2000;
/** gRPC status: not found, failed precondition. */
const refusals = [5, 9];

const status: Command = {
  positionals: [],
  about: 'Lists the versions of the workers, the workflows that each has to finish, and the roles that run.',
  options: {},
  async run({ env, show }) {
    const deploymentName = readName(env);
    await using temporal = openTemporal(env);
    const found = await read(temporal, deploymentName);
    show({ json: { deployment: deploymentName, ...found }, text: textOf(found) });
  },
};

const current: Command = {
  positionals: ['build'],
  about: 'Makes a version current: new workflows go to it, and those that are pinned stay where they are.',
  details: [
    'It refuses a version of which a role does not run. With --percent the version only gets that share of the new',
    'workflows, and the current one stays current; 0 ends that. docs/deploy.md has the way of a deploy.',
  ].join('\n'),
  options: { percent: { value: 'number', about: 'share of the new workflows, from 0 to 100' }, ...actOptions },
  async run({ values, positionals: [buildId = ''], env, show }) {
    const deploymentName = readName(env);
    const percent = readPercent(values.percent);
    await using temporal = openTemporal(env);
    const { client, within } = temporal;
    if (percent !== 0) refuseUnlessRuns(await read(temporal, deploymentName), buildId, env);
    const by = operatorName(values.by) ?? 'operator';
    await within(() => routeTo(client, { deploymentName, buildId }, { percent, by })).catch((err: unknown) => {
      if (isGrpcServiceError(err) && refusals.includes(err.code)) throw new Error(`Temporal refuses: ${err.details}`);
      throw err;
    });
    const found = await read(temporal, deploymentName);
    show({ json: { deployment: deploymentName, ...found }, text: textOf(found) });
  },
};

const drain: Command = {
  positionals: ['build'],
  about: 'Waits until no running workflow is pinned to a version: then its workers may stop.',
  details: 'The exit code is 1 if some still run when the time is over. Nothing is changed.',
  options: { timeout: { value: 'seconds', about: 'how long to wait (86400); 0 only looks' } },
  budget: 'none',
  async run({ values, positionals: [buildId = ''], env, show, terminal }) {
    const deploymentName = readName(env);
    const timeoutMs = 1000 * readSeconds(values.timeout);
    await using temporal = openTemporal(env);
    const { client, within } = temporal;
    refuseIfRouted(await read(temporal, deploymentName), buildId);
    const count = () => within(() => countPinned(client, { deploymentName, buildId }));
    const left = await untilDrained(count, timeoutMs, (pinned) => {
      terminal.errors.write(`${pinned} workflows are pinned to ${buildId} …\n`);
    });
    if (left > 0) throw new Error(`${left} workflows are pinned to ${buildId}: its workers must run on.`);
    show({ json: { buildId, pinned: 0 }, text: `No running workflow is pinned to ${buildId}: its workers may stop.` });
  },
};

/** The commands of a deploy. */
export const deploy: Record<string, Command> = { status, current, drain };

/** @throws {Error} workers have no versions */
function readName(env: Record<string, string>): string {
  const { WORKER_DEPLOYMENT: name } = readVariables(['WORKER_DEPLOYMENT'], env);
  if (name === undefined)
    throw new Error('WORKER_DEPLOYMENT is not set: workers have no versions. See docs/deploy.md.');
  return name;
}

async function read({ client, within }: TemporalAccess, deploymentName: string): Promise<WorkerDeployment> {
  const found = await within(() => readDeployment(client, deploymentName));
  if (found === undefined) throw new Error(`No worker of the deployment ${deploymentName} has ever run.`);
  return found;
}

function versionOf(versions: readonly WorkerVersion[], buildId: string): WorkerVersion {
  const version = versions.find((known) => known.buildId === buildId);
  if (version === undefined) throw new Error(`No worker of version ${buildId} has ever run.`);
  return version;
}

/** @throws {Error} a role of the version does not run: its workflows would wait for it */
function refuseUnlessRuns({ versions }: WorkerDeployment, buildId: string, env: Record<string, string>): void {
  const version = versionOf(versions, buildId);
  const missing = neededRoles(env).filter((role) => !version.roles.includes(role));
  if (missing.length > 0) throw new Error(`No worker of version ${buildId} runs for ${missing.join(', ')}.`);
}

/** @throws {Error} new workflows go to the version, or it does not exist */
function refuseIfRouted({ versions }: WorkerDeployment, buildId: string): void {
  const { state } = versionOf(versions, buildId);
  if (state === 'current' || state === 'ramping')
    throw new Error(`New workflows still go to ${buildId}: make another version current first.`);
}

/**
 * Waits until a count is 0, and returns what it is at the end. One that began a moment ago may not be counted yet, so two
 * looks must agree.
 */
async function untilDrained(
  count: () => Promise<number>,
  timeoutMs: number,
  tell: (pinned: number) => void,
): Promise<number> {
  const beganAt = performance.now();
  for (let last: number | undefined; ; ) {
    const pinned = await count();
    if (pinned > 0 && performance.now() - beganAt >= timeoutMs) return pinned;
    if (pinned === 0 && last === 0) return 0;
    if (pinned > 0 && pinned !== last) tell(pinned);
    last = pinned;
    await pause(pollMs);
  }
}

function readPercent(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const percent = Number(text);
  if (!/^\d+(\.\d+)?$/.test(text) || percent > 100) throw new UsageError('--percent must be a number from 0 to 100');
  return percent;
}

function readSeconds(text = '86400'): number {
  if (!/^\d{1,7}$/.test(text)) throw new UsageError('--timeout must be a number of seconds');
  return Number(text);
}

function textOf({ versions, changedBy }: WorkerDeployment): string {
  const rows = versions.map(({ buildId, state, percent, pinned, roles, createdAt }) => [
    buildId,
    percent === undefined ? state : `${state} ${percent} %`,
    String(pinned),
    roles.join(', ') || '-',
    createdAt.toISOString(),
  ]);
  const shown = table([['BUILD', 'STATE', 'PINNED', 'WORKERS', 'FIRST SEEN'], ...rows]);
  return changedBy ? `${shown}\nchanged last by ${changedBy}` : shown;
}
