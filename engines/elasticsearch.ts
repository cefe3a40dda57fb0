/**
 * Elasticsearch: the minimal distribution from Maven Central, configured to start in seconds with half a gigabyte of
 * memory.
 */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  chmodSync,
  copyFileSync,
  cpSync,
  globSync,
  mkdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { startChild } from './child.ts';
import type { DataFolder } from './data-folder.ts';
import { configured, type Engine, type EngineOptions } from './engine.ts';
import { debianProgram, findProgram, missingEngine, obtain } from './obtain.ts';
import { claimPort, freePort } from './ports.ts';
import { runTool } from './tools.ts';

/** The releases in use: 8 is the older of the two major versions that Vyry supports, and its Java 17 is in Debian. */
const releases = {
  '8.19.0': { sha256: '14833b2d86c30656901f92049f81fb5777a8e4545413c8656cd1a21b55173033', javaMajorMin: 17 },
  '9.1.0': { sha256: 'be5c5440bb6344cee4070f8f77a6c3cd72363db494944047cdd93748c4e19111', javaMajorMin: 21 },
};
/** A release that can be started. */
export type Release = keyof typeof releases;

const artifactOf = (release: Release) => `org.elasticsearch.distribution.integ-test-zip:elasticsearch:${release}:zip`;
const javaOptions = '-Xms256m -Xmx256m -XX:-AlwaysPreTouch -XX:-UseG1GC -XX:+UseSerialGC -XX:TieredStopAtLevel=1';

/** Elasticsearch refuses to run as root, so a root process runs it as this user (`nobody`). */
const nobody = 65_534;

/** The folders of one Elasticsearch. */
interface Home {
  program: string;
  config: string;
  data: string;
  /** Whether it belongs to `nobody`, because this process is root. */
  isNobodys: boolean;
}

/** How Elasticsearch is started. */
interface ElasticsearchOptions extends EngineOptions {
  release?: Release;
  /** Switches security on: users and their roles, as files of its configuration, and the password of one of them. */
  security?: { files: Readonly<Record<string, string>>; user: string; password: string };
}

/**
 * Starts Elasticsearch on loopback, or uses the configured one. Started by root, it lives in the system's temporary
 * folder, which `nobody` can reach, and starts empty; otherwise its data stays in the folder.
 *
 * `GET /` returns 405 in this distribution: use `/_cluster/health`.
 *
 * @throws {Error} it is missing (the message says how to provide it), its port is taken, or it does not start
 */
export async function startElasticsearch(options: ElasticsearchOptions): Promise<Engine> {
  const { folder, keepAlive = false, release = '8.19.0', security } = options;
  if (options.url) return configured('Elasticsearch', options.url);
  const { javaHome, distribution } = await findParts(folder, release);
  const port = await claimPort('Elasticsearch', options.port);
  const home = await makeHome(folder, distribution, {
    ...security?.files,
    'elasticsearch.yml': await settings(port, security !== undefined),
  });
  const logIn = security === undefined ? '' : `${security.user}:${security.password}@`;
  const url = `http://${logIn}127.0.0.1:${port}`;
  const process = await startChild(folder, {
    name: 'elasticsearch',
    ...commandOf(home),
    env: environmentOf(home, javaHome),
    ready: () => isHealthy(url),
    stopTimeoutMs: 20_000,
    keepAlive,
  });
  return { name: 'Elasticsearch', url, source: distribution, process };
}

async function findParts(folder: DataFolder, release: Release): Promise<{ javaHome: string; distribution: string }> {
  const { javaMajorMin } = releases[release];
  try {
    const javaHome = await findJava(folder, javaMajorMin);
    return { javaHome, distribution: await obtainDistribution(folder, release) };
  } catch (cause) {
    folder.signal.throwIfAborted();
    throw missingEngine({
      name: 'Elasticsearch',
      urlVariable: 'ELASTICSEARCH_URL',
      program: `Java ${javaMajorMin} and Maven`,
      obtain: 'run this as root on Debian, which installs both; Elasticsearch is then fetched once',
      service: 'elasticsearch',
      cause,
    });
  }
}

async function obtainDistribution(folder: DataFolder, release: Release): Promise<string> {
  const artifact = artifactOf(release);
  const way = {
    what: `Maven Central, ${artifact} (100 MB, about a minute)`,
    isPossible: true,
    async make(target: string) {
      const maven = await debianProgram('mvn', ['maven', 'openjdk-17-jre-headless'], folder);
      const copy = ['-q', '-B', 'dependency:copy', `-Dartifact=${artifact}`, `-DoutputDirectory=${target}`];
      await runTool(folder, maven, copy, { cwd: target });
      await unpack(release, target, folder);
    },
  };
  return await obtain(`elasticsearch-${release}`, [way], folder);
}

async function unpack(release: Release, target: string, folder: DataFolder): Promise<void> {
  const zip = join(target, `elasticsearch-${release}.zip`);
  const sha256 = createHash('sha256').update(readFileSync(zip)).digest('hex');
  if (sha256 !== releases[release].sha256) throw new Error(`${zip} has an unexpected SHA-256: ${sha256}`);
  const python = await debianProgram('python3', ['python3'], folder);
  await runTool(folder, python, ['-m', 'zipfile', '-e', zip, target]);
  const unpacked = join(target, `elasticsearch-${release}`);
  for (const part of globSync('*', { cwd: unpacked })) renameSync(join(unpacked, part), join(target, part));
  // Python's zipfile forgets the permission bits.
  for (const program of globSync('bin/*', { cwd: target })) chmodSync(join(target, program), 0o755);
  rmSync(zip);
  rmSync(unpacked, { recursive: true });
}

