/** The engines that `npm test` has started for all test files, and whole systems on them. */
import { randomBytes } from 'node:crypto';
import { type DataFolder, openTemporaryFolder } from '../../engines/data-folder.ts';
import { type EngineUrls, startOutbox } from '../../engines/engines.ts';
import { startRedis } from '../../engines/redis.ts';
import { type System, type SystemOptions, startSystemIn } from '../../engines/system.ts';
import { roles as allRoles, variables } from '../../platform/config.ts';
import { borrowSystem } from './warm-system.ts';

/** Limits that no test meets by accident: one machine plays everybody. */
export const limitsOff: Record<string, string> = {
  ...Object.fromEntries(
    Object.keys(variables)
      .filter((name) => name.startsWith('LIMIT_'))
      .map((name) => [name, '1000000/60']),
  ),
  COST_LIMIT_PER_DAY: '1000000',
};

/** What would only take time from the tests: a test of it sets it shorter. */
const calm = { DIRECTORY_WATCH_INTERVAL: '86400' };

/** Where the shared engines are. Use names of your own in them: database, key prefix, namespace, index. */
export function testEngines(): EngineUrls {
  return {
    temporalAddress: variable('VYRY_TEST_TEMPORAL_ADDRESS'),
    ...(process.env.VYRY_TEST_TEMPORAL_UI_URL && { temporalUiUrl: process.env.VYRY_TEST_TEMPORAL_UI_URL }),
    redisUrl: variable('VYRY_TEST_REDIS_URL'),
    databaseUrl: variable('VYRY_TEST_DATABASE_URL'),
    elasticsearchUrl: variable('VYRY_TEST_ELASTICSEARCH_URL'),
    ldap: {
      url: variable('VYRY_TEST_LDAP_URL'),
      baseDn: variable('VYRY_TEST_LDAP_BASE_DN'),
      bindDn: variable('VYRY_TEST_LDAP_BIND_DN'),
      bindPassword: variable('VYRY_TEST_LDAP_BIND_PASSWORD'),
    },
    outboxUrl: variable('VYRY_TEST_OUTBOX_URL'),
    twilioUrl: variable('VYRY_TEST_TWILIO_URL'),
    smtpUrl: variable('VYRY_TEST_SMTP_URL'),
    captchaUrls: {
      hcaptcha: variable('VYRY_TEST_HCAPTCHA_URL'),
      turnstile: variable('VYRY_TEST_TURNSTILE_URL'),
      recaptcha: variable('VYRY_TEST_RECAPTCHA_URL'),
    },
  };
}

/** The workflow bundle of today's code. */
export function testBundle(): string {
  return variable('VYRY_TEST_WORKFLOW_BUNDLE');
}

/**
 * A system that shares nothing a test could disturb: Redis, outbox, Temporal namespace and database for itself; the directory
 * and the servers of Temporal and MongoDB are the shared ones. Its api is started by this process; its workers are warm
 * ones, lent for as long as the system runs (test/runner/warm-systems.ts). Audit events are shipped only when Elasticsearch
 * is asked for: into the shared one, under an index name of its own.
 */
export async function startTestSystem(options: Partial<SystemOptions> = {}): Promise<System> {
  const folder = await openTemporaryFolder();
  const { elasticsearch = false, roles = allRoles.filter((role) => role !== 'audit' || elasticsearch) } = options;
  const env = { ...limitsOff, ...calm, ...options.env };
  const lent = await borrowSystem(variable('VYRY_TEST_WARM_SYSTEMS_URL'), folder, {
    roles: roles.filter((role) => role !== 'api'),
    env,
  }).catch(async (err: unknown) => {
    await folder.close();
    throw err;
  });
  const { name, urls, ports, secrets, borrow } = lent;
  return await startSystemIn(folder, {
    ...commonOptions(folder, elasticsearch),
    engines: { ...enginesFor(elasticsearch), ...urls },
    namespace: name,
    database: name,
    ports,
    secrets,
    borrow,
    ...options,
    roles,
    env: { AUDIT_INDEX: elasticsearch ? `${name}-${randomBytes(3).toString('hex')}` : name, ...env },
  });
}

/** As `startTestSystem`, with workers of its own: for tests of the processes themselves, or of everything that there is. */
export async function startOwnTestSystem(options: Partial<SystemOptions> = {}): Promise<System> {
  const folder = await openTemporaryFolder();
  const name = `test-${randomBytes(6).toString('hex')}`;
  const own = await startOwnEngines(folder).catch(async (err: unknown) => {
    await folder.close();
    throw err;
  });
  const { elasticsearch = false } = options;
  return await startSystemIn(folder, {
    ...commonOptions(folder, elasticsearch),
    engines: { ...enginesFor(elasticsearch), ...own },
    namespace: name,
    database: name,
    ...options,
    env: { ...limitsOff, ...calm, AUDIT_INDEX: name, ...options.env },
  });
}

function commonOptions(folder: DataFolder, elasticsearch: boolean) {
  return { folder: folder.path, bundle: testBundle(), compileCache: process.env.NODE_COMPILE_CACHE, elasticsearch };
}

function enginesFor(isAudited: boolean): EngineUrls {
  const { elasticsearchUrl, ...engines } = testEngines();
  return isAudited && elasticsearchUrl !== undefined ? { ...engines, elasticsearchUrl } : engines;
}

async function startOwnEngines(folder: DataFolder): Promise<Partial<EngineUrls>> {
  const redis = await startRedis({ folder, appendfsync: 'always' });
  const { outboxUrl, twilioUrl, smtpUrl, captchaUrls } = await startOutbox(folder);
  return { redisUrl: redis.url, outboxUrl, twilioUrl, smtpUrl, captchaUrls };
}

/** Starts a system with engines of its own, whose Temporal a test may kill. Redis loses nothing it acknowledged. */
export async function startWholeTestSystem(options: Partial<SystemOptions> = {}): Promise<System> {
  const folder = await openTemporaryFolder();
  return await startSystemIn(folder, {
    folder: folder.path,
    bundle: testBundle(),
    compileCache: process.env.NODE_COMPILE_CACHE,
    appendfsync: 'always',
    ...options,
    env: { ...limitsOff, ...calm, ...options.env },
  });
}

function variable(name: string): string {
  const value = process.env[name];
  if (!value) throw new Error(`${name} is missing: run this test by \`npm test -- <file>\`, which starts the engines`);
  return value;
}
