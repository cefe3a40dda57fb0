/**
 * Starts a process of Vyry with what its role declares and nothing else: `node workers/run.ts <role>`.
 *
 * The environment is cut down to the variables of the role (platform/config.ts), the permission model to the line at
 * the top of its program (permissions.ts). This process is then replaced by the one it starts, so its pid stays.
 */
import { resolve } from 'node:path';
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

/** The whole command of a role: arguments of Node, without Node itself. */
export function commandOf(role: Role, env: Record<string, string>): string[] {
  const program = programOf(role);
  const values = Object.fromEntries(variablesOf(role).map(([name, known]) => [name, env[name] || known.default || '']));
  return [
    '--disable-warning=ExperimentalWarning',
    '--disable-warning=SecurityWarning',
    ...permissionArguments(root, program, values),
    resolve(root, program),
  ];
}

function run(name: string | undefined): void {
  const role = roles.find((known) => known === name);
  if (role === undefined) {
    console.error(`usage: node workers/run.ts <role>\n\nroles: ${roles.join(', ')}`);
    process.exitCode = 2;
    return;
  }
  try {
    const env = scrubbedEnvironment(role, process.env);
    // a process that could not work is not started: the message is all there is to read
    readConfig(role, env);
    process.execve?.(process.execPath, [process.execPath, ...commandOf(role, env)], env);
  } catch (err) {
    console.error((err as Error).message);
    process.exitCode = 1;
  }
}

if (import.meta.main) run(process.argv[2]);
