/** MongoDB: an installed `mongod`, else FerretDB on SQLite files, which speaks the same protocol. */
import { createHash } from 'node:crypto';
import { chmodSync, copyFileSync, cpSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import mongoose from 'mongoose';
import { connectMongo, readMongoPlace } from '../adapters/mongo/connect.ts';
import { hashesWith } from '../adapters/mongo/identity-hashes.ts';
import { migrate } from '../adapters/mongo/migrate.ts';
import { givenValues, readOperatorKeys, readVariables } from '../platform/config/config.ts';
import { namesFrom } from '../platform/config/variables.ts';
import { keysIn } from '../platform/keyring.ts';
import { startChild } from './child.ts';
import type { DataFolder } from './data-folder.ts';
import { configured, type Engine, type EngineOptions } from './engine.ts';
import { findProgram, missingEngine, obtain, type Way } from './obtain.ts';
import { claimPort } from './ports.ts';
import { runTool } from './tools.ts';

const ferretVersion = '1.24.2';
const mongoVersion = '8.0.4';

/** The source of FerretDB's program, and how Go builds it; setup.mjs begins to compile it with the same settings. */
const source = join(import.meta.dirname, 'ferretdb');
const ferretBuild = JSON.parse(readFileSync(join(source, 'build.json'), 'utf8')) as {
  env: Record<string, string>;
  tags: string[];
  flags: string[];
};

interface Server {
  program: string;
  args: (port: number, data: string) => string[];
}

/**
 * Starts MongoDB on loopback, or uses the configured one. The URL of a started one names no database.
 *
 * @throws {Error} it is missing (the message says how to provide it), its port is taken, or it does not start
 */
export async function startMongo(options: EngineOptions): Promise<Engine> {
  const { folder, keepAlive = false } = options;
  if (options.url) return configured('MongoDB', options.url);
  const server = await findServer(folder);
  const port = await claimPort('MongoDB', options.port);
  const url = `mongodb://127.0.0.1:${port}`;
  const data = join(folder.path, 'mongo');
  mkdirSync(data, { recursive: true });
  const process = await startChild(folder, {
    name: 'mongo',
    command: server.program,
    args: server.args(port, data),
    ready: () => ping(url),
    keepAlive,
  });
  return { name: 'MongoDB', url, source: server.program, process };
}

async function findServer(folder: DataFolder): Promise<Server> {
  const found = findProgram('mongod');
  if (found !== undefined) return mongod(found);
  const go = findProgram('go');
  try {
    return go === undefined ? mongod(await downloadMongod(folder)) : ferret(await buildFerret(go, folder));
  } catch (cause) {
    folder.signal.throwIfAborted();
    throw missingEngine({
      name: 'MongoDB',
      urlVariable: 'DATABASE_URL',
      program: 'mongod',
      obtain: 'install Go 1.24 or later; FerretDB, which speaks its protocol, is then built once',
      service: 'mongo-setup',
      cause,
    });
  }
}

function mongod(program: string): Server {
  return { program, args: (port, data) => ['--port', String(port), '--bind_ip', '127.0.0.1', '--dbpath', data] };
}

function ferret(program: string): Server {
  return { program, args: (port, data) => ['-listen', `127.0.0.1:${port}`, '-data', data] };
}

async function buildFerret(go: string, folder: DataFolder): Promise<string> {
  const files = ['go.mod', 'go.sum', 'main.go', 'gate.go', 'ids.go', 'patch/where.go'];
  const way: Way = {
    what: 'its Go module, built here (about two minutes on two cores)',
    isPossible: true,
    async make(target, tell) {
      for (const file of files) cpSync(join(source, file), join(target, file));
      // Go's work folder is deleted with the target when the build is stopped
      const options = { cwd: target, env: { ...process.env, ...ferretBuild.env, GOTMPDIR: target } };
      await patchFerret(go, folder, options);
      const list = await runTool(folder, go, ['list', '-deps', ...ferretBuild.tags, '.'], options);
      const total = list.trim().split('\n').length;
      let compiled = 0;
      const onProgress = () => {
        compiled += 1;
        tell(`${compiled} of ${total} packages compiled`);
      };
      const args = ['build', '-v', ...ferretBuild.tags, ...ferretBuild.flags, '-o', join(target, 'ferretdb'), '.'];
      await runTool(folder, go, args, { ...options, onProgress });
      rmSync(join(target, 'module'), { recursive: true });
    },
  };
  // the digest of the source is part of the name, so that a program built from other source is not reused
  const digest = files.reduce((hash, file) => hash.update(readFileSync(join(source, file))), createHash('sha256'));
  const name = `ferretdb-${ferretVersion}-${digest.digest('hex').slice(0, 8)}`;
  return join(await obtain(name, [way], folder), 'ferretdb');
}

/** The query of a filter in FerretDB, which looks at the _id only if the filter has nothing else. */
const onlyIds = 'if params.Filter.Len() == 1 {';
const anyIds = 'if whereClause, args = whereByID(params.Filter); whereClause == "" && params.Filter.Len() == 1 {';

/** Builds from a copy of FerretDB's module, whose queries use the _id of every filter that has one (patch/where.go). */
async function patchFerret(
  go: string,
  folder: DataFolder,
  options: { cwd: string; env: NodeJS.ProcessEnv },
): Promise<void> {
  const name = 'github.com/FerretDB/FerretDB';
  await runTool(folder, go, ['mod', 'download', name], options);
  const original = (await runTool(folder, go, ['list', '-m', '-f', '{{.Dir}}', name], options)).trim();
  const copy = join(options.cwd, 'module');
  cpSync(original, copy, { recursive: true });
  // what Go downloads is read-only
  for (const path of ['', ...readdirSync(copy, { recursive: true, encoding: 'utf8' })])
    chmodSync(join(copy, path), 0o755);
  const queries = join(copy, 'internal', 'backends', 'sqlite');
  const query = join(queries, 'collection.go');
  const code = readFileSync(query, 'utf8');
  if (!code.includes(onlyIds)) throw new Error(`FerretDB ${ferretVersion} has another query`);
  writeFileSync(query, code.replace(onlyIds, anyIds));
  copyFileSync(join(source, 'patch', 'where.go'), join(queries, 'where.go'));
  await runTool(folder, go, ['mod', 'edit', `-replace=${name}=./module`], options);
}

async function downloadMongod(folder: DataFolder): Promise<string> {
  const { MongoBinary } = await import('mongodb-memory-server-core/lib/util/MongoBinary.js');
  const way: Way = {
    what: 'the MongoDB download page (80 MB)',
    isPossible: true,
    async make(target) {
      await MongoBinary.getPath({ version: mongoVersion, downloadDir: target });
    },
  };
  const downloadDir = await obtain(`mongod-${mongoVersion}`, [way], folder);
  return await MongoBinary.getPath({ version: mongoVersion, downloadDir });
}

/**
 * Runs the migrations that a database lacks, as `npx vyry migrate` does, with the same variables.
 *
 * @throws {Error} one failed, or the database does not answer
 */
export async function migrateDatabase(env: Record<string, string | undefined>): Promise<void> {
  const given = givenValues([...namesFrom('DATABASE_'), ...namesFrom('DATA_')], env);
  const hashOf = hashesWith(keysIn(readOperatorKeys(given, ['DATA_KEY']), 'identity'));
  await using database = connectMongo(readMongoPlace(readVariables(namesFrom('DATABASE_'), given)), () => undefined);
  await database.ping();
  await migrate(database.connection, { hashOf });
}

async function ping(url: string): Promise<void> {
  const connection = mongoose.createConnection(url, { serverSelectionTimeoutMS: 1000 });
  try {
    await connection.asPromise();
    await connection.db?.admin().ping();
  } finally {
    await connection.close();
  }
}
