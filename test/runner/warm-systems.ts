/**
 * Systems that are started once and lent to one test file after another: Redis, fakes, a Temporal namespace, a database
 * and their workers. A file starts its own api.
 *
 * Starting four processes takes more processor time than the tests of most files. A file gets a system for itself, as
 * empty as a new one except for closed workflows: the data of the previous file is deleted and running workflows are
 * terminated. A worker that was killed, saw a provider fault or has other variables is restarted.
 *
 * The protocol is HTTP with JSON on loopback. `POST /systems` lends a system until the client closes the endless
 * response, so a file that crashes returns its system too. `POST /systems/<id>/<role>/<act>` starts or kills a worker.
 */
import { randomBytes } from 'node:crypto';
import { rmSync, truncateSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { json } from 'node:stream/consumers';
import { isDeepStrictEqual } from 'node:util';
import { type Child, startChild } from '../../engines/child.ts';
import { type DataFolder, openTemporaryFolder } from '../../engines/data-folder.ts';
import { type EngineUrls, startOutbox } from '../../engines/engines.ts';
import type { Fakes } from '../../engines/fakes/fakes.ts';
import { freePort } from '../../engines/ports.ts';
import { roleCommand, withDatabase } from '../../engines/processes.ts';
import { startRedis } from '../../engines/redis.ts';
import { readSecrets, type Secrets } from '../../engines/secrets.ts';
import { ensureNamespace } from '../../engines/temporal.ts';
import type { Role } from '../../platform/config/roles.ts';
import { variablesOf } from '../../platform/config/variables.ts';
import { deleteDocuments, deleteKeys, terminateWorkflows } from './emptying.ts';

/** The description of a lent system. */
export interface LentSystem {
  id: string;
  urls: Pick<
    EngineUrls,
    'redisUrl' | 'outboxUrl' | 'twilioUrl' | 'smtpUrl' | 'webpushUrl' | 'apnsUrl' | 'captchaUrls' | 'signalServerUrl'
  >;
  secrets: Secrets;
  /** Name of the Temporal namespace and of the database. */
  name: string;
  /** Ports for the api that the file starts; the workers know it by its address. */
  ports: { api: number; codec: number; grpc: number };
}

/** A request for a system: roles and the variables their workers need in addition to the default ones. */
export interface Wish {
  roles: Role[];
  env: Record<string, string>;
}

/** A running worker, as seen by its borrower. */
export interface LentWorker {
  pid: number;
  logFile: string;
}

/** The lender; closing it stops every system. */
export interface WarmSystems extends AsyncDisposable {
  readonly url: string;
}

/** With this many systems, a file waits for one that is being emptied instead of starting a new one. */
const systemsMax = 4;

interface Worker {
  child: Child;
  env: Record<string, string>;
}

interface WarmSystem extends LentSystem {
  folder: DataFolder;
  fakes: Fakes;
  workers: Map<Role, Worker>;
  /** The request of the latest borrower. */
  wish: Wish;
  isLent: boolean;
  /** Resolves when the system is empty or discarded. */
  emptied: Promise<void> | undefined;
}

/**
 * Starts the lender. Its systems use the given Temporal and MongoDB servers. Each system is created when it is first
 * needed.
 */
export async function startWarmSystems(
  engines: Pick<EngineUrls, 'temporalAddress' | 'databaseUrl'>,
  { compileCache }: { compileCache: string },
): Promise<WarmSystems> {
  const systems = new Map<string, WarmSystem>();

  async function lend(wish: Wish): Promise<WarmSystem> {
    const system = (await claimIdle(wish)) ?? (await createSystem(engines));
    systems.set(system.id, system);
    system.wish = wish;
    await stopAllBut(system, wish.roles);
    return system;
  }

  /** Returns the idle system that needs the fewest changes, or waits for one when there are enough systems. */
  async function claimIdle(wish: Wish): Promise<WarmSystem | undefined> {
    for (;;) {
      const idle = [...systems.values()].filter(({ isLent }) => !isLent);
      const [best] = idle.sort((a, b) => differences(a.wish, wish) - differences(b.wish, wish));
      if (best !== undefined) {
        best.isLent = true;
        return best;
      }
      const coming = [...systems.values()].flatMap(({ emptied }) => emptied ?? []);
      if (coming.length === 0 || systems.size < systemsMax) return undefined;
      await Promise.race(coming);
    }
  }

  async function compensate(system: WarmSystem): Promise<void> {
    try {
      await makeEmpty(system, engines);
      system.isLent = false;
      system.emptied = undefined;
    } catch (err) {
      systems.delete(system.id);
      console.error(`Discarding a warm system that could not be emptied: ${String(err)}`);
      await system.folder.close();
    }
  }

  async function lendUntilClosed(req: IncomingMessage, res: ServerResponse): Promise<void> {
    const system = await lend((await json(req)) as Wish);
    const { id, urls, secrets, name, ports } = system;
    res.once('close', () => {
      system.emptied = compensate(system);
    });
    res.writeHead(200, { 'Content-Type': 'application/json' });
    res.write(`${JSON.stringify({ id, urls, secrets, name, ports } satisfies LentSystem)}\n`);
  }

  async function answer(req: IncomingMessage, res: ServerResponse): Promise<void> {
    const [, , id = '', role, act] = (req.url ?? '').split('/') as [string, string, string?, Role?, string?];
    if (role === undefined) return await lendUntilClosed(req, res);
    const system = systems.get(id);
    if (system === undefined) throw new Error(`There is no warm system ${id}`);
    const done =
      act === 'start'
        ? await startWorker(system, role, (await json(req)) as Record<string, string>, compileCache)
        : await killWorker(system, role, act as NodeJS.Signals);
    res.end(JSON.stringify(done));
  }

  const server = createServer((req, res) => {
    answer(req, res).catch((err: unknown) => res.writeHead(500).end(String(err)));
  });
  server.requestTimeout = 0;
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async [Symbol.asyncDispose]() {
      server.close();
      server.closeAllConnections();
      await Promise.all([...systems.values()].map(({ folder }) => folder.close()));
    },
  };
}

