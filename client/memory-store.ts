/** A store that ends with the process: for tests, and for devices that are not to be kept. */
import { type ClientStore, createStore, emptyState } from './store.ts';

/** Creates a store in memory. */
export function createMemoryStore(): ClientStore {
  return createStore(emptyState(), async () => undefined);
}
