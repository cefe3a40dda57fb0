// @permissions net, addons, worker, files, read(GEOIP_DATABASE), read(WEB_FOLDER)
/**
 * The api process: configuration, connections, servers and a graceful stop. The permission `worker` is for the thread
 * that estimates passwords.
 */
import { resolve } from 'node:path';
import { Registry } from 'prom-client';
import { connectBreachedPasswords } from '../adapters/breached-passwords.ts';
import { createConfiguredCaptcha } from '../adapters/captcha.ts';
import { connectCollector } from '../adapters/collector.ts';
import { openPlaces } from '../adapters/geoip.ts';
import { createPublicEndpoints } from '../adapters/http/public-endpoint.ts';
import { isPublicAddress } from '../adapters/ip-addresses.ts';
import { createAccounts } from '../adapters/mongo/accounts.ts';
import { createDeletions } from '../adapters/mongo/deletions.ts';
import { requireMigrated } from '../adapters/mongo/migrate.ts';
import { createPreKeys } from '../adapters/mongo/prekeys.ts';
import { argon2 } from '../adapters/passwords/argon2.ts';
import { createPasswords } from '../adapters/passwords.ts';
import { createAccountFacts, createFactChanges } from '../adapters/redis/account-facts.ts';
import { createAuditLog } from '../adapters/redis/audit.ts';
import { isAuditShipped, readAuditDepth } from '../adapters/redis/audit-stream.ts';
import { createUsedCaptchas } from '../adapters/redis/captchas.ts';
import { createChangeListener } from '../adapters/redis/changes.ts';
import { createCodes } from '../adapters/redis/codes.ts';
import { recordStart } from '../adapters/redis/configurations.ts';
import { createDeliveryReports } from '../adapters/redis/delivery-reports.ts';
import { createDeviceActivity } from '../adapters/redis/device-activity.ts';
import { createHeartbeats } from '../adapters/redis/heartbeats.ts';
import { createLinks } from '../adapters/redis/links.ts';
import { createLogIns } from '../adapters/redis/logins.ts';
import { createOneTimeSecrets } from '../adapters/redis/one-time-secrets.ts';
import { createRecoveries } from '../adapters/redis/recoveries.ts';
import { createRegistrationWarnings } from '../adapters/redis/registration-warnings.ts';
import { createRegistrationStarts, createRegistrations } from '../adapters/redis/registrations.ts';
import { createSignalSteps } from '../adapters/redis/signal-steps.ts';
import { createSmsBudget } from '../adapters/redis/sms-budget.ts';
import { createVerificationSessions } from '../adapters/redis/verification-sessions.ts';
import { createWorkflowCodec } from '../adapters/temporal/codec.ts';
import { createTemporalProbe } from '../adapters/temporal/connect.ts';
import { countWaiting, readQueueDepths } from '../adapters/temporal/depths.ts';
import { readPolicy, type StepName } from '../domain/registration.ts';
import { createAnnouncements } from '../platform/announcements.ts';
import { pseudonymOf } from '../platform/audit.ts';
import { type Config, readConfig } from '../platform/config/config.ts';
import { type roles, temporalRoles } from '../platform/config/roles.ts';
import { keyedHash } from '../platform/crypto.ts';
import { createAuditedEvents } from '../platform/events/audited-events.ts';
import { keysIn } from '../platform/keyring.ts';
import { type DependencyHealth, dropPermissions, untilSignal, withTimeout } from '../platform/lifecycle.ts';
import { createLog, type Logger, logReady } from '../platform/log.ts';
import { collectProcessMetrics } from '../platform/process-metrics.ts';
import { createCodecApp } from './codec.ts';
import { type Connections, connect, createEngineChecks, type EngineChecks, listen, urlOf } from './connections.ts';
import type { ApiDeps } from './deps.ts';
import { startEstimator } from './estimator.ts';
import { registerGauges } from './gauges.ts';
import { openGrpc } from './grpc/server.ts';
import { createHotListener } from './hot.ts';
import { createHttpServer, readTrustProxy } from './http.ts';
import { assembleMessaging, type Messaging, type MessagingDeps } from './messaging.ts';
import { createUpdateQueue } from './registrations/update-queue.ts';
import { createRestApp } from './rest.ts';
import { sessionLifeOf } from './sessions.ts';

async function main(): Promise<void> {
  const config = readConfig('api');
  const log = createLog('api', config.LOG_LEVEL);
  log.info({ event: 'argon2.chosen', package: argon2.package, atOnce: config.ARGON2_CONCURRENCY });
  await using api = await openApi(config, log);
  // the addon is loaded, so these permissions are not needed any more and cannot be regained
  dropPermissions(['worker', 'addon', 'child', 'fs.write'], databaseOf(config));
  api.logReady();
  const signal = await untilSignal();
  log.info({ event: 'process.stopping', signal });
}

/** The database of places is read at the start. */
function databaseOf({ GEOIP_DATABASE: file }: Config<'api'>): string[] {
  return file === undefined ? [] : [resolve(file)];
}

