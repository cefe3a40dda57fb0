/**
 * Systems that are started once and lent to one test file after another: Redis, fakes, a Temporal namespace, a database
 * and the workers on them. A file starts its own api.
 *
 * Starting four processes takes more processor time than most test files need for their tests. A file gets a system for
 * itself, as empty as a new one but for workflows that have ended: what the file before stored is deleted and what runs is
 * terminated. A worker that was killed, that saw a fault of a provider, or that has other variables is started anew.
 *
 * The protocol is HTTP with JSON on loopback. `POST /systems` lends one for as long as its answer, which has no end, is
 * read: a file that dies gives its system back too. `POST /systems/<id>/<role>/<act>` starts or kills a worker.
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
import { type Role, variablesOf } from '../../platform/config.ts';
import { deleteDocuments, deleteKeys, terminateWorkflows } from './emptying.ts';

/** What a test file is told of the system that it was lent. */
export interface LentSystem {
  id: string;
  urls: Pick<EngineUrls, 'redisUrl' | 'outboxUrl' | 'twilioUrl' | 'smtpUrl' | 'captchaUrls'>;
  secrets: Secrets;
  /** Of the Temporal namespace and of the database. */
  name: string;
  /** Of the api that the file starts; workers know it by its address. */
  ports: { api: number; codec: number; grpc: number };
}

/** What a test file asks for: workers whose variables, beyond those every system has, are these. */
export interface Wish {
  roles: Role[];
  env: Record<string, string>;
}

/** A worker that runs, as its borrower sees it. */
export interface LentWorker {
  pid: number;
  logFile: string;
}

/** The lender; closing it stops every system. */
export interface WarmSystems extends AsyncDisposable {
  readonly url: string;
}

/** With as many systems a file waits for one that is being emptied, rather than for a new one. */
const systemsMax = 4;

interface Worker {
  child: Child;
  env: Record<string, string>;
}

interface WarmSystem extends LentSystem {
  folder: DataFolder;
  fakes: Fakes;
  workers: Map<Role, Worker>;
  /** The wish of the latest borrower. */
  wish: Wish;
  isLent: boolean;
  /** Settles when it is empty or given up. */
  emptied: Promise<void> | undefined;
}

/** Starts the lender. Its systems use the servers of Temporal and MongoDB that are named; the first is made when it is wanted. */
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

  /** The idle system that has to change least, awaiting one when there are enough. */
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
      console.error(`A warm system could not be emptied and is given up: ${String(err)}`);
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

/** How many workers would have to be started anew for another wish. */
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
  const { outboxUrl, twilioUrl, smtpUrl, captchaUrls } = fakes;
  return {
    id,
    name,
    folder,
    fakes,
    urls: { redisUrl: redis.url, outboxUrl, twilioUrl, smtpUrl, captchaUrls },
    secrets: readSecrets(folder.path),
    ports: { api, codec, grpc },
    workers: new Map(),
    wish: { roles: [], env: {} },
    isLent: true,
    emptied: undefined,
  };
}

/** Has a worker run with these variables: the one that does, or a new one. */
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
  // a worker that saw providers fail may still pass them over
  if (fakes.reset()) await workers.get('delivery')?.child.stop();
  // it continues a stream that is going to be deleted
  await workers.get('audit')?.child.stop();
  await terminateWorkflows(temporalAddress, name);
  for (const { child } of workers.values()) truncateSync(child.logFile);
  await Promise.all([deleteKeys(urls.redisUrl), deleteDocuments(withDatabase(databaseUrl, name))]);
  fakes.reset();
}
