/** The one client of the page, and what the page knows of its account. */
import type { ClientStore } from '../client/store.ts';
import type { Vyry } from '../client/vyry.ts';

/** What the store says about this device. */
export interface Account {
  userId: string | undefined;
  deviceId: string | undefined;
  isSignedIn: boolean;
  /** A registration was begun and is not finished. */
  isRegistering: boolean;
}

/** Fires `change` when the session of the page has begun or ended. */
export const accountChanged = new EventTarget();

const openStore = once(async (): Promise<ClientStore> => {
  const { openIndexedDbStore } = await import('../client/indexed-db-store.ts');
  return await openIndexedDbStore('app');
});

/** Returns the client of this page. @throws {VyryError} STORE_LOCKED: another tab has it */
export const openVyry = once(async (): Promise<Vyry> => {
  const store = await openStore();
  // most of the code of the page, which the first screen does not need
  const { createVyry } = await import('../client/vyry.ts');
  const vyry = createVyry({ origin: location.origin, store, client: 'web' });
  // when the server has ended the session, as after the removal of this device, the page asks to sign in
  vyry.state.subscribe(({ kind }) => {
    if (kind === 'signed-out') noteAccountChanged();
  });
  return vyry;
});

/** Returns what the store of this page says. @throws {VyryError} STORE_LOCKED */
export async function readAccount(): Promise<Account> {
  const store = await openStore();
  return await store.transaction(({ userId, deviceId, tokens, registration }) => ({
    userId,
    deviceId,
    isSignedIn: tokens !== undefined,
    isRegistering: registration !== undefined,
  }));
}

/** Tells the page that its session has begun or ended. */
export function noteAccountChanged(): void {
  accountChanged.dispatchEvent(new Event('change'));
}

/** Makes a function run once. A failed attempt is made again by the next call. */
function once<T>(run: () => Promise<T>): () => Promise<T> {
  let started: Promise<T> | undefined;
  return () => {
    started ??= run().catch((err) => {
      started = undefined;
      throw err;
    });
    return started;
  };
}