/** A listening api; disposal completes the requests in progress, then closes the connections. */
export interface Api extends AsyncDisposable {
  /** Records in the log and the audit log that the api is ready; its stop is recorded too. */
  logReady(): void;
}

/**
 * Connects to the dependencies and listens.
 *
 * @throws {Error} a port is in use, or the database lacks migrations
 */
export async function openApi(config: Config<'api'>, log: Logger): Promise<Api> {
  await using open = new AsyncDisposableStack();
  const collector = open.use(await connectCollector('api', config, log));
  const connections = open.use(connect(config, log, collector));
  await requireMigrated(connections.database, log);
  const registry = new Registry();
  const { events, auditLog } = createAuditedEvents({ role: 'api', config, log, registry }, (hooks) =>
    createAuditLog(connections.redis, { ...hooks, streamMax: config.AUDIT_STREAM_MAX }),
  );
  open.use(auditLog);
  const messaging = open.use(await assembleMessaging(config, connections, { events, hasSockets: config.SOCKETS }));
  const estimator = open.use(startEstimator());
  const engines = open.use(createEngineChecks(connections, 'api'));
  const own = await assemble(config, connections, { registry, messaging, engines });
  const deps: ApiDeps = { ...own, ...messaging.deps, estimator, recordSpan: collector.record };
  const codec = createWorkflowCodec(config.KEYS, { isShown: true });
  const codecApp = createCodecApp({ config, codec, log, events, rateLimits: deps.rateLimits });
  const codecServer = createHttpServer(codecApp);
  open.use(await listen(codecServer, config.CODEC_PORT, config.CODEC_HOST));
  const app = createRestApp(deps);
  const trust = readTrustProxy(app);
  const server = createHttpServer(createHotListener(deps, { express: app, trust }), messaging.isUpgrade);
  const sockets = await messaging.serve(deps, server, trust);
  open.use(await listen(server, config.SERVER_PORT, config.SERVER_HOST));
  // stopped first: the clients of a stopping process still reach it by REST
  open.use(sockets);
  const grpc = open.use(await openGrpc(deps, trust));
  open.defer(() => events.processStopped());
  const opened = open.move();
  return {
    logReady() {
      logReady(log, { url: urlOf(server), codecUrl: urlOf(codecServer), grpcAddress: grpc.address });
      void recordStart({ redis: connections.redis, events, config }, 'api');
    },
    [Symbol.asyncDispose]: () => opened.disposeAsync(),
  };
}

async function assemble(
  config: Config<'api'>,
  connections: Connections,
  { registry, messaging, engines }: { registry: Registry; messaging: Messaging; engines: EngineChecks },
): Promise<Omit<ApiDeps, keyof MessagingDeps | 'estimator' | 'recordSpan'>> {
  const { redis, subscriber, database, temporal } = connections;
  const { KEYS: keys } = config;
  const policy = readPolicy(config.REGISTRATION_STEPS);
  const checkDependencies = async () => [
    ...(await checkAll(connections, { engines, policy })),
    await messaging.checkDurability(),
  ];
  collectProcessMetrics(registry);
  registerGauges(registry, {
    checkDependencies,
    queueDepths: () => readQueueDepths(temporal),
    waiting: () => countWaiting(temporal),
    auditDepth: () => readAuditDepth(redis, Date.now()),
  });
  const secretCipher = keys.cipher('secret');
  return {
    config,
    policy,
    rules: rulesOf(config),
    reachTemporal: createTemporalProbe(temporal),
    updateQueue: createUpdateQueue(config.REGISTRATION_UPDATES_MAX),
    sessionRules: sessionRulesOf(config),
    verificationSessions: createVerificationSessions(redis, keys.cipher('verification')),
    registrations: createRegistrations(redis),
    registrationStarts: createRegistrationStarts(redis, secretCipher),
    signalSteps: createSignalSteps(redis, { cipher: keys.cipher('signal'), requests: keys.box('secret-signal') }),
    listener: createChangeListener(subscriber),
    places: await openPlaces({ places: config.GEOIP_DATABASE }),
    codes: createCodes(redis, keysIn(keys, 'code')),
    oneTimeSecrets: createOneTimeSecrets(redis, keys.box('secret-registration')),
    directorySecrets: createOneTimeSecrets(redis, keys.box('secret-directory')),
    recoveries: createRecoveries(redis),
    registrationWarnings: createRegistrationWarnings(redis),
    voiceCipher: keys.cipher('speech'),
    reports: createDeliveryReports(redis),
    reportCipher: keys.cipher('delivery-report'),
    captcha: createConfiguredCaptcha(config),
    breachedPasswords:
      config.BREACHED_PASSWORDS_URL === undefined ? undefined : connectBreachedPasswords(config.BREACHED_PASSWORDS_URL),
    usedCaptchas: createUsedCaptchas(redis),
    smsBudget: createSmsBudget(redis),
    ...assembleDevices(config, connections, messaging.deps),
    sessionLife: sessionLifeOf(config),
    refreshCipher: keys.cipher('refresh'),
    logins: createLogIns(redis),
    changeCipher: secretCipher,
    passwords: createPasswords(keys.keys('pepper'), config.ARGON2_CONCURRENCY),
    accounts: createAccounts(database.connection, keysIn(keys, 'identity'), keys.cipher('field'), {
      around: createFactChanges(redis),
    }),
    accountFacts: createAccountFacts(redis, keys.cipher('facts')),
    readPersonEvents: await personEventsOf(config),
    deletions: createDeletions(database.connection),
    deletionTokens: (deletionId) => keys.keys('deletion').map(({ key }) => keyedHash(key, deletionId)),
    checkDependencies,
    metrics: async () => ({ contentType: registry.contentType, text: await registry.metrics() }),
  };
}

