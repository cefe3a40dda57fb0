/** Liveness and readiness. */
import type { AnswerOf } from '../../contract/operation.ts';
import type { systemOperations } from '../../contract/system.ts';
import { Failure } from '../../domain/failures.ts';
import { version } from '../../platform/config/version.ts';
import type { ApiDeps } from '../deps.ts';

type Ops = typeof systemOperations;

/** Dependencies without which the api is not ready. Without the others registrations wait, or are not visible. */
const needed = ['redis', 'mongodb', 'temporal', 'worker:registration', 'durability'];

/** Returns that the process responds, without checking a dependency. */
export async function readHealth(): Promise<AnswerOf<Ops['readHealth']>> {
  return { status: 200, body: { status: 'ok', service: 'vyry', version } };
}

/**
 * Returns every dependency with status and latency.
 *
 * @throws {Failure} unavailable, with the same list, when a needed one is down
 */
export async function readReadiness({
  checkDependencies,
}: Pick<ApiDeps, 'checkDependencies'>): Promise<AnswerOf<Ops['readReadiness']>> {
  const found = await checkDependencies();
  const dependencies = Object.fromEntries(found.map(({ name, ...health }) => [name, health]));
  const down = found.filter(({ status }) => status === 'down').map(({ name }) => name);
  const missing = down.filter((name) => needed.includes(name));
  if (missing.length > 0) {
    throw new Failure('unavailable', {
      message: `Not ready: ${missing.join(', ')}`,
      fields: { status: 'unready', dependencies } as unknown as Record<string, string>,
    });
  }
  return { status: 200, body: { status: down.length > 0 ? 'degraded' : 'ready', dependencies } };
}
