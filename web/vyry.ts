/** The one client of the page, and what the page knows of its account. */
import { openIndexedDbStore } from '../client/indexed-db-store.ts';
import type { ClientStore } from '../client/store.ts';
import { createVyry, type Vyry } from '../client/vyry.ts';

/** What the store says about this device. */
export interface Account {
  userId: string | undefined;
  deviceId: string | undefined;
  isSignedIn: boolean;
  /** A registration was begun and is not finished. */
  isRegistering: boolean;
}

interface Opened {
  vyry: Vyry;
  store: ClientStore;
}

/** Fires `change` when the session of the page has begun or ended. */
export const accountChanged = new EventTarget();

let opened: Promise<Opened> | undefined;

/** Returns the client of this page. @throws {VyryError} STORE_LOCKED: another tab has it */
export async function openVyry(): Promise<Vyry> {
  return (await openClient()).vyry;
}

/** Returns what the store of this page says. @throws {VyryError} STORE_LOCKED */
export async function readAccount(): Promise<Account> {
  const { store } = await openClient();
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

/** A failed attempt is made again by the next call. */
function openClient(): Promise<Opened> {
  opened ??= createClient().catch((err) => {
    opened = undefined;
    throw err;
  });
  return opened;
}

async function createClient(): Promise<Opened> {
  const store = await openIndexedDbStore('app');
  return { store, vyry: createVyry({ origin: location.origin, store, client: 'web' }) };
}