/** Returns whether this machine has a Java that can run a release; fetches nothing. */
export async function hasJavaFor(release: Release): Promise<boolean> {
  const majors = await Promise.all(globSync('/usr/lib/jvm/*').map((home) => javaMajor(join(home, 'bin', 'java'))));
  return majors.some((major) => major >= releases[release].javaMajorMin);
}

/**
 * Returns the home of a Java that is new enough: $JAVA_HOME, that of the `java` on the PATH, or another of the
 * system's.
 */
async function findJava(folder: DataFolder, javaMajorMin: number): Promise<string> {
  const onPath = await debianProgram('java', ['openjdk-17-jre-headless'], folder);
  const homes = [process.env.JAVA_HOME, resolve(realpathSync(onPath), '../..'), ...globSync('/usr/lib/jvm/*')];
  for (const home of homes) {
    if (home && (await javaMajor(join(home, 'bin', 'java'))) >= javaMajorMin) return home;
  }
  throw new Error(`no Java ${javaMajorMin} or later`);
}

async function javaMajor(java: string): Promise<number> {
  const { stdout } = await promisify(execFile)(java, ['--version']).catch(() => ({ stdout: '' }));
  return Number(/^\S+ (\d+)/.exec(stdout)?.[1] ?? 0);
}

async function makeHome(
  folder: DataFolder,
  distribution: string,
  { 'elasticsearch.yml': yaml = '', ...files }: Record<string, string>,
): Promise<Home> {
  const isNobodys = process.getuid?.() === 0;
  const path = isNobodys ? makeFolderOfNobody(folder) : join(folder.path, 'elasticsearch');
  const config = join(path, 'config');
  const data = join(path, 'data');
  for (const part of [path, config, data]) mkdirSync(part, { recursive: true });
  for (const file of ['jvm.options', 'log4j2.properties'])
    copyFileSync(join(distribution, 'config', file), join(config, file));
  writeFileSync(
    join(config, 'elasticsearch.yml'),
    `${yaml}path.data: ${data}\npath.logs: ${join(path, 'logs')}\npath.repo: ${join(path, 'snapshots')}\n`,
  );
  for (const [file, text] of Object.entries(files)) writeFileSync(join(config, file), text, { mode: 0o600 });
  const program = isNobodys ? join(path, 'program') : distribution;
  if (isNobodys) {
    cpSync(distribution, program, { recursive: true });
    await runTool(folder, 'chown', ['-R', `${nobody}:${nobody}`, path]);
  }
  return { program, config, data, isNobodys };
}

/** Creates a folder that `nobody` can reach; cache and data folder may be readable by root only. */
function makeFolderOfNobody(folder: DataFolder): string {
  const digest = createHash('sha256').update(folder.path).digest('hex').slice(0, 12);
  const path = join(tmpdir(), `vyry-elasticsearch-${digest}`);
  folder.recordFolder(path);
  rmSync(path, { recursive: true, force: true });
  mkdirSync(path, { mode: 0o755 });
  return path;
}

async function settings(port: number, isSecure: boolean): Promise<string> {
  const lines = {
    'discovery.type': 'single-node',
    'network.host': '127.0.0.1',
    'http.port': port,
    'transport.port': await freePort(),
    'xpack.security.enabled': isSecure,
    // the passwords of files are of this kind
    ...(isSecure && { 'xpack.security.authc.password_hashing.algorithm': 'pbkdf2' }),
    'node.store.allow_mmap': false,
    // without this, writes stop on a disk that is nearly full
    'cluster.routing.allocation.disk.threshold_enabled': false,
    // the serial collector lets garbage fill the heap before it collects; counted as use, it makes searches fail
    'indices.breaker.total.use_real_memory': false,
  };
  return Object.entries(lines)
    .map(([name, value]) => `${name}: ${value}\n`)
    .join('');
}

function commandOf({ program, isNobodys }: Home): { command: string; args: string[] } {
  const script = join(program, 'bin', 'elasticsearch');
  if (!isNobodys) return { command: script, args: [] };
  const identity = [`--reuid=${nobody}`, `--regid=${nobody}`, '--clear-groups', '--inh-caps=-all'];
  return { command: findProgram('setpriv') ?? 'setpriv', args: [...identity, script] };
}

function environmentOf({ config, data }: Home, javaHome: string): NodeJS.ProcessEnv {
  return {
    PATH: process.env.PATH,
    HOME: data,
    ES_JAVA_HOME: javaHome,
    ES_JAVA_OPTS: javaOptions,
    ES_PATH_CONF: config,
    ES_TMPDIR: data,
  };
}

async function isHealthy(url: string): Promise<void> {
  const { username, password, origin } = new URL(url);
  const authorization = `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`;
  const answer = await fetch(`${origin}/_cluster/health?wait_for_status=yellow&timeout=1s`, {
    signal: AbortSignal.timeout(3000),
    ...(username !== '' && { headers: { authorization } }),
  });
  if (!answer.ok) throw new Error(`Elasticsearch returned ${answer.status}`);
}
