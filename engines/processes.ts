/** Starts the processes of Vyry with `workers/run.ts` on given engines. */
import { mkdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { vapidPublicKey } from '../adapters/http/webpush.ts';
import { redisAdministrator, redisPassword } from '../adapters/redis/acl.ts';
import { roles as allRoles, type Role } from '../platform/config/roles.ts';
import { Secret } from '../platform/config/secret.ts';
import type { Variable } from '../platform/config/variable.ts';
import { variables } from '../platform/config/variables.ts';
import { scrubbedEnvironment } from '../workers/run.ts';
import { type Child, type ChildOptions, startChild } from './child.ts';
import type { DataFolder } from './data-folder.ts';
import { demoTwilio, type EngineUrls } from './engines.ts';
import { demoApns } from './fakes/apns.ts';
import { fcmServiceAccount } from './fakes/fcm.ts';
import { pushCertificate } from './fakes/push-keys.ts';
import { freePort } from './ports.ts';
import type { Secrets } from './secrets.ts';
import { runTool } from './tools.ts';

/** The folder of the project. */
export const projectFolder = resolve(import.meta.dirname, '..');

/** The folder of compiled code that is kept between starts; it is removed with the packages. */
export const compileCacheFolder = join(projectFolder, 'node_modules', '.cache', 'compile');

/** How the processes are started. */
export interface ProcessesOptions {
  urls: EngineUrls;
  secrets: Secrets;
  /** Path of a bundle made by `makeBundle`. */
  bundle: string;
  /** Folder of the page made by `makeWebPage`; without it the api serves none. */
  web?: string | undefined;
  /** By default all but `gateway`, because the api serves sockets, and `audit` only with Elasticsearch. */
  roles?: readonly Role[] | undefined;
  namespace?: string | undefined;
  /** Name of the database; overrides the one in the URL. */
  database?: string | undefined;
  /** Variables that override those derived from the engines. */
  env?: NodeJS.ProcessEnv | undefined;
  apiPort?: number | undefined;
  codecPort?: number | undefined;
  grpcPort?: number | undefined;
  /** Restart a process when it ends on its own. */
  keepAlive?: boolean | undefined;
  /** Called when a process was restarted automatically, with a new pid. */
  onRestart?: (() => void) | undefined;
  /** Distinguishes the logs of several systems in one folder. */
  logPrefix?: string | undefined;
  /** Returns a process of a role that runs already with these variables; undefined starts one as a child. */
  borrow?: ((role: Role, env: Record<string, string>) => Promise<Child> | undefined) | undefined;
  /**
   * A folder, created if necessary, that keeps compiled code between starts; without it every process compiles its code
   * again.
   */
  compileCache?: string | undefined;
}

/** Running processes; they stop when their folder is closed. */
export interface Processes extends AsyncDisposable {
  readonly apiUrl: string;
  /** Of the role `gateway`, if it was started. */
  readonly gatewayUrl: string;
  readonly codecUrl: string;
  /** `host:port` */
  readonly grpcAddress: string;
  /** With the name of the database. */
  readonly databaseUrl: string;
  readonly redisUrl: string;
  /** Returns the pids by role, of the latest start. */
  pids(): Record<string, number>;
  /** The secrets of the operator, from which the keys of the roles are derived. */
  readonly operator: Record<string, string>;
  /** Returns the variables with which a role was started. */
  env(role: Role): Record<string, string>;
  /** Signals a process (SIGKILL by default) and resolves when it has ended; it stays stopped until `restart`. */
  kill(role: Role, signal?: NodeJS.Signals): Promise<void>;
  /** Starts a killed process again, or stops and starts a running one; resolves when it is ready. */
  restart(role: Role): Promise<void>;
  /** Kills a process as a crash would: with `keepAlive` it is restarted. */
  crash(role: Role): void;
  /** Returns the path of its log. */
  logFile(role: Role): string;
  /** Stops all processes. */
  stop(): Promise<void>;
}

/** Builds the workflow bundle that the registration role loads. */
export async function makeBundle(folder: DataFolder, file: string): Promise<void> {
  await runTool(folder, process.execPath, [join(projectFolder, 'workers', 'bundle.ts'), file], { cwd: projectFolder });
}

/** Builds the page that the api serves at `/app`. */
export async function makeWebPage(folder: DataFolder, target: string): Promise<void> {
  await runTool(folder, process.execPath, [join(projectFolder, 'web', 'build.ts'), target], { cwd: projectFolder });
}

/**
 * Starts the processes and resolves when each has logged that it is ready.
 *
 * @throws {Error} a process ended or did not become ready; the message quotes its log
 */
export async function startProcesses(folder: DataFolder, options: ProcessesOptions): Promise<Processes> {
  const { roles = usualRoles(options.urls) } = options;
  const env = await environmentOf(options);
  const isApart = roles.includes('api') && roles.includes('gateway');
  const gatewayPort = isApart ? String(await freePort()) : env.SERVER_PORT;
  const envOf = (role: Role) => (role === 'gateway' ? { ...env, SERVER_PORT: gatewayPort ?? '' } : env);
  const started = await Promise.all(
    // started last, stopped first: the api stops before the processes it calls
    inStartOrder(roles).map(async (role) => [role, await startRole(folder, role, envOf(role), options)] as const),
  );
  const children = new Map<Role, Child>(started);
  const childOf = (role: Role): Child => {
    const child = children.get(role);
    if (child === undefined) throw new Error(`${role} was not started`);
    return child;
  };
  const stop = async () => {
    await Promise.all([...children.values()].map((child) => child.stop()));
  };
  return {
    apiUrl: `http://127.0.0.1:${env.SERVER_PORT}`,
    gatewayUrl: `http://127.0.0.1:${gatewayPort}`,
    codecUrl: `http://127.0.0.1:${env.CODEC_PORT}`,
    grpcAddress: `127.0.0.1:${env.GRPC_PORT}`,
    databaseUrl: env.DATABASE_URL ?? '',
    redisUrl: env.REDIS_URL ?? '',
    operator: Object.fromEntries(
      Object.entries<Variable>(variables).flatMap(([name, { roles: holders }]) =>
        holders.length === 0 && env[name] ? [[name, env[name]]] : [],
      ),
    ),
    pids: () => Object.fromEntries([...children].map(([role, child]) => [role, child.pid])),
    env: (role) => givenTo(role, envOf(role)),
    kill: (role, signal) => childOf(role).kill(signal),
    async restart(role) {
      await childOf(role).stop();
      await childOf(role).start();
    },
    crash: (role) => childOf(role).crash(),
    logFile: (role) => childOf(role).logFile,
    stop,
    [Symbol.asyncDispose]: stop,
  };
}

/** Returns what a role was given: files as their names, and what is derived for it from the secrets of the operator. */
function givenTo(role: Role, env: Record<string, string>): Record<string, string> {
  const values = scrubbedEnvironment(role, env);
  const names = Object.keys(values).map((name) => (env[`${name}_FILE`] ? `${name}_FILE` : name));
  const given = names.map((name) => [name, name in values ? values[name] : env[name]]);
  return Object.fromEntries(given.filter(([, value]) => value)) as Record<string, string>;
}

async function startRole(
  folder: DataFolder,
  role: Role,
  env: Record<string, string>,
  { logPrefix = '', keepAlive = false, onRestart, borrow, compileCache }: ProcessesOptions,
): Promise<Child> {
  const borrowed = borrow?.(role, env);
  if (borrowed !== undefined) return await borrowed;
  return await startChild(folder, {
    name: `${logPrefix}${role}`,
    ...roleCommand(role, env, compileCache),
    keepAlive,
    ...(onRestart && { onRestart }),
  });
}

/** Returns how a role is started with `workers/run.ts`, and how to tell that it is ready. */
export function roleCommand(
  role: Role,
  env: Record<string, string>,
  compileCache: string | undefined,
): Pick<ChildOptions, 'command' | 'args' | 'env' | 'cwd' | 'ready' | 'stopTimeoutMs'> {
  // the permission model grants only folders that exist
  if (compileCache !== undefined) mkdirSync(compileCache, { recursive: true });
  const cached = compileCache === undefined ? [] : [`--compile-cache=${compileCache}`];
  return {
    command: process.execPath,
    args: [join(projectFolder, 'workers', 'run.ts'), role, ...cached],
    env: compileCache === undefined ? env : { ...env, NODE_COMPILE_CACHE: compileCache },
    cwd: projectFolder,
    ready: async (output) => assertStarted(output()),
    stopTimeoutMs: 15_000,
  };
}

function usualRoles({ elasticsearchUrl }: EngineUrls): Role[] {
  return allRoles.filter((role) => role !== 'gateway' && (role !== 'audit' || elasticsearchUrl !== undefined));
}

function inStartOrder(roles: readonly Role[]): Role[] {
  const isLast = (role: Role) => Number(['api', 'gateway'].includes(role));
  return [...roles].sort((a, b) => isLast(a) - isLast(b));
}

/** Returns every variable of every role; workers/run.ts gives each process only its own. */
async function environmentOf(options: ProcessesOptions): Promise<Record<string, string>> {
  const { urls, secrets } = options;
  const port = String(options.apiPort ?? (await freePort()));
  const given = Object.fromEntries(
    Object.entries(options.env ?? {}).filter(([name, value]) => value && isVariable(name)),
  ) as Record<string, string>;
  return {
    ...secrets,
    PUBLIC_URL: `http://127.0.0.1:${port}`,
    SERVER_HOST: '127.0.0.1',
    REDIS_URL: urls.redisUrl,
    TEMPORAL_ADDRESS: urls.temporalAddress,
    REDIS_ACL_KEY: aclKeyFor(given.REDIS_URL || urls.redisUrl, secrets),
    TEMPORAL_NAMESPACE: options.namespace ?? 'default',
    ELASTICSEARCH_URL: urls.elasticsearchUrl ?? '',
    PRIVACY_ELASTICSEARCH_URL: urls.elasticsearchUrl ?? '',
    CODEC_ORIGINS: codecOrigins(urls.temporalUiUrl),
    START_PAGE_LINKS: startPageLinks(urls),
    LDAP_URL: urls.ldap.url,
    LDAP_BASE_DN: urls.ldap.baseDn,
    LDAP_BIND_DN: urls.ldap.bindDn,
    LDAP_BIND_PASSWORD: urls.ldap.bindPassword,
    // the credentials of a real account must not be sent to the fake
    ...(given.TWILIO_ACCOUNT_SID ? {} : twilioVariables(urls)),
    SMTP_URL: urls.smtpUrl,
    VAPID_PUBLIC_KEY: vapidPublicKey(given.VAPID_PRIVATE_KEY || secrets.VAPID_PRIVATE_KEY),
    ...pushVariables(given, urls),
    SIGNAL_SERVER_URL: urls.signalServerUrl,
    ...fakeVariables(given, urls),
    WORKFLOW_BUNDLE: options.bundle,
    ...(options.web && { WEB_FOLDER: options.web }),
    ...oneMachine,
    ...given,
    DATABASE_URL: withDatabase(given.DATABASE_URL || urls.databaseUrl, options.database),
    SERVER_PORT: port,
    CODEC_PORT: String(options.codecPort ?? (await freePort())),
    GRPC_PORT: String(options.grpcPort ?? (await freePort())),
  };
}

/** Returns the secret of the users of the roles, if a Redis has them: a configured one has its own. */
function aclKeyFor(redisUrl: string, { REDIS_ACL_KEY: key }: Pick<Secrets, 'REDIS_ACL_KEY'>): string {
  return new URL(redisUrl).password === redisPassword(new Secret(key), redisAdministrator) ? key : '';
}

/**
 * Limits by source address and by block of numbers are off: one machine plays every client here, and the thousand
 * people of the demo directory share a block. Limits by number and by mailbox are those of production.
 */
const oneMachine: Record<string, string> = {
  ...Object.fromEntries(
    Object.keys(variables)
      .filter((name) => /^LIMIT_.*_PER_(ADDRESS|PREFIX)$/.test(name) || name === 'LIMIT_WRONG_CODES_WHILE_GUESSED')
      // how many links may be open is part of the contract
      .filter((name) => name !== 'LIMIT_LINKS_PER_ADDRESS')
      .map((name) => [name, '1000000/60']),
  ),
  COST_LIMIT_PER_DAY: '1000000',
  SOCKETS_PER_ADDRESS: '1000000',
  // clients have no other process to reconnect to
  SOCKET_DRAIN_SECONDS: '0',
};

function twilioVariables(urls: EngineUrls): Record<string, string> {
  return {
    TWILIO_ACCOUNT_SID: demoTwilio.accountSid,
    TWILIO_AUTH_TOKEN: demoTwilio.authToken,
    TWILIO_WEBHOOK_TOKEN: demoTwilio.authToken,
    TWILIO_FROM: demoTwilio.from,
    TWILIO_API_BASE_URL: urls.twilioUrl,
  };
}

/** Returns the variables of push: the fakes, except for providers that have credentials of a real account. */
export function pushVariables(given: Record<string, string>, urls: EngineUrls): Record<string, string> {
  return {
    PUSH_PROVIDERS: 'webpush,fcm,apns',
    VAPID_SUBJECT: 'mailto:operator@vyry.example',
    WEBPUSH_PRIVATE_HOSTS: new URL(urls.webpushUrl).host,
    WEBPUSH_CA: pushCertificate,
    ...(given.FCM_SERVICE_ACCOUNT
      ? {}
      : { FCM_SERVICE_ACCOUNT: fcmServiceAccount(urls.outboxUrl), FCM_API_BASE_URL: urls.outboxUrl }),
    ...(given.APNS_KEY ? {} : { ...demoApns, APNS_API_BASE_URL: urls.apnsUrl }),
  };
}

/** Returns the addresses of the fakes for the further providers whose key is `fake`. */
function fakeVariables(given: Record<string, string>, { outboxUrl }: EngineUrls): Record<string, string> {
  const places = { INFOBIP: 'BASE_URL', RESEND: 'API_BASE_URL', SENDGRID: 'API_BASE_URL' };
  const wanted = Object.entries(places).filter(([name]) => given[`${name}_API_KEY`] === 'fake');
  return Object.fromEntries(wanted.map(([name, place]) => [`${name}_${place}`, outboxUrl]));
}

function isVariable(name: string): boolean {
  return name === 'TZ' || name.replace(/_FILE$/, '') in variables;
}

/** The pages of a developer that the api does not serve itself. */
function startPageLinks({ outboxUrl, temporalUiUrl }: EngineUrls): string {
  return [`Outbox=${outboxUrl}`, ...(temporalUiUrl ? [`Temporal_Web_UI=${temporalUiUrl}`] : [])].join(',');
}

/** The origin depends on the host name in the browser's address bar. */
function codecOrigins(uiUrl: string | undefined): string {
  if (uiUrl === undefined) return '';
  return `${uiUrl},${uiUrl.replace('127.0.0.1', 'localhost')}`;
}

/** Returns the URL with the given database, else with the one it names, else with `vyry`. */
export function withDatabase(url: string, name?: string): string {
  // these URLs may list several hosts, which the URL class does not parse
  const [, server = url, path = '', query = ''] = /^(mongodb(?:\+srv)?:\/\/[^/?]+)(\/[^?]*)?(\?.*)?$/.exec(url) ?? [];
  const database = name ?? (path.slice(1) || 'vyry');
  return `${server}/${database}${query}`;
}

function assertStarted(output: string): void {
  if (!output.includes('"event":"process.started"')) throw new Error('It has not logged that it is ready');
}
