/** What the parts of a client share. */
import type { Calls } from './calls.ts';
import type { Closing } from './closing.ts';
import type { Emitter } from './events.ts';
import type { ClientSession } from './session.ts';
import type { ClientStore } from './store.ts';
import type { Tasks } from './tasks.ts';

/** The client of one device, for its parts. */
export interface ClientDeps {
  calls: Calls;
  store: ClientStore;
  session: ClientSession;
  /** Milliseconds since the Unix epoch. */
  now: () => number;
  /** The origin of the server, such as `https://chat.example.org`. */
  origin: string;
  /** The kind of app. */
  client: string;
  closing: Closing;
  events: Emitter;
  tasks: Tasks;
}
