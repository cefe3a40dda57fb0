/** Checks of Redis, MongoDB, Elasticsearch and the audit log. */
import { hasAuditTemplate } from '../../adapters/elastic/audit-reader.ts';
import { pingElastic } from '../../adapters/elastic/connect.ts';
import { connectMongo, isMongoSecure, type MongoPlace, readMongoPlace } from '../../adapters/mongo/connect.ts';
import { type MigrationState, readMigrations } from '../../adapters/mongo/migrate.ts';
import { readAuditDepth } from '../../adapters/redis/audit-stream.ts';
import { connectRedis, primariesOf, type RedisPlace, readRedisPlace } from '../../adapters/redis/connect.ts';
import { checkDurability, type DurabilityReport } from '../../adapters/redis/durability.ts';
import { createHeartbeats } from '../../adapters/redis/heartbeats.ts';
import type { MessageDurability } from '../../adapters/redis/inbox-sends.ts';
import { readVariables } from '../../platform/config/config.ts';
import { namesFrom } from '../../platform/config/variables.ts';
import { openAudit } from '../connections.ts';
import type { Finding } from './finding.ts';
import { type Explanation, explainTls } from './tls.ts';

const redisMajorMin = 7;

/** Checks that Redis answers, has a supported version, persists writes (append-only file) and keeps messages as promised. */
export async function checkRedis(env: Record<string, string>): Promise<Finding[]> {
  const config = readVariables([...namesFrom('REDIS_'), 'MESSAGE_DURABILITY'], env);
  const { MESSAGE_DURABILITY: durability } = config;
  const place = readRedisPlace(config);
  const errors: Error[] = [];
  const redis = connectRedis(place, (err) => errors.push(err));
  try {
    const primaries = await primariesOf(redis);
    const infos = await Promise.all(primaries.map((primary) => primary.info()));
    const refusal = infos.flatMap((info) => writeRefusalOf((name) => fieldOf(info, name)) ?? [])[0];
    return [
      ...(refusal ? [refusal] : infos.slice(0, 1).map((info) => redisFinding(info, infos))),
      ...clusterFindings(place, infos),
      durabilityFinding(durability, await checkDurability(redis, durability)),
    ];
  } catch (err) {
    const text = `${errors.at(-1)?.message ?? ''} ${(err as Error).message}`;
    const isLogin = /WRONGPASS|NOAUTH|NOPERM/.test(text);
    const about = isLogin ? 'refuses the user name or password in REDIS_URL' : `does not answer: ${reasonIn(text)}`;
    const usual = { about, advice: `Check ${redisVariables(place)} and that Redis runs.` };
    const explained = isLogin ? undefined : await explainRedis(place);
    return [{ check: 'redis', verdict: 'failed', ...(explained ?? usual) }];
  } finally {
    redis.disconnect();
  }
}

/** Returns why Redis takes no writes, or may remove what it keeps. */
function writeRefusalOf(field: (name: string) => string): Finding | undefined {
  const check = 'redis';
  const failed = (about: string, advice: string): Finding => ({ check, verdict: 'failed', about, advice });
  if (field('role') === 'slave')
    return failed('is a replica, which takes no writes', 'REDIS_URL must lead to the primary.');
  const [used, max] = [Number(field('used_memory')), Number(field('maxmemory'))];
  const keepsAll = field('maxmemory_policy') === 'noeviction';
  if (max > 0 && used >= max && keepsAll) return failed('has no memory left', 'Raise maxmemory of Redis.');
  if ([field('aof_last_write_status'), field('rdb_last_bgsave_status')].includes('err'))
    return failed('could not write to its disk', 'See the log of Redis; its disk may be full.');
  if (max > 0 && !keepsAll) {
    const about = `maxmemory-policy ${field('maxmemory_policy')} removes sessions, codes and messages when memory is short`;
    return { check, verdict: 'warning', about, advice: 'Set it to noeviction.' };
  }
  return undefined;
}

function redisVariables({ sentinels, clusterNodes }: RedisPlace): string {
  if (sentinels !== undefined) return 'REDIS_SENTINELS, the name of the primary in REDIS_URL,';
  return clusterNodes === undefined ? 'REDIS_URL' : 'REDIS_URL, REDIS_CLUSTER_NODES';
}

