/** A complete private Vyry: engines and processes, with its own folder and ports. */
import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { redisUrlOf } from '../adapters/redis/acl.ts';
import { type Role, roles } from '../platform/config/roles.ts';
import { Secret } from '../platform/config/secret.ts';
import { type DataFolder, writeWhole } from './data-folder.ts';
import { type EnginePorts, type Engines, type EngineUrls, startEngines } from './engines.ts';
import { migrateDatabase } from './mongo.ts';
import { claimPort } from './ports.ts';
import {
  makeBundle,
  makeWebPage,
  type Processes,
  type ProcessesOptions,
  startProcesses,
  withDatabase,
} from './processes.ts';
import { readSecrets, type Secrets } from './secrets.ts';
import { ensureNamespace } from './temporal.ts';

/** The content of `ready.json`: everything that a client, test or benchmark needs to find a running system. */
export interface Ready {
  apiUrl: string;
  /** The URL for sockets: the api itself. */
  socketUrl: string;
  docsUrl: string;
  outboxUrl: string;
  /** The fake Signal-Server. */
  signalServerUrl: string;
  temporalAddress: string;
  /** Absent when Temporal is configured, because its UI is then unknown. */
  temporalUiUrl?: string;
  codecUrl: string;
  /** `host:port` of the gRPC server. */
  grpcAddress: string;
  databaseUrl: string;
  redisUrl: string;
  elasticsearchUrl?: string;
  ldapUrl: string;
  /** Process ids by role. */
  pids: Record<string, number>;
}

/** How a system is started. */
export interface SystemOptions {
  /** Variables of the product that override derived ones; URLs of engines name engines to use. */
  env?: NodeJS.ProcessEnv;
  /** All by default. */
  roles?: readonly Role[];
  ports?: EnginePorts & { api?: number | undefined; codec?: number | undefined; grpc?: number | undefined };
  /** Running engines to use; the system starts and stops no engine then. */
  engines?: EngineUrls;
  /** Path of the workflow bundle; built by default. */
  bundle?: string;
  /** Folder of the page at `/app`; built by default. */
  web?: string;
  /** Overrides the secrets in the folder, to read data that another system wrote. */
  secrets?: Secrets;
  namespace?: string;
  database?: string;
  elasticsearch?: boolean;
  appendfsync?: 'always' | 'everysec';
  /** Restart engines and processes that end on their own. */
  keepAlive?: boolean;
  borrow?: ProcessesOptions['borrow'];
  compileCache?: string | undefined;
}

/** A running system. */
export interface System extends AsyncDisposable {
  /** The current content of `ready.json`. */
  readonly ready: Ready;
  readonly folder: DataFolder;
  readonly processes: Processes;
  /** Undefined when it runs on given engines. */
  readonly engines: Engines | undefined;
  readonly secrets: Secrets;
  /** Signals a role's process (SIGKILL by default) and resolves when it has ended. */
  kill(role: Role, signal?: NodeJS.Signals): Promise<void>;
  /** Starts a killed role again, or restarts a running one, on the same port. */
  restart(role: Role): Promise<void>;
  /** Kills the Temporal server. */
  killTemporal(): Promise<void>;
  /** Starts the killed Temporal server again on the same port and data. */
  restartTemporal(): Promise<void>;
  /** Stops processes and engines, the last started first. */
  stop(): Promise<void>;
}

/** The subfolders of a data folder with the data of engines. */
const dataFolders = ['temporal', 'redis', 'mongo', 'ldap', 'elasticsearch'];

/**
 * Starts a system in an open folder, which has its data, logs and secrets: another start in the same folder continues
 * with the same data. Resolves when everything answers and `ready.json` is written.
 *
 * @throws {Error} an engine or a process did not start; everything started is stopped, and the folder is closed
 */
export async function startSystemIn(folder: DataFolder, options: SystemOptions): Promise<System> {
  rmSync(readyFile(folder.path), { force: true });
  try {
    return await startParts(folder, options);
  } catch (err) {
    await folder.close();
    throw err;
  }
}

/** Deletes the data of the engines in a folder, the secrets that decrypt it, and the devices of the demo. */
export function deleteData(folder: DataFolder): void {
  for (const part of [...dataFolders, 'secrets.json', 'demo'])
    rmSync(join(folder.path, part), { recursive: true, force: true });
}

/** Returns the addresses of the system in a folder, if one is ready. */
export function readReady(folder: string): Ready | undefined {
  const file = readyFile(resolve(folder));
  return existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as Ready) : undefined;
}

