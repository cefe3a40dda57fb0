/** The check of the users of Redis. */
import { type AclDifference, compareUsers } from '../../adapters/redis/acl.ts';
import { connectRedis, primariesOf, readRedisPlace } from '../../adapters/redis/connect.ts';
import { readVariables } from '../../platform/config/config.ts';
import { namesFrom } from '../../platform/config/variables.ts';
import type { Finding } from './finding.ts';

/**
 * Checks that each role has its own user in Redis, with the rights that the role needs and no others. Users are not
 * replicated: in a Redis Cluster every primary is checked.
 */
export async function checkRedisUsers(env: Record<string, string>): Promise<Finding[]> {
  const check = 'redis users';
  const redis = connectRedis(readRedisPlace(readVariables(namesFrom('REDIS_'), env)), () => undefined);
  try {
    const found = await Promise.all((await primariesOf(redis)).map(compareUsers));
    const differences = found.flat();
    if (differences.every(({ isMissing }) => isMissing)) {
      const advice = 'A stolen process can read and write everything: see docs/deploy.md, Users of Redis.';
      return [{ check, verdict: 'warning', about: 'no role has its own user', advice }];
    }
    const wrong = differences.filter(
      ({ isMissing, lacks, hasBesides }) => isMissing || lacks.length + hasBesides.length > 0,
    );
    if (wrong.length === 0) return [{ check, verdict: 'ok', about: `${found[0]?.length} users have their rights` }];
    const advice = 'Load the output of vyry redis-acl as the ACL file of Redis.';
    return [{ check, verdict: 'failed', about: [...new Set(wrong.map(inWords))].join('; '), advice }];
  } catch (err) {
    if (!(err as Error).message.includes('NOPERM')) throw err;
    const advice = 'Use the user operator in REDIS_URL of the operator.';
    return [{ check, verdict: 'warning', about: 'not compared: the user in REDIS_URL may not read users', advice }];
  } finally {
    redis.disconnect();
  }
}

function inWords({ user, isMissing, lacks, hasBesides }: AclDifference): string {
  if (isMissing) return `${user} is missing or off`;
  const parts = [
    lacks.length > 0 && `lacks ${lacks.join(' ')}`,
    hasBesides.length > 0 && `may also ${hasBesides.join(' ')}`,
  ];
  return `${user} ${parts.filter(Boolean).join(', ')}`;
}
