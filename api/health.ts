/** Liveness and readiness. */
import { z } from 'zod';
import { Failure } from '../domain/failures.ts';
import { version } from '../platform/config.ts';
import type { ApiDeps } from './deps.ts';

/** Liveness. */
export const Health = z.object({ status: z.literal('ok'), service: z.literal('vyry'), version: z.string() });
/** Readiness: `degraded` when registrations wait for something, `unready` when nothing works. */
export const Readiness = z.object({
  status: z.enum(['ready', 'degraded', 'unready']),
  dependencies: z.record(
    z.string(),
    z.object({ status: z.enum(['up', 'down', 'off']), latencyMs: z.number().optional() }),
  ),
});

/** Without these nothing works; without the others registrations wait, or are not seen. */
const needed = ['redis', 'mongodb', 'temporal', 'worker:registration'];

/** Says that the process answers; touches nothing. */
export async function readHealth(): Promise<z.output<typeof Health>> {
  return { status: 'ok', service: 'vyry', version };
}

/** Every dependency with status and latency. @throws {Failure} unavailable, with the same list, when one that matters is down */
export async function readReadiness({ examine }: Pick<ApiDeps, 'examine'>): Promise<z.output<typeof Readiness>> {
  const found = await examine();
  const dependencies = Object.fromEntries(found.map(({ name, ...health }) => [name, health]));
  const down = found.filter(({ status }) => status === 'down').map(({ name }) => name);
  const missing = down.filter((name) => needed.includes(name));
  if (missing.length > 0) {
    throw new Failure('unavailable', {
      message: `Not ready: ${missing.join(', ')}`,
      fields: { status: 'unready', dependencies } as unknown as Record<string, string>,
    });
  }
  return { status: down.length > 0 ? 'degraded' : 'ready', dependencies };
}
