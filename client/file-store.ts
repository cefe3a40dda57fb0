/**
 * A store in one file, for Node. Every change is written to a new file, synchronised, and renamed to the name of the old
 * one, so that a crash or a loss of power leaves the old state or the new one. A lock file keeps a second process out.
 */
import { link, mkdir, open, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import process from 'node:process';
import { VyryError } from './errors.ts';
import { type Change, groupByField, partsOf } from './state-changes.ts';
import { type ClientState, type ClientStore, createStore, emptyState, storeFailure } from './store.ts';

/** A store that owns its file until it is closed. */
export interface FileStore extends ClientStore, AsyncDisposable {}

/** The files that this process has open: its own id in a lock file may be that of an earlier process. */
const held = new Set<string>();

/**
 * Opens a file and locks it. It need not exist, nor its folder: only their owner may read what is made.
 *
 * @throws {VyryError} STORE_LOCKED: another process has it open; STORE_DAMAGED: it is no JSON
 */
export async function openFileStore(path: string): Promise<FileStore> {
  const file = resolve(path);
  await mkdir(dirname(file), { recursive: true, mode: 0o700 });
  await lock(file);
  try {
    const store = await readStore(file);
    return {
      ...store,
      // a transaction that does nothing ends after all others
      [Symbol.asyncDispose]: () => store.transaction(() => undefined).finally(() => unlock(file)),
    };
  } catch (err) {
    await unlock(file);
    throw err;
  }
}

async function readStore(file: string): Promise<ClientStore> {
  const initial = await readState(file);
  let written = withChanges(new Map(), partsOf(initial));
  return createStore(initial, async (changes) => {
    const next = withChanges(written, changes);
    await writeText(file, textOf(next)).catch((cause) => {
      throw storeFailure(cause, ['ENOSPC', 'EDQUOT'].includes(cause.code));
    });
    written = next;
  });
}

async function readState(file: string): Promise<ClientState> {
  const text = await readFile(file, 'utf8').catch(ignore('ENOENT'));
  try {
    return { ...emptyState(), ...(text !== undefined && (JSON.parse(text) as ClientState)) };
  } catch (cause) {
    throw new VyryError('STORE_DAMAGED', `${file} cannot be read`, { cause });
  }
}

/**
 * The JSON of each field, or of each entry of a field with its name. A change serialises its own part, not the sessions
 * with everybody else.
 */
type Texts = ReadonlyMap<string, string | ReadonlyMap<string, string>>;

function withChanges(texts: Texts, changes: readonly Change[]): Texts {
  const next = new Map(texts);
  for (const [field, [first, ...others]] of groupByField(changes)) {
    const { entry, json } = first;
    const text = entry === undefined ? json : withEntries(texts.get(field), [first, ...others]);
    if (text === undefined) next.delete(field);
    else next.set(field, text);
  }
  return next;
}

function withEntries(text: string | ReadonlyMap<string, string> = new Map(), changes: readonly Change[]) {
  const next = new Map(typeof text === 'string' ? [] : text);
  for (const { entry = '', json } of changes) {
    if (json === undefined) next.delete(entry);
    else next.set(entry, `${JSON.stringify(entry)}:${json}`);
  }
  return next;
}

function textOf(texts: Texts): string {
  const fields = [...texts].map(([field, text]) => {
    const json = typeof text === 'string' ? text : `{${[...text.values()].join()}}`;
    return `${JSON.stringify(field)}:${json}`;
  });
  return `{${fields.join()}}`;
}

async function writeText(file: string, text: string): Promise<void> {
  const next = `${file}.new`;
  await using handle = await open(next, 'w', 0o600);
  await handle.writeFile(text);
  await handle.sync();
  await rename(next, file);
  await using folder = await open(dirname(file), 'r');
  await folder.sync();
}

/** Takes the lock file. One that a dead process has left is removed first. */
async function lock(file: string): Promise<void> {
  const path = lockOf(file);
  if (held.has(file)) throw locked(path);
  const isLocked = (await createLock(path)) || ((await removeStaleLock(path)) && (await createLock(path)));
  if (!isLocked) throw locked(path);
  held.add(file);
}

/**
 * Returns whether there was no lock. The file is linked with its content: one that is created and then written would be
 * empty, and nobody's, if the process ended in between.
 */
async function createLock(path: string): Promise<boolean> {
  const written = `${path}.${process.pid}.new`;
  await writeFile(written, String(process.pid), { mode: 0o600 });
  try {
    await link(written, path);
    return true;
  } catch (err) {
    return ignore('EEXIST')(err as NodeJS.ErrnoException) ?? false;
  } finally {
    await rm(written, { force: true });
  }
}

/**
 * Removes the lock of a dead process. The lock is renamed first: of two processes that found it, the rename of one fails,
 * and a lock that was made meanwhile is not removed unread.
 */
async function removeStaleLock(path: string): Promise<boolean> {
  const owner = await readFile(path, 'utf8').catch(ignore('ENOENT'));
  if (owner === undefined) return true;
  if (isAlive(Number(owner))) return false;
  const taken = `${path}.${process.pid}`;
  await rename(path, taken).catch(ignore('ENOENT'));
  const takenOwner = await readFile(taken, 'utf8').catch(ignore('ENOENT'));
  if (takenOwner === undefined || takenOwner === owner) {
    await rm(taken, { force: true });
    return true;
  }
  await rename(taken, path);
  return false;
}

function isAlive(pid: number): boolean {
  if (pid === process.pid) return false;
  if (!Number.isInteger(pid) || pid <= 0) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch (err) {
    return (err as NodeJS.ErrnoException).code === 'EPERM';
  }
}

async function unlock(file: string): Promise<void> {
  held.delete(file);
  await rm(lockOf(file), { force: true });
}

function lockOf(file: string): string {
  return `${file}.lock`;
}

function locked(path: string): VyryError {
  return new VyryError('STORE_LOCKED', `Another process has the store open; if none does, remove ${path}`);
}

/** Returns a handler of errors that lets one code pass as undefined. */
function ignore(code: string): (err: NodeJS.ErrnoException) => undefined {
  return (err) => {
    if (err.code !== code) throw err;
    return undefined;
  };
}