/** Explains why TLS fails, if it is used. */
async function explainRedis({ url, sentinels, clusterNodes, tls = {} }: RedisPlace): Promise<Explanation | undefined> {
  const { protocol, hostname, port } = new URL(url);
  if (protocol !== 'rediss:') return undefined;
  const [first] = sentinels ?? clusterNodes ?? [];
  const address = first ? `${first.host}:${first.port}` : `${hostname}:${port || 6379}`;
  return await explainTls({ prefix: 'REDIS', address, tls });
}

function fieldOf(info: string, name: string): string {
  return new RegExp(`^${name}:(.*?)\\r?$`, 'm').exec(info)?.[1] ?? '';
}

/** Says how the servers behind one are arranged: nothing for a single server. */
function clusterFindings({ sentinels, clusterNodes }: RedisPlace, infos: string[]): Finding[] {
  const check = 'redis';
  const lonely = infos.filter((info) => fieldOf(info, 'connected_slaves') === '0').length;
  if (sentinels === undefined && clusterNodes === undefined) return [];
  const about = clusterNodes ? `cluster of ${infos.length} primaries` : 'primary named by Sentinel';
  if (lonely === 0) return [{ check, verdict: 'ok', about: `${about}, each with a replica` }];
  const advice = 'A primary without a replica cannot be replaced: its keys are unavailable while it is down.';
  return [{ check, verdict: 'warning', about: `${about}, ${lonely} without a replica`, advice }];
}

function redisFinding(info: string, infos: string[]): Finding {
  const check = 'redis';
  const version = fieldOf(info, 'redis_version');
  const isAppendOnly = infos.every((one) => fieldOf(one, 'aof_enabled') === '1');
  if (Number(version.split('.')[0]) < redisMajorMin) {
    return {
      check,
      verdict: 'failed',
      about: `version ${version}`,
      advice: `Redis ${redisMajorMin} or later is required.`,
    };
  }
  if (isAppendOnly) return { check, verdict: 'ok', about: `version ${version}, append-only file on` };
  const advice = 'A restart loses sessions, codes and limits: set appendonly yes.';
  return { check, verdict: 'warning', about: `version ${version}, append-only file off`, advice };
}

function durabilityFinding(durability: MessageDurability, report: DurabilityReport): Finding {
  const check = 'messages';
  const { problems, warnings, replicas } = report;
  const about = [...problems, ...warnings].join('; ');
  if (problems.length > 0) {
    const advice = 'Change Redis, or set MESSAGE_DURABILITY to what it keeps: the api does not start otherwise.';
    return { check, verdict: 'failed', about, advice };
  }
  if (about !== '') return { check, verdict: 'warning', about, advice: 'See docs/messaging.md.' };
  return { check, verdict: 'ok', about: `durability ${durability}, ${replicas} replicas` };
}

/** Checks that MongoDB answers, accepts the credentials and has the migrations of this build. */
export async function checkMongo(env: Record<string, string>): Promise<Finding[]> {
  const place = readMongoPlace(readVariables(namesFrom('DATABASE_'), env));
  const failed = Promise.withResolvers<never>();
  await using database = connectMongo(place, failed.reject);
  try {
    await Promise.race([database.ping(), failed.promise]);
    const { version } = (await database.connection.db?.admin().serverInfo()) ?? {};
    return [
      { check: 'mongodb', verdict: 'ok', about: `version ${version}` },
      migrationsFinding(await readMigrations(database.connection)),
    ];
  } catch (err) {
    const { codeName, message } = err as Error & { codeName?: string };
    const isLogin = codeName === 'AuthenticationFailed' || codeName === 'Unauthorized' || /auth/i.test(message);
    const about = isLogin
      ? 'refuses the user name or password in DATABASE_URL'
      : `does not answer: ${reasonIn(message)}`;
    const usual = { about, advice: 'Check DATABASE_URL and that MongoDB runs.' };
    return [{ check: 'mongodb', verdict: 'failed', ...((await explainMongo(place)) ?? usual) }];
  }
}

