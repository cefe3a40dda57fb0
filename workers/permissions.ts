/**
 * The permissions of a process, declared in the first lines of its program:
 *
 *     // @permissions net, addons, worker, files, read(WORKFLOW_BUNDLE), read(/some/system/file)
 *
 * The permission model of Node denies everything else. `read(...)` names a file, or a variable that contains its path; an
 * empty variable grants nothing. `files` are those that `NAME_FILE` names for the variables of the role that are read again
 * when they change (`isRenewed` in platform/config/): certificates and keys.
 * https://nodejs.org/api/permissions.html
 */
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { fileMark } from '../platform/config/secret.ts';
import type { Variable } from '../platform/config/variable.ts';
import { variables } from '../platform/config/variables.ts';

const flags: Record<string, string> = { net: '--allow-net', addons: '--allow-addons', worker: '--allow-worker' };

/** The paths that every process may read: code only, no configuration and no data. */
const code = [
  'api',
  'contract',
  'workflows',
  'activities',
  'adapters',
  'domain',
  'platform',
  'workers',
  'node_modules',
  'package.json',
];

/**
 * Closes gaps of the permission model: SQLite can read and write database files anywhere, SIGUSR1 starts the inspector.
 */
const shut = ['--no-experimental-sqlite', '--disable-sigusr1'];

/**
 * Returns the Node arguments that grant the permissions of a program's `@permissions` line.
 *
 * @param env resolves `read(VARIABLE)`; a relative path is relative to the current folder, as in the program
 * @throws {Error} the file has no `@permissions` line, or the line has an unknown permission
 */
export function permissionArguments(root: string, program: string, env: Record<string, string>): string[] {
  const line = /^\/\/ @permissions (.*)$/m.exec(readFileSync(resolve(root, program), 'utf8'))?.[1];
  if (line === undefined) throw new Error(`${program} declares no permissions`);
  const reads = code.map((path) => resolve(root, path));
  const allows: string[] = [];
  for (const grant of line.split(',').map((item) => item.trim())) {
    const readable = readableOf(grant, env);
    const flag = flags[grant];
    if (readable !== undefined) reads.push(...readable);
    else if (flag !== undefined) allows.push(flag);
    else throw new Error(`${program} asks for an unknown permission: ${grant}`);
  }
  return ['--permission', ...shut, ...reads.map((path) => `--allow-fs-read=${path}`), ...allows];
}

/** Returns the files that a permission grants; none for a variable without a value, undefined if it grants no files. */
function readableOf(grant: string, env: Record<string, string>): string[] | undefined {
  if (grant === 'files') return renewedFiles(env);
  const name = /^read\((.+)\)$/.exec(grant)?.[1];
  if (name === undefined) return undefined;
  const file = env[name];
  if (file !== undefined) return file === '' ? [] : [resolve(file)];
  return name.startsWith('/') ? [name] : undefined;
}

function renewedFiles(env: Record<string, string>): string[] {
  const renewed = Object.entries(variables as Record<string, Variable>).filter(([, { isRenewed }]) => isRenewed);
  const values = renewed.map(([name]) => env[name] ?? '');
  return values.filter((value) => value.startsWith(fileMark)).map((value) => value.slice(fileMark.length));
}
