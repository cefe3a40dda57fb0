/** What outlives killed processes, in a folder, and what must be true of it. */
import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fromBase64, toBase64 } from '../../client/bytes.ts';
import type { ClientState } from '../../client/store.ts';
import type { Outside, Shelf } from './crash-conversation.ts';
import { prepare } from './crypto-properties.ts';

/** A folder with its shelves, and two devices with a session. */
export interface CrashFolder extends AsyncDisposable {
  path: string;
  alice: ClientState;
  bob: ClientState;
}

/** Makes a folder for a conversation. */
export async function createCrashFolder(): Promise<CrashFolder> {
  const path = await mkdtemp(join(tmpdir(), 'vyry-crash-'));
  for (const shelf of ['wire', 'acknowledged', 'application'] satisfies Shelf[]) await mkdir(join(path, shelf));
  const { states } = await prepare({ isBegun: true });
  return { path, alice: states[0], bob: states[1], [Symbol.asyncDispose]: () => rm(path, { recursive: true }) };
}

/** Returns the shelves of a folder. A text is written under another name first, as its writer may be killed. */
export function createOutside(folder: string): Outside {
  return {
    list: async (shelf) => (await readdir(join(folder, shelf))).filter((name) => !name.endsWith('.new')).sort(),
    read: (shelf, name) => readFile(join(folder, shelf, name), 'utf8'),
    async write(shelf, name, text) {
      const path = join(folder, shelf, name);
      await writeFile(`${path}.new`, text);
      await rename(`${path}.new`, path);
    },
  };
}

/**
 * Throws unless every message has arrived once and no key has encrypted two. A message that a run was killed before is
 * queued by one of the next runs; if all of these are killed before it as well, it does not exist.
 */
export async function checkConversation(folder: string, messages: number): Promise<void> {
  const outside = createOutside(folder);
  const sent = await outside.list('wire');
  assert.deepEqual(await outside.list('application'), sent);
  assert.ok(sent.length >= messages / 2, `${sent.length} messages were sent`);
  const keys = new Set<string>();
  for (const name of sent) {
    assert.equal(await outside.read('application', name), name);
    keys.add(toBase64(fromBase64(await outside.read('wire', name)).subarray(2, 38)));
  }
  assert.equal(keys.size, sent.length, 'a ratchet key and a number name one message');
}
