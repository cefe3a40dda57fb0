/**
 * Starts a process of Vyry with the least privileges of its role: `node workers/run.ts <role>`.
 *
 * It passes on only the variables of the role (platform/config/) and grants only the permissions in the first lines
 * of its program (permissions.ts). It then replaces itself with that program (`execve`), so the pid stays the same.
 */
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { redisUrlOf } from '../adapters/redis/acl.ts';
import { type Config, deriveKeysIn, givenValues, readConfig, readVariables } from '../platform/config/config.ts';
import { type Role, roles } from '../platform/config/roles.ts';
import type { Variable } from '../platform/config/variable.ts';
import { variables, variablesOf } from '../platform/config/variables.ts';
import { permissionArguments } from './permissions.ts';

const root = resolve(import.meta.dirname, '..');

/** Returns the path of the program of a role. */
function programOf(role: Role): string {
  if (role === 'api') return 'api/main.ts';
  return role === 'gateway' ? 'api/gateway.ts' : `workers/${role}.ts`;
}

/**
 * Returns only the variables of a role (and `TZ`). `NAME_FILE` names a file that contains the value of `NAME`.
 *
 * @throws {Error} names every `NAME_FILE` whose file cannot be read
 */
export function scrubbedEnvironment(role: Role, env: NodeJS.ProcessEnv): Record<string, string> {
  const names = variablesOf(role).map(([name]) => name);
  const given = givenValues([...names, ...operatorNames], env, ` of ${role}`);
  const scrubbed = Object.fromEntries(Object.entries(given).filter(([name]) => names.includes(name)));
  if (env.TZ !== undefined) scrubbed.TZ = env.TZ;
  return { ...scrubbed, ...derivedValues(role, given) };
}

/** The variables that only the operator has. */
const operatorNames = Object.entries<Variable>(variables).flatMap(([name, { roles: holders }]) =>
  holders.length === 0 ? [name] : [],
);

/**
 * Returns the values of a role that are derived from secrets of the operator, which the process does not get: its keys, and
 * the user of Redis with its password.
 */
function derivedValues(role: Role, given: Record<string, string>): { KEYS?: string; REDIS_URL?: string } {
  const keys = deriveKeysIn(role, given);
  const derived = keys === undefined ? {} : { KEYS: keys };
  const { REDIS_URL: url = '', REDIS_ACL_KEY: root } = given;
  if (!root || !URL.canParse(url)) return derived;
  const { REDIS_ACL_KEY: aclKey } = readVariables(['REDIS_ACL_KEY'], given);
  return aclKey === undefined ? derived : { ...derived, REDIS_URL: redisUrlOf(url, aclKey, role) };
}

/**
 * Returns the Node arguments that start a role, without the path of Node.
 *
 * @param compileCache a folder in which Node caches compiled code between starts, for development, where processes
 *   start
 *   often. The process may read it and, until it is ready, write to it
 */
export function commandOf(role: Role, env: Record<string, string>, compileCache?: string): string[] {
  const program = programOf(role);
  const values = Object.fromEntries(variablesOf(role).map(([name, known]) => [name, env[name] || known.default || '']));
  return [
    '--disable-warning=ExperimentalWarning',
    '--disable-warning=SecurityWarning',
    ...permissionArguments(root, program, values),
    ...(compileCache === undefined ? [] : [`--allow-fs-read=${compileCache}`, `--allow-fs-write=${compileCache}`]),
    resolve(root, program),
  ];
}

function run([name, ...options]: string[]): void {
  const role = roles.find((known) => known === name);
  if (role === undefined) {
    console.error(`usage: node workers/run.ts <role> [--compile-cache=<folder>]\n\nroles: ${roles.join(', ')}`);
    process.exitCode = 2;
    return;
  }
  try {
    const compileCache = compileCacheOf(options);
    const env = scrubbedEnvironment(role, process.env);
    // validated here, so that an invalid configuration prints its message and starts no process
    const config = readConfig(role, { ...givenValues(operatorNames, process.env, ` of ${role}`), ...env });
    const command = [process.execPath, ...commandOf(role, env, compileCache)];
    const ofNode = { ...threadsOf(config), ...(compileCache && { NODE_COMPILE_CACHE: compileCache }) };
    process.execve?.(process.execPath, command, { ...env, ...ofNode });
  } catch (err) {
    console.error((err as Error).message);
    process.exitCode = 1;
  }
}

/** The threads of a Node process unless a variable says otherwise. */
const usualThreads = 4;

/**
 * Returns the size of the thread pool of a process that hashes passwords. Files and host names use the same threads, so
 * it has the usual number besides those that hash.
 * https://nodejs.org/api/cli.html#uv_threadpool_sizesize
 */
function threadsOf(config: Partial<Config<'api'>>): Record<string, string> {
  const { ARGON2_CONCURRENCY: hashing } = config;
  return hashing === undefined ? {} : { UV_THREADPOOL_SIZE: String(usualThreads + hashing) };
}

/** @throws {Error} an option is unknown */
function compileCacheOf(options: string[]): string | undefined {
  return parseArgs({ args: options, options: { 'compile-cache': { type: 'string' } } }).values['compile-cache'];
}

if (import.meta.main) run(process.argv.slice(2));