function rulesOf(config: Config<'api'>): ApiDeps['rules'] {
  return {
    codeTtlSeconds: config.OTP_TTL,
    checksMax: config.OTP_CHECKS_MAX,
    resendWaitsSeconds: config.OTP_RESEND_WAITS,
    ...(canAnswerCalls(config) && { voiceWaitsSeconds: config.OTP_VOICE_WAITS }),
    ttlSeconds: config.REGISTRATION_TTL,
    waitMaxSeconds: config.REGISTRATION_WAIT_MAX,
  };
}

function assembleDevices(
  { KEYS: keys, WEBPUSH_PRIVATE_HOSTS: allowed }: Config<'api'>,
  { redis, database }: Connections,
  { inboxes, conversations, events }: MessagingDeps,
) {
  const announcements = createAnnouncements({ inboxes, conversations, events });
  return {
    announcements,
    deviceActivity: createDeviceActivity(redis),
    preKeys: createPreKeys(database.connection),
    links: createLinks(redis, announcements),
    pushCipher: keys.cipher('push'),
    pushEndpoints: createPublicEndpoints({ isPublic: isPublicAddress, allowed }),
  };
}

/** Loads the client of Elasticsearch only if it is configured: a seventh of the code that the process would load. */
async function personEventsOf(config: Config<'api'>): Promise<ApiDeps['readPersonEvents']> {
  const { PRIVACY_ELASTICSEARCH_URL: url, PRIVACY_ELASTICSEARCH_API_KEY: apiKey, AUDIT_INDEX: prefix } = config;
  if (url === undefined) return undefined;
  const [{ connectElastic }, { readPersonEvents }] = await Promise.all([
    import('../adapters/elastic/connect.ts'),
    import('../adapters/elastic/audit-reader.ts'),
  ]);
  const elastic = connectElastic({ url, apiKey, ca: config.ELASTICSEARCH_CA });
  const pseudonymKeys = keysIn(config.KEYS, 'pseudonym');
  return (userId, identities, size) => {
    const pseudonyms = identities.flatMap((identity) => pseudonymKeys.map((key) => pseudonymOf(identity, key)));
    return readPersonEvents(elastic, prefix, { userId, pseudonyms, size });
  };
}

function sessionRulesOf(config: Config<'api'>): ApiDeps['sessionRules'] {
  return {
    codeTtlSeconds: config.SIGNAL_CODE_TTL,
    sessionTtlSeconds: config.SIGNAL_SESSION_TTL,
    resendWaitsSeconds: config.SIGNAL_SMS_WAITS,
    voiceAfterSmsSeconds: config.SIGNAL_VOICE_AFTER_SMS,
    voiceWaitsSeconds: config.SIGNAL_VOICE_WAITS,
    checkWaitsSeconds: config.SIGNAL_CHECK_WAITS,
    checksMax: config.SIGNAL_CHECK_WAITS.length + 1,
  };
}

/** Calls need both, because Twilio requests the speech of a call from the api. */
function canAnswerCalls({ PUBLIC_URL, TWILIO_WEBHOOK_TOKEN }: Config<'api'>): boolean {
  return PUBLIC_URL !== undefined && TWILIO_WEBHOOK_TOKEN !== undefined;
}

/** Checks the dependencies of the api, then the workers and the dependencies that they report. */
async function checkAll(
  { redis }: Connections,
  { engines, policy }: { engines: EngineChecks; policy: readonly StepName[] },
): Promise<DependencyHealth[]> {
  const heartbeats = createHeartbeats(redis);
  const reported = async (role: (typeof roles)[number]) => ({
    role,
    beat: await withTimeout(heartbeats.read(role, Date.now())).catch(() => undefined),
  });
  const [hasAudit, workers, own] = await Promise.all([
    withTimeout(isAuditShipped(redis)).catch(() => false),
    Promise.all([...temporalRoles, 'audit' as const].map(reported)),
    engines.check(),
  ]);
  const expected = workers.filter(({ role, beat }) => {
    // an installation without the step needs no Signal-Server
    if (role === 'signal') return beat !== undefined || policy.includes('signal');
    return role !== 'audit' || hasAudit;
  });
  return [
    ...own,
    ...expected.map(({ role, beat }) => ({
      name: `worker:${role}`,
      status: beat ? ('up' as const) : ('down' as const),
    })),
    ...expected.flatMap(({ beat }) => beat?.dependencies ?? []),
  ];
}

if (import.meta.main) await main();
