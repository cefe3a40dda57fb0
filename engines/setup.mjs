/**
 * Runs a TypeScript file of the project: `node engines/setup.mjs <file.ts> [arguments]`.
 *
 * It is plain JavaScript for Node 20, because it runs before everything else: it installs the packages of
 * package-lock.json when they are missing, among them Node 26, and runs the file with that.
 */
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { constants, devNull, homedir } from 'node:os';
import { delimiter, dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const nodeMajorMin = 26;
const progressMs = 15_000;
const root = resolve(dirname(fileURLToPath(import.meta.url)), '..');
const modules = join(root, 'node_modules');
const stampFile = join(modules, '.vyry-lock-hash');

const [script, ...scriptArguments] = process.argv.slice(2);
if (script === undefined) {
  console.error('usage: node engines/setup.mjs <file.ts> [arguments]');
  process.exit(2);
}
if (!isInstalled()) {
  const stopCompiling = beginToCompile();
  await install();
  stopCompiling();
}
const node = findNode();
if (node === undefined) {
  console.error(
    `Vyry needs Node ${nodeMajorMin}. There is no package of it for ${process.platform} ${process.arch}: ` +
      `install Node ${nodeMajorMin} or later and run this again.`,
  );
  process.exit(1);
}
// Node reads an --env-file after a script as its own option, but not after --
process.exit(await run(node, ['--', resolve(root, script), ...scriptArguments]));

function isInstalled() {
  const hash = lockHash();
  if (existsSync(stampFile) && readFileSync(stampFile, 'utf8') === hash) return true;
  if (!isSameAsLock()) return false;
  writeFileSync(stampFile, hash);
  return true;
}

function lockHash() {
  return createHash('sha256')
    .update(readFileSync(join(root, 'package-lock.json')))
    .digest('hex');
}

/** Returns whether a manual installation already has every package of the lock file. */
function isSameAsLock() {
  const installedFile = join(modules, '.package-lock.json');
  if (!existsSync(installedFile)) return false;
  const wanted = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')).packages;
  const installed = JSON.parse(readFileSync(installedFile, 'utf8')).packages;
  return Object.entries(wanted).every(
    ([path, { version, optional }]) =>
      path === '' || installed[path]?.version === version || (optional && !installed[path]),
  );
}

async function install() {
  console.log('Installing the packages of package-lock.json (npm ci, one to three minutes, once) …');
  const started = Date.now();
  const seconds = () => Math.round((Date.now() - started) / 1000);
  // npm prints nothing until it ends
  const progress = setInterval(() => console.log(`  still installing after ${seconds()} s`), progressMs);
  // inside an npm script, npm names its own program; otherwise use the one on the PATH
  const npmProgram = process.env.npm_execpath;
  const [command, args] = npmProgram?.endsWith('.js') ? [process.execPath, [npmProgram]] : ['npm', []];
  const code = await run(command, [...args, 'ci', '--no-audit', '--no-fund', '--loglevel=error'], root);
  clearInterval(progress);
  if (code !== 0) {
    console.error(`npm ci failed (exit code ${code}); nothing was started.`);
    process.exit(code);
  }
  writeFileSync(stampFile, lockHash());
  console.log(`Installed in ${seconds()} s.`);
}

/**
 * Where engines/mongo.ts will have to build FerretDB, which takes longer than all else of a first start, lets Go compile
 * what it can meanwhile. Go keeps each compiled package, so that the build goes on from there. Returns how to stop it.
 */
function beginToCompile() {
  const cache = resolve(process.env.VYRY_CACHE || join(homedir(), '.cache', 'vyry'));
  const isBuilt = existsSync(cache) && readdirSync(cache).some((name) => name.startsWith('ferretdb-'));
  const needsMongo = ['engines/start.ts', 'test/runner/run.ts'].includes(script) && !process.env.DATABASE_URL;
  const programs = (process.env.PATH ?? '').split(delimiter);
  const hasMongod = programs.some((folder) => existsSync(join(folder, 'mongod')));
  if (isBuilt || hasMongod || !needsMongo) return () => {};
  const source = join(root, 'engines', 'ferretdb');
  const { env, tags, flags } = JSON.parse(readFileSync(join(source, 'build.json'), 'utf8'));
  const args = ['build', ...tags, ...flags, '-o', devNull, '.'];
  const go = spawn('go', args, { cwd: source, env: { ...process.env, ...env }, stdio: 'ignore' });
  // engines/mongo.ts says what is missing
  go.on('error', () => {});
  return () => go.kill('SIGINT');
}

function findNode() {
  const packaged = join(modules, '.bin', 'node');
  if (existsSync(packaged)) return packaged;
  return Number(process.versions.node.split('.')[0]) >= nodeMajorMin ? process.execPath : undefined;
}

/**
 * Runs a program in the foreground and returns its exit code. A signal to this process is forwarded. From a terminal
 * the program then receives Ctrl-C twice, which the programs of engines/ count as one (engines/signals.ts).
 */
function run(command, args, cwd) {
  return new Promise((done) => {
    const child = spawn(command, args, { stdio: 'inherit', ...(cwd && { cwd }) });
    const forward = (signal) => child.kill(signal);
    const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'];
    for (const signal of signals) process.on(signal, forward);
    child.on('error', (err) => {
      console.error(`${command} cannot be run: ${err.message}`);
      done(127);
    });
    child.on('exit', (code, signal) => {
      for (const name of signals) process.off(name, forward);
      done(code ?? 128 + (constants.signals[signal] ?? 0));
    });
  });
}
