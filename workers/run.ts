/**
 * Starts a process of Vyry with what its role declares and nothing else: `node workers/run.ts <role>`.
 *
 * The environment is cut down to the variables of the role (platform/config.ts), the permission model to the line at
 * the top of its program (permissions.ts). This process is then replaced by the one it starts, so its pid stays.
 */
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { givenValues, type Role, readConfig, roles, variablesOf } from '../platform/config.ts';
import { permissionArguments } from './permissions.ts';

const root = resolve(import.meta.dirname, '..');

/** The program of a role. */
export function programOf(role: Role): string {
  return role === 'api' ? 'api/main.ts' : `workers/${role}.ts`;
}

/**
 * The variables of a role and no others, `NAME_FILE` replaced by what the file holds.
 *
 * @throws {Error} names every `NAME_FILE` whose file cannot be read
 */
export function scrubbedEnvironment(role: Role, env: NodeJS.ProcessEnv): Record<string, string> {
  const names = variablesOf(role).map(([name]) => name);
  const scrubbed = givenValues(names, env, ` of ${role}`);
  if (env.TZ !== undefined) scrubbed.TZ = env.TZ;
  return scrubbed;
}

/**
 * The whole command of a role: arguments of Node, without Node itself.
 *
 * @param compileCache a folder where Node keeps compiled code between starts, which the process may then read and, until it
 *   is ready, write: for development, where processes start often
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
    // a process that could not work is not started: the message is all there is to read
    readConfig(role, env);
    const command = [process.execPath, ...commandOf(role, env, compileCache)];
    process.execve?.(process.execPath, command, { ...env, ...(compileCache && { NODE_COMPILE_CACHE: compileCache }) });
  } catch (err) {
    console.error((err as Error).message);
    process.exitCode = 1;
  }
}

/** @throws {Error} an option is unknown */
function compileCacheOf(options: string[]): string | undefined {
  return parseArgs({ args: options, options: { 'compile-cache': { type: 'string' } } }).values['compile-cache'];
}

if (import.meta.main) run(process.argv.slice(2));
