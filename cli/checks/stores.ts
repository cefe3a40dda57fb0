/** Redis, MongoDB and Elasticsearch. */
import { connectElastic } from '../../adapters/elastic.ts';
import { connectMongo } from '../../adapters/mongo/connect.ts';
import { connectRedis } from '../../adapters/redis/connect.ts';
import { readVariables } from '../../platform/config.ts';
import type { Finding } from './finding.ts';

const redisMajorMin = 7;

/** Whether Redis answers, is new enough, and writes down what it acknowledges. */
export async function examineRedis(env: Record<string, string>): Promise<Finding[]> {
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
export async function examineMongo(env: Record<string, string>): Promise<Finding[]> {
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

/** Whether Elasticsearch, where it is configured, answers. */
export async function examineElastic(env: Record<string, string>): Promise<Finding[]> {
  const check = 'elasticsearch';
  const { ELASTICSEARCH_URL: url } = readVariables(['ELASTICSEARCH_URL'], env);
  if (url === undefined) return [{ check, verdict: 'off', about: 'not configured' }];
  const elastic = connectElastic(url);
  try {
    await elastic.ping();
    return [{ check, verdict: 'ok', about: 'answers' }];
  } catch (err) {
    const { statusCode, message } = err as Error & { statusCode?: number };
    const isLogin = statusCode === 401 || statusCode === 403;
    const about = isLogin ? `refuses the API key (${statusCode})` : `does not answer: ${reasonIn(message)}`;
    return [{ check, verdict: 'failed', about, advice: 'Check ELASTICSEARCH_URL, and that Elasticsearch runs.' }];
  } finally {
    await elastic.close();
  }
}

/** The word of the operating system or of TLS; the rest of a driver's text may show what is in a URL. */
function reasonIn(text: string): string {
  return /\b(E[A-Z]{4,}|[A-Z]+_[A-Z_]+|timed? ?out)\b/.exec(text)?.[0] ?? 'no reason given';
}
