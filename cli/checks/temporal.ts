/** Checks of Temporal: the server, the namespace, the search attributes, the workers and their versions. */

import { isTemporalOutage } from '../../adapters/temporal/connect.ts';
import { readDeployment, type WorkerVersion } from '../../adapters/temporal/deployments.ts';
import { countPollers, hasNamespace, readSearchAttributes } from '../../adapters/temporal/inspect.ts';
import { readTemporalPlace } from '../../adapters/temporal/place.ts';
import { readVariables } from '../../platform/config/config.ts';
import { type TemporalRole, temporalRoles } from '../../platform/config/roles.ts';
import { namesFrom } from '../../platform/config/variables.ts';
import { searchAttributeNames } from '../../workflows/search-attributes.ts';
import { openTemporal, type TemporalAccess } from '../connections.ts';
import type { Finding } from './finding.ts';
import { type Explanation, explainTls } from './tls.ts';

/** Checks server, namespace, search attributes and task queues, in this order. */
export async function checkTemporal(env: Record<string, string>): Promise<Finding[]> {
  const check = 'temporal';
  await using temporal = openTemporal(env);
  const { client, within } = temporal;
  const { namespace } = client.options;
  try {
    if (!(await within(() => hasNamespace(client)))) {
      const advice = `temporal operator namespace create --namespace ${namespace}, or set TEMPORAL_NAMESPACE.`;
      return [{ check, verdict: 'failed', about: `has no namespace ${namespace}`, advice }];
    }
  } catch (err) {
    if (isRefusal(err)) return [{ check, verdict: 'failed', ...refusal }];
    if (!isTemporalOutage(err)) throw err;
    const usual = { about: 'does not answer', advice: 'Check TEMPORAL_ADDRESS and that Temporal runs.' };
    return [{ check, verdict: 'failed', ...((await explain(env)) ?? usual) }];
  }
  return [
    { check, verdict: 'ok', about: `answers, namespace ${namespace}` },
    await checkSearchAttributes(temporal),
    ...(await Promise.all(neededRoles(env).map((role) => checkQueue(temporal, role)))),
    await checkVersions(temporal, env),
  ];
}

const refusal: Explanation = {
  about: 'refuses this identity',
  advice: 'Check TEMPORAL_API_KEY or TEMPORAL_CERT, and that it may use the namespace in TEMPORAL_NAMESPACE.',
};

/** Returns whether Temporal refuses a call by the gRPC status permission denied or unauthenticated. */
function isRefusal(err: unknown): boolean {
  return err instanceof Error && 'code' in err && (err.code === 7 || err.code === 16);
}

async function explain(env: Record<string, string>): Promise<Explanation | undefined> {
  const { address, tls } = readTemporalPlace(readVariables(namesFrom('TEMPORAL_'), env));
  if (tls === undefined) return undefined;
  return await explainTls({ prefix: 'TEMPORAL', address, tls, protocols: ['h2'] });
}

/** Checks that a version gets the new workflows, and that no version with workflows has lost its workers. */
async function checkVersions({ client, within }: TemporalAccess, env: Record<string, string>): Promise<Finding> {
  const check = 'worker versions';
  const { WORKER_DEPLOYMENT: name, WORKER_BUILD_ID: own } = readVariables(
    ['WORKER_DEPLOYMENT', 'WORKER_BUILD_ID'],
    env,
  );
  if (name === undefined)
    return { check, verdict: 'off', about: 'no WORKER_DEPLOYMENT: a deploy moves every workflow' };
  const { versions } = (await within(() => readDeployment(client, name))) ?? { versions: [] };
  const needed = neededRoles(env);
  const missingOf = ({ roles }: WorkerVersion) => needed.filter((role) => !roles.includes(role));
  const current = versions.find(({ state }) => state === 'current');
  if (current === undefined) {
    const advice = `npx vyry deploy current ${own ?? '<build>'}, once its workers run: no workflow starts before.`;
    return { check, verdict: 'failed', about: `${name} has no current version`, advice };
  }
  const lost = versions.filter((version) => version.pinned > 0 && missingOf(version).length > 0)[0];
  if (lost !== undefined) {
    const about = `${lost.pinned} workflows are pinned to ${lost.buildId}, which runs no worker for ${missingOf(lost).join(', ')}`;
    const advice = 'Start its workers again until npx vyry deploy drain says that they may stop (docs/deploy.md).';
    return { check, verdict: 'failed', about, advice };
  }
  const about = versions
    .filter(({ state, pinned }) => state === 'current' || state === 'ramping' || pinned > 0)
    .map(
      ({ buildId, state, percent, pinned }) => `${buildId} ${state}${percent ? ` ${percent} %` : ''}, ${pinned} pinned`,
    )
    .join('; ');
  if (own === undefined || own === current.buildId) return { check, verdict: 'ok', about };
  const advice = `npx vyry deploy current ${own} gives this build the new workflows.`;
  return { check, verdict: 'warning', about: `${about}; this build is ${own}`, advice };
}

/** Returns the roles that an installation needs: `signal` only for its step. */
export function neededRoles(env: Record<string, string>): TemporalRole[] {
  const { REGISTRATION_STEPS: steps } = readVariables(['REGISTRATION_STEPS'], env);
  return temporalRoles.filter((role) => role !== 'signal' || steps.includes('signal'));
}

async function checkSearchAttributes({ client, within }: TemporalAccess): Promise<Finding> {
  const check = 'search attributes';
  const known = await within(() => readSearchAttributes(client));
  const missing = searchAttributeNames.filter((name) => !known.includes(name));
  if (missing.length === 0) return { check, verdict: 'ok', about: searchAttributeNames.join(', ') };
  const options = missing.map((name) => `--name ${name} --type Keyword`).join(' ');
  const advice = `temporal operator search-attribute create --namespace ${client.options.namespace} ${options}`;
  return { check, verdict: 'failed', about: `missing: ${missing.join(', ')}`, advice };
}

async function checkQueue({ client, within }: TemporalAccess, role: string): Promise<Finding> {
  const check = `worker ${role}`;
  const kinds = role === 'registration' ? (['workflow', 'activity'] as const) : (['activity'] as const);
  const counts = await Promise.all(kinds.map((kind) => within(() => countPollers(client, role, kind))));
  const fewest = Math.min(...counts);
  if (fewest > 0)
    return {
      check,
      verdict: 'ok',
      about: fewest === 1 ? '1 worker polls its task queue' : `${fewest} workers poll its task queue`,
    };
  return {
    check,
    verdict: 'failed',
    about: 'no worker polls its task queue',
    advice: `Start node workers/run.ts ${role}.`,
  };
}
