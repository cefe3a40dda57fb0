/**
 * Two devices on file stores that send to each other, in a process that ends itself before one of its callbacks: each await
 * has one. Run by test/support/crash-runs.ts.
 *
 *     node test/support/crash-child.ts <folder> <messages> <callback at which it ends, 0 for never>
 */
import { createHook } from 'node:async_hooks';
import { join } from 'node:path';
import process from 'node:process';
import { openFileStore } from '../../client/file-store.ts';
import { converse } from './crash-conversation.ts';
import { createOutside } from './crash-folder.ts';

const [folder = '', messages = '0', killAt = '0'] = process.argv.slice(2);
let callbacks = 0;
createHook({
  init() {},
  before() {
    callbacks += 1;
    if (callbacks === Number(killAt)) process.kill(process.pid, 'SIGKILL');
  },
}).enable();

{
  await using alice = await openFileStore(join(folder, 'alice.json'));
  await using bob = await openFileStore(join(folder, 'bob.json'));
  await converse({ alice, bob }, createOutside(folder), Number(messages));
}
console.log(callbacks);