async function startParts(folder: DataFolder, options: SystemOptions): Promise<System> {
  const { ports = {}, env = {}, keepAlive = false, namespace = 'default' } = options;
  const secrets = options.secrets ?? readSecrets(folder.path);
  const apiPort = await claimPort('the api', ports.api);
  const codecPort = await claimPort('the codec endpoint', ports.codec);
  const grpcPort = await claimPort('the gRPC server', ports.grpc);
  const [started, bundle, web] = await Promise.all([
    options.engines ? undefined : startEngines({ ...engineOptions(folder, options), codecUrl: loopback(codecPort) }),
    options.bundle ?? bundleIn(folder),
    options.web ?? webPageIn(folder),
  ]);
  const urls = options.engines ?? started?.urls;
  if (urls === undefined) throw new Error('No engines');
  const databaseUrl = withDatabase(env.DATABASE_URL || urls.databaseUrl, options.database);
  await Promise.all([
    ensureNamespace(urls.temporalAddress, namespace),
    migrateDatabase({ ...env, DATABASE_URL: databaseUrl, DATA_KEY: env.DATA_KEY || secrets.DATA_KEY }),
  ]);
  const processes = await startProcesses(folder, {
    urls,
    secrets,
    bundle,
    web,
    env,
    apiPort,
    codecPort,
    grpcPort,
    keepAlive,
    namespace,
    database: options.database,
    roles: options.roles,
    borrow: options.borrow,
    compileCache: options.compileCache,
    onRestart: () => writeReady(),
  });
  await connectSignalServer(urls.signalServerUrl, processes);
  const describe = () => describeSystem(urls, processes);
  const writeReady = () => writeWhole(readyFile(folder.path), `${JSON.stringify(describe(), null, 2)}\n`);
  folder.onClose(async () => {
    for (const file of [readyFile(folder.path), operatorFile(folder.path)]) rmSync(file, { force: true });
  });
  writeReady();
  writeWhole(operatorFile(folder.path), operatorVariables(processes));
  return systemOf({ folder, processes, engines: started, secrets, describe, writeReady });
}

function engineOptions(folder: DataFolder, { env, ports, elasticsearch, appendfsync, keepAlive }: SystemOptions) {
  return {
    folder,
    ...(env && { env }),
    ...(ports && { ports }),
    ...(elasticsearch !== undefined && { elasticsearch }),
    ...(appendfsync && { appendfsync }),
    ...(keepAlive !== undefined && { keepAlive }),
  };
}

interface Parts {
  folder: DataFolder;
  processes: Processes;
  engines: Engines | undefined;
  secrets: Secrets;
  describe: () => Ready;
  writeReady: () => void;
}

function systemOf({ folder, processes, engines, secrets, describe, writeReady }: Parts): System {
  const temporal = () => {
    if (engines?.temporal.process === undefined) throw new Error('This Temporal was not started here');
    return engines.temporal.process;
  };
  return {
    get ready() {
      return describe();
    },
    folder,
    processes,
    engines,
    secrets,
    kill: (role, signal) => processes.kill(role, signal),
    async restart(role) {
      await processes.restart(role);
      writeReady();
    },
    killTemporal: () => temporal().kill(),
    restartTemporal: () => temporal().start(),
    stop: () => folder.close(),
    [Symbol.asyncDispose]: () => folder.close(),
  };
}

function describeSystem(urls: EngineUrls, processes: Processes): Ready {
  return {
    apiUrl: processes.apiUrl,
    socketUrl: processes.apiUrl,
    docsUrl: `${processes.apiUrl}/docs`,
    outboxUrl: urls.outboxUrl,
    signalServerUrl: urls.signalServerUrl,
    temporalAddress: urls.temporalAddress,
    ...(urls.temporalUiUrl && { temporalUiUrl: urls.temporalUiUrl }),
    codecUrl: processes.codecUrl,
    grpcAddress: processes.grpcAddress,
    databaseUrl: processes.databaseUrl,
    redisUrl: processes.redisUrl,
    ...(urls.elasticsearchUrl && { elasticsearchUrl: urls.elasticsearchUrl }),
    ldapUrl: urls.ldap.url,
    pids: processes.pids(),
  };
}

/** Tells the fake Signal-Server which gRPC server is its registration service, and the first token that it takes. */
async function connectSignalServer(url: string, { grpcAddress, env }: Processes): Promise<void> {
  const [token] = (env('api').GRPC_BEARER_TOKENS ?? '').split(/[\s,]+/);
  const response = await fetch(`${url}/signal-server/registration-service`, {
    method: 'PUT',
    body: JSON.stringify({ address: grpcAddress, ...(token && { token }) }),
  });
  if (!response.ok) throw new Error(`The fake Signal-Server answers ${response.status}`);
}

async function bundleIn(folder: DataFolder): Promise<string> {
  const file = join(folder.path, 'bundle', 'workflows.js');
  mkdirSync(join(folder.path, 'bundle'), { recursive: true });
  await makeBundle(folder, file);
  return file;
}

async function webPageIn(folder: DataFolder): Promise<string> {
  const target = join(folder.path, 'web');
  await makeWebPage(folder, target);
  return target;
}

/** Returns every variable of every role, for the operator's tool (cli/), in the format of `--env-file`. */
function operatorVariables(processes: Processes): string {
  const { redisUrl } = processes;
  const { REDIS_ACL_KEY: aclKey } = processes.operator;
  const own = { REDIS_URL: aclKey ? redisUrlOf(redisUrl, new Secret(aclKey), 'operator') : redisUrl };
  const ofRoles = roles.map((role) => processes.env(role));
  const { KEYS: _ofRole, ...all } = Object.assign({}, ...ofRoles, processes.operator, own) as Record<string, string>;
  return Object.entries(all)
    .map(([name, value]) => `${name}=${quoted(value)}\n`)
    .join('');
}

/** Quotes a value with a quotation mark that it does not contain, so that it is read literally. */
function quoted(value: string): string {
  const quote = ["'", '`', '"'].find((mark) => !value.includes(mark));
  if (quote === undefined)
    throw new Error('A value with all three kinds of quotation marks cannot be written to a file');
  return `${quote}${value}${quote}`;
}

/** The file has mode 600, because it contains secrets. */
function operatorFile(folder: string): string {
  return join(folder, 'operator.env');
}

function readyFile(folder: string): string {
  return join(folder, 'ready.json');
}

function loopback(port: number): string {
  return `http://127.0.0.1:${port}`;
}
