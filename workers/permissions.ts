/**
 * What a process may do, declared Deno-style in its own first lines:
 *
 *     // @permissions net, addons, worker, read(WORKFLOW_BUNDLE), read(/some/system/file)
 *
 * Everything else is refused by Node's permission model. `read(...)` names a file, or a variable that holds its path.
 * https://nodejs.org/api/permissions.html
 */
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';

const flags: Record<string, string> = { net: '--allow-net', addons: '--allow-addons', worker: '--allow-worker' };

/** What every process reads: code, and nothing that an operator or an engine wrote. */
const code = [
  'api',
  'workflows',
  'activities',
  'adapters',
  'domain',
  'platform',
  'workers',
  'node_modules',
  'package.json',
];

/** What the permission model of Node leaves open: SQLite reads and writes database files anywhere. */
const shut = ['--no-experimental-sqlite', '--disable-sigusr1'];

/**
 * The Node arguments that grant a program what its `@permissions` line asks for.
 *
 * @param env resolves `read(VARIABLE)`, a path from the current folder as the program reads it
 * @throws {Error} the file has no `@permissions` line, or asks for something unknown
 */
export function permissionArguments(root: string, program: string, env: Record<string, string>): string[] {
  const line = /^\/\/ @permissions (.*)$/m.exec(readFileSync(resolve(root, program), 'utf8'))?.[1];
  if (line === undefined) throw new Error(`${program} declares no permissions`);
  const reads = code.map((path) => resolve(root, path));
  const allows: string[] = [];
  for (const grant of line.split(',').map((item) => item.trim())) {
    const path = /^read\((.+)\)$/.exec(grant)?.[1];
    const flag = flags[grant];
    const file = path !== undefined && env[path];
    if (file) reads.push(resolve(file));
    else if (path?.startsWith('/')) reads.push(path);
    else if (flag !== undefined) allows.push(flag);
    else throw new Error(`${program} asks for an unknown permission: ${grant}`);
  }
  return ['--permission', ...shut, ...reads.map((path) => `--allow-fs-read=${path}`), ...allows];
}