/** Number of workers that would have to be restarted for another request. */
function differences(before: Wish, now: Wish): number {
  return now.roles.filter((role) => !isDeepStrictEqual(ownOf(role, before.env), ownOf(role, now.env))).length;
}

function ownOf(role: Role, env: Record<string, string>): Record<string, string> {
  const own = variablesOf(role).flatMap(([name]) => (env[name] === undefined ? [] : [[name, env[name]]]));
  return Object.fromEntries(own) as Record<string, string>;
}

async function createSystem(engines: Pick<EngineUrls, 'temporalAddress'>): Promise<WarmSystem> {
  const folder = await openTemporaryFolder();
  const id = randomBytes(6).toString('hex');
  const name = `test-${id}`;
  const [redis, fakes, api, codec, grpc] = await Promise.all([
    startRedis({ folder, appendfsync: 'always' }),
    startOutbox(folder),
    freePort(),
    freePort(),
    freePort(),
    ensureNamespace(engines.temporalAddress, name),
  ]);
  const { outboxUrl, twilioUrl, smtpUrl, webpushUrl, apnsUrl, captchaUrls, signalServerUrl } = fakes;
  return {
    id,
    name,
    folder,
    fakes,
    urls: { redisUrl: redis.url, outboxUrl, twilioUrl, smtpUrl, webpushUrl, apnsUrl, captchaUrls, signalServerUrl },
    secrets: readSecrets(folder.path),
    ports: { api, codec, grpc },
    workers: new Map(),
    wish: { roles: [], env: {} },
    isLent: true,
    emptied: undefined,
  };
}

/** Returns a worker with these variables: the running one, or a new one. */
async function startWorker(
  system: WarmSystem,
  role: Role,
  env: Record<string, string>,
  compileCache: string,
): Promise<LentWorker> {
  const own = ownOf(role, env);
  const known = system.workers.get(role);
  if (known?.child.isRunning && isDeepStrictEqual(known.env, own)) return seen(known.child);
  await known?.child.stop();
  if (known !== undefined) rmSync(known.child.logFile);
  const child = await startChild(system.folder, { name: role, ...roleCommand(role, env, compileCache) });
  system.workers.set(role, { child, env: own });
  return seen(child);
}

function seen({ pid, logFile }: Child): LentWorker {
  return { pid, logFile };
}

async function killWorker({ workers }: WarmSystem, role: Role, signal: NodeJS.Signals): Promise<void> {
  await workers.get(role)?.child.kill(signal);
}

async function stopAllBut({ workers }: WarmSystem, wanted: readonly Role[]): Promise<void> {
  const others = [...workers].filter(([role]) => !wanted.includes(role));
  await Promise.all(others.map(([, { child }]) => child.stop()));
}

async function makeEmpty(
  { workers, fakes, name, urls }: WarmSystem,
  { temporalAddress, databaseUrl }: Pick<EngineUrls, 'temporalAddress' | 'databaseUrl'>,
): Promise<void> {
  // a worker that saw providers fail may still skip them
  if (fakes.reset()) await workers.get('delivery')?.child.stop();
  // it would continue a stream that is about to be deleted
  await workers.get('audit')?.child.stop();
  await terminateWorkflows(temporalAddress, name);
  for (const { child } of workers.values()) truncateSync(child.logFile);
  await Promise.all([deleteKeys(urls.redisUrl), deleteDocuments(withDatabase(databaseUrl, name))]);
  fakes.reset();
}
