/** `npm start`: runs a complete private Vyry on this machine, until Ctrl-C. */
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { type DataFolder, FolderInUse, openDataFolder } from './data-folder.ts';
import { type EnginePorts, startEngines } from './engines.ts';
import { preferPort } from './ports.ts';
import { compileCacheFolder, projectFolder } from './processes.ts';
import { listenForStop } from './signals.ts';
import { enginesSummary, failure, say, summary } from './summary.ts';
import { deleteData, readReady, startSystemIn } from './system.ts';

const help = `Starts Vyry with everything it needs on this machine, until Ctrl-C.

  npm start -- [options]

  --port <port>           of the api             (8000 when it is free, else a free one)
  --grpc-port <port>      of the gRPC server     (50051 when it is free, else a free one)
  --outbox-port <port>    of the outbox page     (8025 when it is free, else a free one)
  --ui-port <port>        of the Temporal UI     (8233 when it is free, else a free one)
  --temporal-port <port>  of the Temporal server (a free one)
  --folder <folder>       data, logs and secrets (.vyry in the project)
  --elasticsearch         starts Elasticsearch too (half a gigabyte of memory, 15 s)
  --reset                 deletes the data of earlier starts first
  --no-compile-cache      compiles all code again; the processes may then write nothing, as in production
  --only-engines          starts only the engines and prints the variables for processes started by hand
  --help                  prints this

Engines that run already are used when DATABASE_URL, REDIS_URL, TEMPORAL_ADDRESS, ELASTICSEARCH_URL or LDAP_URL name
them. Every other variable of .env.example that is set is passed on to the processes.
`;

interface Arguments {
  folder: string;
  ports: EnginePorts & { api: number | undefined; grpc: number | undefined };
  elasticsearch: boolean;
  reset: boolean;
  onlyEngines: boolean;
  compileCache: boolean;
}

const stop = listenForStop();
// some waits of a start hold no handle that would keep the process alive
const alive = setInterval(() => {}, 60_000);
process.exitCode = await main();
clearInterval(alive);
// an interrupted start may leave a connection attempt behind; everything started here is stopped by now
process.exit();

async function main(): Promise<number> {
  const args = readArguments();
  if (typeof args === 'number') return args;
  const folder = await openDataFolder(args.folder, say).catch((err: unknown) => complain(err, args.folder));
  if (folder === undefined) return 1;
  let isAsked = false;
  const started = start(folder, args).catch((err: unknown) => {
    if (!isAsked) failure(err);
    return 1;
  });
  const asked = stop.requested.then((signal) => {
    isAsked = true;
    say(`\nStopping (${signal}); press Ctrl-C again to stop at once …`);
    return 0;
  });
  const code = (await Promise.race([started, asked])) ?? (await asked);
  void stop.insisted.then(() => folder.killAll());
  await folder.close();
  say('Stopped.');
  return code;
}

/** Starts the system or the engines, prints the summary, and resolves to undefined when everything runs. */
async function start(folder: DataFolder, args: Arguments): Promise<undefined> {
  if (args.reset) deleteData(folder);
  say('Starting the engines and processes …');
  const ports = {
    temporal: args.ports.temporal,
    temporalUi: await preferPort('the Temporal UI', args.ports.temporalUi, 8233),
    outbox: await preferPort('the outbox', args.ports.outbox, 8025),
  };
  if (args.onlyEngines) {
    const { urls } = await startEngines({ folder, ports, elasticsearch: args.elasticsearch, keepAlive: true });
    say(enginesSummary(urls, folder));
    return;
  }
  const startedAt = Date.now();
  const system = await startSystemIn(folder, {
    env: process.env,
    ports: {
      ...ports,
      api: await preferPort('the api', args.ports.api, 8000),
      grpc: await preferPort('the gRPC server', args.ports.grpc, 50_051),
    },
    elasticsearch: args.elasticsearch,
    keepAlive: true,
    ...(args.compileCache && { compileCache: compileCacheFolder }),
  });
  say(summary(system.ready, folder, (Date.now() - startedAt) / 1000));
}

function readArguments(): Arguments | number {
  try {
    const { values } = parseArgs({
      options: {
        port: { type: 'string' },
        'grpc-port': { type: 'string' },
        'outbox-port': { type: 'string' },
        'ui-port': { type: 'string' },
        'temporal-port': { type: 'string' },
        folder: { type: 'string', default: join(projectFolder, '.vyry') },
        elasticsearch: { type: 'boolean', default: false },
        reset: { type: 'boolean', default: false },
        'no-compile-cache': { type: 'boolean', default: false },
        'only-engines': { type: 'boolean', default: false },
        help: { type: 'boolean', default: false },
      },
    });
    if (values.help) {
      process.stdout.write(help);
      return 0;
    }
    return {
      folder: values.folder,
      ports: {
        api: readPort('--port', values.port),
        grpc: readPort('--grpc-port', values['grpc-port']),
        outbox: readPort('--outbox-port', values['outbox-port']),
        temporalUi: readPort('--ui-port', values['ui-port']),
        temporal: readPort('--temporal-port', values['temporal-port']),
      },
      elasticsearch: values.elasticsearch,
      reset: values.reset,
      onlyEngines: values['only-engines'],
      compileCache: !values['no-compile-cache'],
    };
  } catch (err) {
    console.error(`${err instanceof Error ? err.message : String(err)}\n\nnpm start -- --help explains the options.`);
    return 2;
  }
}

function readPort(option: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const port = Number(text);
  if (!/^\d+$/.test(text) || port < 1 || port > 65_535) throw new Error(`${option} must be a port from 1 to 65535`);
  return port;
}

function complain(err: unknown, folder: string): undefined {
  failure(err);
  const ready = err instanceof FolderInUse ? readReady(folder) : undefined;
  if (ready !== undefined) console.error(`Its api is at ${ready.apiUrl}; stop it with Ctrl-C in its terminal.`);
  return undefined;
}
