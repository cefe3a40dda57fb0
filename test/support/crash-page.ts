/**
 * Two devices on stores of IndexedDB that send to each other, in a page that has its browser killed before one of the
 * callbacks of its promises: each await has one, as the page is built without async functions. Opened by
 * test/support/browser-crash-runs.ts.
 */
import { openIndexedDbStore } from '../../client/indexed-db-store.ts';
import type { ClientState } from '../../client/store.ts';
import { converse, type Outside } from './crash-conversation.ts';

const parameters = new URL(location.href).searchParams;
const killAt = Number(parameters.get('killAt'));
let callbacks = 0;

/** A request that is not answered, and that nothing of the page runs beside: the browser is killed meanwhile. */
function requestKill(): void {
  const request = new XMLHttpRequest();
  request.open('POST', '/kill', false);
  request.send();
}

function counted<A extends unknown[], R>(callback: ((...args: A) => R) | null | undefined) {
  if (typeof callback !== 'function') return callback;
  return (...args: A): R => {
    callbacks += 1;
    if (callbacks === killAt) requestKill();
    return callback(...args);
  };
}

const then = Promise.prototype.then;
// biome-ignore lint/suspicious/noThenProperty: it is that of promises
Promise.prototype.then = function <T, R, E>(
  this: Promise<T>,
  done?: ((value: T) => R | PromiseLike<R>) | null,
  failed?: ((reason: unknown) => E | PromiseLike<E>) | null,
) {
  return then.call(this, counted(done), counted(failed)) as Promise<R | E>;
};

/** What outlives the browser is behind the server of the test. */
const outside: Outside = {
  list: async (shelf) => JSON.parse(await request('GET', shelf)),
  read: (shelf, name) => request('GET', `${shelf}/${name}`),
  write: async (shelf, name, text) => void (await request('PUT', `${shelf}/${name}`, text)),
};

async function request(method: string, path: string, body: string | null = null): Promise<string> {
  const response = await fetch(`/outside/${path}`, { method, body });
  if (!response.ok) throw new Error(`${method} ${path}: ${response.status}`);
  return await response.text();
}

/** The first run has no state yet. */
async function openDevice(userId: 'alice' | 'bob') {
  const store = await openIndexedDbStore(userId);
  const initial = await fetch(`/states/${userId}`);
  const keys = (await initial.json()) as ClientState;
  await store.transaction((state) => {
    if (state.userId === undefined) Object.assign(state, keys);
  });
  return store;
}

async function run(): Promise<void> {
  const alice = await openDevice('alice');
  const bob = await openDevice('bob');
  await converse({ alice, bob }, outside, Number(parameters.get('messages')));
  await fetch('/ended', { method: 'POST', body: String(callbacks) });
}

run().catch((err: Error) => fetch('/failed', { method: 'POST', body: String(err.stack ?? err) }));
