/** Redis, MongoDB and Elasticsearch. */
import { hasAuditTemplate } from '../../adapters/elastic/audit-reader.ts';
import { pingElastic } from '../../adapters/elastic/connect.ts';
import { connectMongo } from '../../adapters/mongo/connect.ts';
import { readAuditDepth } from '../../adapters/redis/audit-stream.ts';
import { connectRedis } from '../../adapters/redis/connect.ts';
import { createHeartbeats } from '../../adapters/redis/heartbeats.ts';
import { readVariables } from '../../platform/config.ts';
import { openAudit } from '../connections.ts';
import type { Finding } from './finding.ts';

const redisMajorMin = 7;

/** Whether Redis answers, is new enough, and writes down what it acknowledges. */
export async function checkRedis(env: Record<string, string>): Promise<Finding[]> {
  const { REDIS_URL: url } = readVariables(['REDIS_URL'], env);
  const errors: Error[] = [];
  const redis = connectRedis(url, (err) => errors.push(err));
  try {
    const info = await redis.info();
    const field = (name: string) => new RegExp(`^${name}:(.*?)\\r?$`, 'm').exec(info)?.[1] ?? '';
    return [redisFinding(field('redis_version'), field('aof_enabled') === '1')];
  } catch (err) {
    const text = `${errors.at(-1)?.message ?? ''} ${(err as Error).message}`;
    const isLogin = /WRONGPASS|NOAUTH|NOPERM/.test(text);
    const about = isLogin ? 'refuses the name or password in REDIS_URL' : `does not answer: ${reasonIn(text)}`;
    return [{ check: 'redis', verdict: 'failed', about, advice: 'Check REDIS_URL, and that Redis runs.' }];
  } finally {
    redis.disconnect();
  }
}

function redisFinding(version: string, isAppendOnly: boolean): Finding {
  const check = 'redis';
  if (Number(version.split('.')[0]) < redisMajorMin) {
    return {
      check,
      verdict: 'failed',
      about: `version ${version}`,
      advice: `Redis ${redisMajorMin} or later is needed.`,
    };
  }
  if (isAppendOnly) return { check, verdict: 'ok', about: `version ${version}, append-only file on` };
  const advice = 'A restart forgets sessions, codes and limits: set appendonly yes.';
  return { check, verdict: 'warning', about: `version ${version}, append-only file off`, advice };
}

/** Whether MongoDB answers and lets us in. */
export async function checkMongo(env: Record<string, string>): Promise<Finding[]> {
  const { DATABASE_URL: url } = readVariables(['DATABASE_URL'], env);
  const failed = Promise.withResolvers<never>();
  await using database = connectMongo(url, failed.reject);
  try {
    await Promise.race([database.ping(), failed.promise]);
    const { version } = (await database.connection.db?.admin().serverInfo()) ?? {};
    return [{ check: 'mongodb', verdict: 'ok', about: `version ${version}` }];
  } catch (err) {
    const { codeName, message } = err as Error & { codeName?: string };
    const isLogin = codeName === 'AuthenticationFailed' || codeName === 'Unauthorized' || /auth/i.test(message);
    const about = isLogin ? 'refuses the name or password in DATABASE_URL' : `does not answer: ${reasonIn(message)}`;
    return [{ check: 'mongodb', verdict: 'failed', about, advice: 'Check DATABASE_URL, and that MongoDB runs.' }];
  }
}

/** Whether Elasticsearch, where it is configured, lets us in and knows what audit events look like. */
export async function checkElastic(env: Record<string, string>): Promise<Finding[]> {
  const check = 'elasticsearch';
  if (!env.ELASTICSEARCH_URL) return [{ check, verdict: 'off', about: 'not configured' }];
  await using access = openAudit(env);
  const { elastic, prefix } = access;
  try {
    await pingElastic(elastic);
    if (await hasAuditTemplate(elastic, prefix))
      return [{ check, verdict: 'ok', about: `answers, has ${prefix}-audit` }];
    const advice = 'Start node workers/run.ts audit, which puts it.';
    return [{ check, verdict: 'failed', about: `has no index template ${prefix}-audit`, advice }];
  } catch (err) {
    const { statusCode, message } = err as Error & { statusCode?: number };
    const isLogin = statusCode === 401 || statusCode === 403;
    const about = isLogin ? `refuses the API key (${statusCode})` : `does not answer: ${reasonIn(message)}`;
    const advice = isLogin
      ? 'Check ELASTICSEARCH_API_KEY and its privileges.'
      : 'Check ELASTICSEARCH_URL and ELASTICSEARCH_CA, and that Elasticsearch runs.';
    return [{ check, verdict: 'failed', about, advice }];
  }
}

/** Audit events wait no longer than this while all is well. */
const auditWaitMs = 60_000;

/** Whether audit events reach Elasticsearch: somebody ships them, and none waits for long. */
export async function checkAuditLog(env: Record<string, string>): Promise<Finding[]> {
  const check = 'audit log';
  if (!env.ELASTICSEARCH_URL) return [{ check, verdict: 'off', about: 'no ELASTICSEARCH_URL: events wait in Redis' }];
  const redis = connectRedis(readVariables(['REDIS_URL'], env).REDIS_URL, () => undefined);
  try {
    const now = Date.now();
    const [beat, depth] = await Promise.all([createHeartbeats(redis).read('audit', now), readAuditDepth(redis, now)]);
    const about = `${depth.entries} events wait, the oldest for ${Math.round(depth.oldestMs / 1000)} s`;
    if (beat === undefined) {
      return [
        { check, verdict: 'failed', about: `no audit worker; ${about}`, advice: 'Start node workers/run.ts audit.' },
      ];
    }
    if (depth.deadLetters > 0) {
      const advice = 'The log of the audit role says why.';
      return [{ check, verdict: 'warning', about: `${depth.deadLetters} events were refused by the index`, advice }];
    }
    const isLate = depth.oldestMs > auditWaitMs;
    const advice = 'See the log of the audit role.';
    return [{ check, verdict: isLate ? 'warning' : 'ok', about, ...(isLate && { advice }) }];
  } finally {
    redis.disconnect();
  }
}

/** The word of the operating system or of TLS; the rest of a driver's text may show what is in a URL. */
function reasonIn(text: string): string {
  return /\b(E[A-Z]{4,}|[A-Z]+_[A-Z_]+|timed? ?out)\b/.exec(text)?.[0] ?? 'no reason given';
}
