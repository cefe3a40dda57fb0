/**
 * A store in IndexedDB, for browsers. A Web Lock keeps other tabs out: two tabs that step one ratchet would encrypt two
 * messages with one key. Every part of the state is a record of its own, encrypted with an AES-GCM key that the browser
 * keeps beside it and does not export: a script of the page cannot read the records without this store's key, nor take the
 * key along. It is no protection against a reader of the disk, where the browser has both.
 */
import { type DBSchema, type IDBPDatabase, openDB } from 'idb';
import { utf8 } from './bytes.ts';
import { VyryError } from './errors.ts';
import { applyChanges, type Change } from './state-changes.ts';
import { type ClientState, type ClientStore, createStore, emptyState, storeFailure } from './store.ts';

/** A store that owns its database until it is closed. The end of its tab closes it as well. */
export interface IndexedDbStore extends ClientStore, AsyncDisposable {}

/**
 * How long the lock is waited for: a page that is loaded again asks for it before the browser has ended the page before.
 */
const lockMs = 1000;
/** The parts are kept under keys of this order: a field, and an entry of it where the field is kept in entries. */
type PartName = [field: string] | [field: string, entry: string];

interface EncryptedPart {
  /** Random: one key encrypts fewer than 2^32 parts (NIST SP 800-38D, section 8.3). */
  nonce: Uint8Array<ArrayBuffer>;
  content: ArrayBuffer;
}

interface Database extends DBSchema {
  keys: { key: 'parts'; value: CryptoKey };
  parts: { key: PartName; value: EncryptedPart };
}

/**
 * Opens the database of a name: one for each account, and another one for each origin in any case. It need not exist.
 *
 * @throws {VyryError} STORE_LOCKED: another tab has it open; STORE_UNSUPPORTED: no https, or a browser without Web Locks;
 *   STORE_DAMAGED: a record is not what this store wrote; STORE_FULL, STORE_FAILED
 */
export async function openIndexedDbStore(name: string): Promise<IndexedDbStore> {
  if (globalThis.navigator?.locks === undefined || globalThis.crypto?.subtle === undefined)
    throw new VyryError(
      'STORE_UNSUPPORTED',
      'The store needs Web Locks and Web Crypto, which browsers offer over https',
    );
  const unlock = await lock(`vyry ${name}`);
  try {
    const { store, close } = await openDatabase(name).catch(rethrow);
    return {
      ...store,
      // a transaction that does nothing ends after all others
      [Symbol.asyncDispose]: () =>
        store
          .transaction(() => undefined)
          .finally(() => {
            close();
            unlock();
          }),
    };
  } catch (err) {
    unlock();
    throw err;
  }
}

async function openDatabase(name: string): Promise<{ store: ClientStore; close: () => void }> {
  const database = await openDB<Database>(`vyry ${name}`, 1, {
    upgrade(created) {
      created.createObjectStore('keys');
      created.createObjectStore('parts');
    },
  });
  try {
    const key = await readKey(database);
    const initial = await readState(database, key);
    const store = createStore(initial, (changes) => writeChanges(database, key, changes).catch(rethrow));
    return { store, close: () => database.close() };
  } catch (err) {
    database.close();
    throw err;
  }
}

/** Resolves with the release of the lock. */
async function lock(name: string): Promise<() => void> {
  const held = Promise.withResolvers<void>();
  const taken = Promise.withResolvers<void>();
  const patience = new AbortController();
  const timer = setTimeout(() => patience.abort(), lockMs);
  const hold = () => {
    taken.resolve();
    return held.promise;
  };
  navigator.locks.request(name, { signal: patience.signal }, hold).catch(taken.reject);
  try {
    await taken.promise;
    return held.resolve;
  } catch (cause) {
    throw new VyryError('STORE_LOCKED', 'Another tab has the store open', { cause });
  } finally {
    clearTimeout(timer);
  }
}

/** Returns the key of the parts. The first opener makes it; the lock lets no other one do so at the same time. */
async function readKey(database: IDBPDatabase<Database>): Promise<CryptoKey> {
  const kept = await database.get('keys', 'parts');
  if (kept !== undefined) return kept;
  const key = await crypto.subtle.generateKey({ name: 'AES-GCM', length: 256 }, false, ['encrypt', 'decrypt']);
  const writing = database.transaction('keys', 'readwrite', { durability: 'strict' });
  await Promise.all([writing.store.put(key, 'parts'), writing.done]);
  return key;
}

async function readState(database: IDBPDatabase<Database>, key: CryptoKey): Promise<ClientState> {
  const reading = database.transaction('parts');
  const [names, parts] = await Promise.all([reading.store.getAllKeys(), reading.store.getAll(), reading.done]);
  try {
    const jsons = await Promise.all(parts.map((part, index) => decrypt(key, names[index] ?? [''], part)));
    const changes = names.map(([field, entry], index): Change => {
      return { field, ...(entry !== undefined && { entry }), json: jsons[index] };
    });
    return applyChanges(emptyState(), changes);
  } catch (cause) {
    throw new VyryError('STORE_DAMAGED', 'The state of this device cannot be read', { cause });
  }
}

/** Encrypts first: a transaction of IndexedDB ends when it has nothing to do. */
async function writeChanges(
  database: IDBPDatabase<Database>,
  key: CryptoKey,
  changes: readonly Change[],
): Promise<void> {
  const parts = await Promise.all(
    changes.map(async ({ field, entry, json }) => {
      const name: PartName = entry === undefined ? [field] : [field, entry];
      return { name, part: json === undefined ? undefined : await encrypt(key, name, json) };
    }),
  );
  const writing = database.transaction('parts', 'readwrite', { durability: 'strict' });
  const writes = parts.map(({ name, part }) =>
    part === undefined ? writing.store.delete(name) : writing.store.put(part, name),
  );
  await Promise.all([...writes, writing.done]);
}

async function encrypt(key: CryptoKey, name: PartName, json: string): Promise<EncryptedPart> {
  const nonce = crypto.getRandomValues(new Uint8Array(12));
  return { nonce, content: await crypto.subtle.encrypt(cipherOf(name, nonce), key, utf8(json)) };
}

async function decrypt(key: CryptoKey, name: PartName, { nonce, content }: EncryptedPart): Promise<string> {
  return new TextDecoder().decode(await crypto.subtle.decrypt(cipherOf(name, nonce), key, content));
}

/** The name is authenticated: a record under another name does not open. */
function cipherOf(name: PartName, nonce: Uint8Array<ArrayBuffer>) {
  return { name: 'AES-GCM', iv: nonce, additionalData: utf8(JSON.stringify(name)) };
}

/** @throws {VyryError} STORE_FULL or STORE_FAILED */
function rethrow(cause: unknown): never {
  if (cause instanceof VyryError) throw cause;
  throw storeFailure(cause, cause instanceof DOMException && cause.name === 'QuotaExceededError');
}
