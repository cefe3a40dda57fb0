/** Explains to operators which dependency is unavailable, and why. */
import { type Dependency, notedOutage, type Outage } from '../platform/outages.ts';

/** What each dependency is called, and the variable that names it. */
const dependencies: Record<Dependency, { name: string; variable: string }> = {
  redis: { name: 'Redis', variable: 'REDIS_URL' },
  mongodb: { name: 'MongoDB', variable: 'DATABASE_URL' },
  temporal: { name: 'Temporal', variable: 'TEMPORAL_ADDRESS' },
  elasticsearch: { name: 'Elasticsearch', variable: 'ELASTICSEARCH_URL' },
};

/** An outage, and the sentence that explains it. */
interface ExplainedOutage {
  dependency: Dependency;
  text: string;
}

/**
 * Explains an outage of a dependency; undefined if an error is none. The adapters are loaded here, because their clients
 * are slow to load.
 */
export async function outageIn(err: unknown): Promise<ExplainedOutage | undefined> {
  const outage = notedOutage(err) ?? (await outageOf(err));
  if (outage === undefined) return undefined;
  const { name, variable } = dependencies[outage.dependency];
  const text = `${name} ${stateOf(outage)} (${variable}). Run vyry doctor for details.`;
  return { dependency: outage.dependency, text };
}

function stateOf({ dependency, reason }: Outage): string {
  if (dependency === 'temporal') return 'or its workers do not answer in time';
  const hasNoAnswer = reason === 'no-answer' || reason === 'timeout';
  return hasNoAnswer ? 'does not answer' : `answers and cannot work: ${reason.replaceAll('-', ' ')}`;
}

async function outageOf(err: unknown): Promise<Outage | undefined> {
  const { temporalOutageOf } = await import('../adapters/temporal/connect.ts');
  const { redisOutageOf } = await import('../adapters/redis/outages.ts');
  const { mongoOutageOf } = await import('../adapters/mongo/outages.ts');
  return temporalOutageOf(err) ?? redisOutageOf(err) ?? mongoOutageOf(err);
}
