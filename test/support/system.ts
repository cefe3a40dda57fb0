/** Systems for tests, on the engines that `npm test` has started. */
import { randomBytes } from 'node:crypto';
import { type DataFolder, openTemporaryFolder } from '../../engines/data-folder.ts';
import { aclKeyIn, type EngineUrls, startOutbox } from '../../engines/engines.ts';
import { startRedis } from '../../engines/redis.ts';
import { type System, type SystemOptions, startSystemIn } from '../../engines/system.ts';
import { roles as allRoles, type Role } from '../../platform/config/roles.ts';
import { variables } from '../../platform/config/variables.ts';
import { openApiHere } from './api.ts';
import { testBundle, testEngines, testVariable, testWebPage } from './engines.ts';
import { borrowSystem } from './warm-system.ts';

/** Limits too high to be reached by accident: all tests run from one machine. */
export const limitsOff: Record<string, string> = {
  ...Object.fromEntries(
    Object.keys(variables)
      .filter((name) => name.startsWith('LIMIT_'))
      .map((name) => [name, '1000000/60']),
  ),
  COST_LIMIT_PER_DAY: '1000000',
};

/**
 * Long intervals for background work that only costs time, no wait for clients at the stop, and registrations without a device: a test of such work or of
 * devices sets its own.
 */
const calm = {
  DIRECTORY_SYNC_INTERVAL: '86400',
  REGISTRATION_STEPS: 'directory,captcha,code,credentials',
  SOCKET_DRAIN_SECONDS: '0',
  // a starved machine must not use it up; tests of it set their own
  REQUEST_BUDGET_MS: '60000',
};

/**
 * Starts a system that shares nothing a test could disturb: it has its own Redis, outbox, Temporal namespace and
 * database. The directory and the servers of Temporal and MongoDB are shared. Its api runs in this process; its workers
 * are warm ones, lent while the system runs (test/runner/warm-systems.ts). Audit events are shipped only with
 * `elasticsearch`, into the shared server under a unique index name.
 */
export async function startTestSystem(options: Partial<SystemOptions> = {}): Promise<System> {
  const folder = await openTemporaryFolder();
  const { elasticsearch = false, roles = rolesFor(options) } = options;
  const env = { ...limitsOff, ...calm, ...options.env };
  const lent = await borrowSystem(testVariable('VYRY_TEST_WARM_SYSTEMS_URL'), folder, {
    roles: roles.filter((role) => role !== 'api'),
    env,
  }).catch(async (err: unknown) => {
    await folder.close();
    throw err;
  });
  const { name, urls, ports, secrets, borrow } = lent;
  return await startSystemIn(folder, {
    ...commonOptions(elasticsearch),
    engines: { ...enginesFor(elasticsearch), ...urls },
    namespace: name,
    database: name,
    ports,
    secrets,
    borrow: (role, roleEnv) => (role === 'api' ? openApiHere(folder, 'api', roleEnv) : borrow(role, roleEnv)),
    ...options,
    roles,
    env: { AUDIT_INDEX: elasticsearch ? `${name}-${randomBytes(3).toString('hex')}` : name, ...env },
  });
}

/** Like `startTestSystem`, with workers of its own: for tests of the processes themselves, or of all stored data. With `engines` it uses those. */
export async function startOwnTestSystem(options: Partial<SystemOptions> = {}): Promise<System> {
  const folder = await openTemporaryFolder();
  const name = `test-${randomBytes(6).toString('hex')}`;
  const own = await (options.engines === undefined ? startOwnEngines(folder) : Promise.resolve({})).catch(
    async (err: unknown) => {
      await folder.close();
      throw err;
    },
  );
  const { elasticsearch = false } = options;
  return await startSystemIn(folder, {
    ...commonOptions(elasticsearch),
    engines: { ...enginesFor(elasticsearch), ...own },
    namespace: name,
    database: name,
    roles: rolesFor(options),
    ...options,
    env: { ...limitsOff, ...calm, AUDIT_INDEX: name, ...options.env },
  });
}

/** The role `signal` has nothing to do without its step, and the api serves sockets itself. */
function rolesFor({ elasticsearch = false, env = {} }: Partial<SystemOptions>): Role[] {
  const isNeeded = {
    audit: elasticsearch,
    gateway: false,
    signal: env.REGISTRATION_STEPS?.includes('signal') ?? false,
  };
  return allRoles.filter((role) => !(role in isNeeded) || isNeeded[role as keyof typeof isNeeded]);
}

function commonOptions(elasticsearch: boolean) {
  return { bundle: testBundle(), web: testWebPage(), compileCache: process.env.NODE_COMPILE_CACHE, elasticsearch };
}

function enginesFor(isAudited: boolean): EngineUrls {
  const { elasticsearchUrl, ...engines } = testEngines();
  return isAudited && elasticsearchUrl !== undefined ? { ...engines, elasticsearchUrl } : engines;
}

/** Starts the engines of a system of a test's own: Redis and the fakes. */
export async function startOwnEngines(folder: DataFolder): Promise<Partial<EngineUrls>> {
  const redis = await startRedis({ folder, appendfsync: 'always', aclKey: aclKeyIn(folder) });
  const { outboxUrl, twilioUrl, smtpUrl, webpushUrl, apnsUrl, captchaUrls, signalServerUrl } =
    await startOutbox(folder);
  return { redisUrl: redis.url, outboxUrl, twilioUrl, smtpUrl, webpushUrl, apnsUrl, captchaUrls, signalServerUrl };
}

/** Starts a system with engines of its own, so that a test may kill Temporal. Redis loses no acknowledged write. */
export async function startWholeTestSystem(options: Partial<SystemOptions> = {}): Promise<System> {
  const folder = await openTemporaryFolder();
  return await startSystemIn(folder, {
    bundle: testBundle(),
    web: testWebPage(),
    compileCache: process.env.NODE_COMPILE_CACHE,
    appendfsync: 'always',
    roles: rolesFor(options),
    ...options,
    env: { ...limitsOff, ...calm, ...options.env },
  });
}
