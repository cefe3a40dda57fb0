/** What test/client/indexed-db-store.test.ts asks of a tab with the store of browsers. */
import { openDB } from 'idb';
import { type IndexedDbStore, openIndexedDbStore } from '../../client/indexed-db-store.ts';
import { checkStoreContract, type StoreMedium } from './store-contract.ts';

const opened = new Map<string, IndexedDbStore>();
/** The durability of every transaction that wrote. */
const durabilities: unknown[] = [];
let databases = 0;

const begin = IDBDatabase.prototype.transaction;
IDBDatabase.prototype.transaction = function (stores, mode, options) {
  if (mode === 'readwrite') durabilities.push(options?.durability);
  return begin.call(this, stores, mode, options);
};

const commands = {
  contract: () => checkStoreContract(createMedium),

  /** Returns `opened`, or the code of the error. */
  open: (name: string) =>
    codeOf(async () => {
      opened.set(name, await openIndexedDbStore(name));
      return 'opened';
    }),

  async close(name: string) {
    await opened.get(name)?.[Symbol.asyncDispose]();
    opened.delete(name);
  },

  /** Returns `kept`, or the code of the error. */
  write: (name: string, userId: string) =>
    codeOf(async () => {
      await storeOf(name).transaction((state) => {
        state.userId = userId;
      });
      return 'kept';
    }),

  read: (name: string) => storeOf(name).transaction(({ userId }) => userId ?? ''),

  /** Commits numbers until the tab is no more, and tells each one that is kept. */
  async count(name: string) {
    for (;;) {
      const kept = await storeOf(name).transaction((state) => {
        state.registrationId = (state.registrationId ?? 0) + 1;
        return state.registrationId;
      });
      console.log(kept);
    }
  },

  counted: (name: string) => storeOf(name).transaction(({ registrationId }) => registrationId ?? 0),

  /** Returns what a script of the page can see of a database without its store. */
  async inspect(name: string) {
    const database = await openDB(`vyry ${name}`);
    const key = (await database.get('keys', 'parts')) as CryptoKey;
    const parts = (await database.getAll('parts')) as { content: ArrayBuffer }[];
    database.close();
    const exported = crypto.subtle.exportKey('raw', key).then(
      () => 'exported',
      (err: Error) => err.name,
    );
    return {
      exported: await exported,
      texts: parts.map(({ content }) => new TextDecoder().decode(content)).join(),
      durabilities: [...new Set(durabilities)],
    };
  },

  /** Puts the record of a field in the place of that of another one. */
  async swap(name: string, field: string, other: string) {
    const database = await openDB(`vyry ${name}`);
    await database.put('parts', await database.get('parts', [field]), [other]);
    database.close();
  },
};

/** The commands, by name. */
export type StoreCommands = typeof commands;

Object.assign(globalThis, { commands });

async function createMedium(): Promise<StoreMedium> {
  databases += 1;
  const name = `contract ${databases}`;
  let store: IndexedDbStore | undefined;
  return {
    async open() {
      await store?.[Symbol.asyncDispose]();
      store = await openIndexedDbStore(name);
      return store;
    },
    async openAfterCrash() {
      databases += 1;
      await copyDatabase(`vyry ${name}`, `vyry crashed ${databases}`);
      return await openIndexedDbStore(`crashed ${databases}`);
    },
  };
}

/** Copies what is committed. */
async function copyDatabase(from: string, to: string): Promise<void> {
  const source = await openDB(from);
  const copy = await openDB(to, source.version, {
    upgrade(created) {
      for (const name of source.objectStoreNames) created.createObjectStore(name);
    },
  });
  for (const name of source.objectStoreNames) {
    const [keys, values] = await Promise.all([source.getAllKeys(name), source.getAll(name)]);
    for (const [index, key] of keys.entries()) await copy.put(name, values[index], key);
  }
  source.close();
  copy.close();
}

function storeOf(name: string): IndexedDbStore {
  const store = opened.get(name);
  if (store === undefined) throw new Error(`${name} is not open`);
  return store;
}

async function codeOf(run: () => Promise<string>): Promise<string> {
  return await run().catch((err: { code?: string }) => err.code ?? String(err));
}
