/**
 * Builds the package of client/ into client/dist: `npm run client:build`, before `npm pack -w @vyry/client`. The
 * compiler writes the modules and their types. Then the module that reads contract/ becomes the values that it evaluates
 * to, and what nothing imports any more is removed: the package has the types of the schemas and loads none.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import process from 'node:process';
import { callRows } from '../client/operations.ts';

const folder = resolve(import.meta.dirname, '../client');
const dist = join(folder, 'dist');

await rm(dist, { recursive: true, force: true });
await compile();
await writeFile(join(dist, 'client/operations.js'), `export const callRows = ${JSON.stringify(callRows)};\n`);
await removeUnused(await entries());

async function compile(): Promise<void> {
  const compiler = resolve(folder, '../node_modules/typescript/bin/tsc');
  const child = spawn(process.execPath, [compiler, '-p', folder], {
    stdio: 'inherit',
  });
  const [code] = await once(child, 'exit');
  if (code !== 0) throw new Error('The package does not compile');
}

/** Returns the modules that the package exports. */
async function entries(): Promise<string[]> {
  const { exports } = JSON.parse(await readFile(join(folder, 'package.json'), 'utf8'));
  return Object.values<string | { default: string }>(exports).flatMap((entry) =>
    typeof entry === 'string' ? [] : [join(folder, entry.default)],
  );
}

/** Removes the modules that no entry imports; their types stay. */
async function removeUnused(from: readonly string[]): Promise<void> {
  const used = new Set(from);
  for (const file of used) {
    const code = await readFile(file, 'utf8');
    for (const [, path = ''] of code.matchAll(/(?:from|import) ?\(?["'](\.[^"']+)["']/g))
      used.add(join(dirname(file), path));
  }
  for (const name of await readdir(dist, { recursive: true })) {
    const file = join(dist, name);
    if (name.endsWith('.js') && !used.has(file)) await rm(file);
  }
}
