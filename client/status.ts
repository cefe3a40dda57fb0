/** How a client is connected, as one value that can be observed. */
import { callListener } from './events.ts';

/** Why a client is not connected. */
export type OfflineReason =
  /** `connect` was not called. */
  | 'idle'
  /** The server cannot be reached, or has no room. The client tries again by itself. */
  | 'unreachable'
  /** Another process or tab has connected as this device. `connect` takes the connection back. */
  | 'replaced'
  /** `close` was called. */
  | 'closed';

/** How a client is connected. */
export type ClientStatus =
  /** There is no session, or the server has ended it: sign in again. */
  | { kind: 'signed-out' }
  | { kind: 'connecting' }
  /** Connected; so many messages that waited have arrived, and more come. */
  | { kind: 'catching-up'; received: number }
  | { kind: 'connected' }
  /** `since` is in milliseconds since the Unix epoch. */
  | { kind: 'offline'; since: number; reason: OfflineReason };

/** The status of a client. */
export interface ObservableStatus {
  readonly current: ClientStatus;
  /** Calls a listener now and at each change, and returns a function that ends that. */
  subscribe(listener: (status: ClientStatus) => void): () => void;
}

/** A status that its owner changes. */
export interface StatusSource extends ObservableStatus {
  set(status: ClientStatus): void;
}

/** Creates a status. */
export function createStatus(initial: ClientStatus): StatusSource {
  let current = initial;
  const listeners = new Set<(status: ClientStatus) => void>();
  return {
    get current() {
      return current;
    },
    subscribe(listener) {
      listeners.add(listener);
      callListener(() => listener(current));
      return () => listeners.delete(listener);
    },
    set(status) {
      if (JSON.stringify(status) === JSON.stringify(current)) return;
      current = status;
      for (const listener of [...listeners]) callListener(() => listener(status));
    },
  };
}