function migrationsFinding({ pending, unknown }: MigrationState): Finding {
  const check = 'migrations';
  if (pending.length > 0) {
    const advice = 'npx vyry migrate: processes of this build do not start before.';
    return { check, verdict: 'failed', about: `missing: ${pending.join(', ')}`, advice };
  }
  if (unknown.length === 0) return { check, verdict: 'ok', about: 'the database has all of them' };
  const advice = 'This is an older build. It works one release back at most; see docs/deploy.md.';
  return { check, verdict: 'warning', about: `the database has later ones: ${unknown.join(', ')}`, advice };
}

/** Explains why TLS fails, if it is used. The hosts of `mongodb+srv://` are not looked up. */
async function explainMongo({ url, tls = {} }: MongoPlace): Promise<Explanation | undefined> {
  const [, host = '', port = '27017'] = /^mongodb:\/\/(?:[^@/]*@)?([^/,?:]+)(?::(\d+))?/.exec(url) ?? [];
  if (host === '' || !isMongoSecure({ url, tls })) return undefined;
  return await explainTls({ prefix: 'DATABASE', address: `${host}:${port}`, tls });
}

/** Checks that Elasticsearch, if configured, accepts the API key and has the index template of audit events. */
export async function checkElastic(env: Record<string, string>): Promise<Finding[]> {
  const check = 'elasticsearch';
  if (!env.ELASTICSEARCH_URL) return [{ check, verdict: 'off', about: 'not configured' }];
  await using access = openAudit(env);
  const { elastic, prefix } = access;
  try {
    await pingElastic(elastic);
    if (await hasAuditTemplate(elastic, prefix))
      return [{ check, verdict: 'ok', about: `answers, has ${prefix}-audit` }];
    const advice = 'Start node workers/run.ts audit, which creates it.';
    return [{ check, verdict: 'failed', about: `has no index template ${prefix}-audit`, advice }];
  } catch (err) {
    const { statusCode, message } = err as Error & { statusCode?: number };
    const isLogin = statusCode === 401 || statusCode === 403;
    const about = isLogin ? `refuses the API key (${statusCode})` : `does not answer: ${reasonIn(message)}`;
    const advice = isLogin
      ? 'Check ELASTICSEARCH_API_KEY and its privileges.'
      : 'Check ELASTICSEARCH_URL, ELASTICSEARCH_CA and that Elasticsearch runs.';
    const explained = isLogin ? undefined : await explainElastic(env);
    return [{ check, verdict: 'failed', ...(explained ?? { about, advice }) }];
  }
}

async function explainElastic(env: Record<string, string>): Promise<Explanation | undefined> {
  const { ELASTICSEARCH_URL: url, ELASTICSEARCH_CA: ca } = readVariables(
    ['ELASTICSEARCH_URL', 'ELASTICSEARCH_CA'],
    env,
  );
  const { protocol, hostname, port } = new URL(url);
  if (protocol !== 'https:') return undefined;
  return await explainTls({ prefix: 'ELASTICSEARCH', address: `${hostname}:${port || 443}`, tls: { ca } });
}

/** Audit events that wait longer than this cause a warning. */
const auditWaitMs = 60_000;

/** Checks that audit events reach Elasticsearch: an audit worker runs and no event waits for long. */
export async function checkAuditLog(env: Record<string, string>): Promise<Finding[]> {
  const check = 'audit log';
  if (!env.ELASTICSEARCH_URL) return [{ check, verdict: 'off', about: 'no ELASTICSEARCH_URL: events wait in Redis' }];
  const redis = connectRedis(readRedisPlace(readVariables(namesFrom('REDIS_'), env)), () => undefined);
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
      const advice = 'See the log of the audit role for the reasons.';
      return [{ check, verdict: 'warning', about: `${depth.deadLetters} events were refused by the index`, advice }];
    }
    const isLate = depth.oldestMs > auditWaitMs;
    const advice = 'See the log of the audit role.';
    return [{ check, verdict: isLate ? 'warning' : 'ok', about, ...(isLate && { advice }) }];
  } finally {
    redis.disconnect();
  }
}

/**
 * Returns the error code of the operating system or of TLS. The rest of a driver's message may contain parts of a URL.
 */
function reasonIn(text: string): string {
  return /\b(E[A-Z]{4,}|[A-Z]+_[A-Z_]+|timed? ?out)\b/.exec(text)?.[0] ?? 'no reason given';
}
