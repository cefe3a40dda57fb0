/** Starts all engines that Vyry runs on. */
import type { DataFolder } from './data-folder.ts';
import { startElasticsearch } from './elasticsearch.ts';
import type { Engine } from './engine.ts';
import { type Fakes, startFakes } from './fakes/fakes.ts';
import { startDirectory } from './ldap.ts';
import { startMongo } from './mongo.ts';
import { debianProgram, missingEngine } from './obtain.ts';
import { claimPort } from './ports.ts';
import { startRedis } from './redis.ts';
import { startTemporal, type Temporal } from './temporal.ts';

/** The account that the Twilio fake accepts. */
export const demoTwilio = {
  accountSid: 'AC00000000000000000000000000000000',
  authToken: 'example-only-twilio-token',
  from: '+15005550006',
} as const;

/** Addresses of the engines: plain values that can be passed to other processes. */
export interface EngineUrls {
  /** `host:port` */
  temporalAddress: string;
  /** Unknown when Temporal is configured. */
  temporalUiUrl?: string;
  redisUrl: string;
  /** May name a database. */
  databaseUrl: string;
  elasticsearchUrl?: string;
  ldap: { url: string; baseDn: string; bindDn: string; bindPassword: string };
  outboxUrl: string;
  twilioUrl: string;
  smtpUrl: string;
  webpushUrl: string;
  apnsUrl: string;
  captchaUrls: Fakes['captchaUrls'];
  signalServerUrl: string;
}

/** Running engines; they stop when their folder is closed. */
export interface Engines {
  readonly urls: EngineUrls;
  readonly temporal: Temporal;
  readonly redis: Engine;
  readonly mongo: Engine;
  readonly ldap: Engine;
  /** Only when requested. */
  readonly elasticsearch?: Engine;
}

/** Ports chosen by the user; for the others, free ones are used. */
export interface EnginePorts {
  temporal?: number | undefined;
  temporalUi?: number | undefined;
  outbox?: number | undefined;
}

/** Which engines are started, and how. */
export interface EnginesOptions {
  folder: DataFolder;
  /** `DATABASE_URL` and similar variables name engines that run already. */
  env?: NodeJS.ProcessEnv;
  ports?: EnginePorts;
  elasticsearch?: boolean;
  appendfsync?: 'always' | 'everysec';
  /** Restart an engine when it ends on its own. */
  keepAlive?: boolean;
  /** The codec endpoint that decrypts payloads for the Temporal UI. */
  codecUrl?: string;
}

/**
 * Starts the engines in parallel and resolves when all answer.
 *
 * @throws {Error} of the first engine that is missing, whose port is taken, or that does not start
 */
export async function startEngines(options: EnginesOptions): Promise<Engines> {
  const { folder, env = process.env, ports = {}, keepAlive = false } = options;
  const common = { folder, keepAlive };
  const wantsElasticsearch = options.elasticsearch || Boolean(env.ELASTICSEARCH_URL);
  const [temporal, redis, mongo, directory, fakes, elasticsearch] = await Promise.all([
    startTemporal({
      ...common,
      address: env.TEMPORAL_ADDRESS,
      port: ports.temporal,
      uiPort: ports.temporalUi,
      codecUrl: options.codecUrl,
    }),
    startRedis({ ...common, url: env.REDIS_URL, appendfsync: options.appendfsync ?? 'everysec' }),
    startMongo({ ...common, url: env.DATABASE_URL }),
    startLdap(folder, env, keepAlive),
    startOutbox(folder, ports.outbox),
    wantsElasticsearch ? startElasticsearch({ ...common, url: env.ELASTICSEARCH_URL }) : undefined,
  ]);
  const urls: EngineUrls = {
    temporalAddress: temporal.address,
    ...(temporal.uiUrl && { temporalUiUrl: temporal.uiUrl }),
    redisUrl: redis.url,
    databaseUrl: mongo.url,
    ...(elasticsearch && { elasticsearchUrl: elasticsearch.url }),
    ldap: directory.access,
    outboxUrl: fakes.outboxUrl,
    twilioUrl: fakes.twilioUrl,
    smtpUrl: fakes.smtpUrl,
    webpushUrl: fakes.webpushUrl,
    apnsUrl: fakes.apnsUrl,
    captchaUrls: fakes.captchaUrls,
    signalServerUrl: fakes.signalServerUrl,
  };
  return { urls, temporal, redis, mongo, ldap: directory.engine, ...(elasticsearch && { elasticsearch }) };
}

interface Directory {
  engine: Engine;
  access: EngineUrls['ldap'];
}

async function startLdap(folder: DataFolder, env: NodeJS.ProcessEnv, keepAlive: boolean): Promise<Directory> {
  if (env.LDAP_URL) return configuredLdap(env.LDAP_URL, env);
  await debianProgram('slapd', ['slapd', 'ldap-utils'], folder).catch((cause: unknown) => {
    throw missingEngine({
      name: 'The LDAP directory',
      urlVariable: 'LDAP_URL',
      program: 'slapd (OpenLDAP 2.5 or later)',
      obtain: 'run this as root on Debian, which installs slapd',
      service: 'ldap',
      cause,
    });
  });
  const port = await claimPort('LDAP', undefined);
  const { url, baseDn, bindDn, bindPassword, process } = await startDirectory(folder, { port, keepAlive });
  return { engine: { name: 'LDAP', url, source: 'slapd', process }, access: { url, baseDn, bindDn, bindPassword } };
}

function configuredLdap(url: string, env: NodeJS.ProcessEnv): Directory {
  const { LDAP_BASE_DN: baseDn = '', LDAP_BIND_DN: bindDn = '', LDAP_BIND_PASSWORD: bindPassword = '' } = env;
  return { engine: { name: 'LDAP', url, source: 'configured' }, access: { url, baseDn, bindDn, bindPassword } };
}

/** Starts the fakes of the outside providers. Closing the folder stops them. */
export async function startOutbox(folder: DataFolder, wantedPort?: number): Promise<Fakes> {
  const port = await claimPort('the outbox', wantedPort);
  const smtpPort = await claimPort('the mail fake', undefined);
  const webpushPort = await claimPort('the WebPush fake', undefined);
  const apnsPort = await claimPort('the APNs fake', undefined);
  const fakes = await startFakes({ port, smtpPort, webpushPort, apnsPort, twilio: demoTwilio });
  folder.onClose(() => fakes.close());
  return fakes;
}
