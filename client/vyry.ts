/**
 * The client of a Vyry server, for Node and browsers: registration, sign-in, devices and their keys, and messages that are
 * encrypted end to end. What a device keeps is in its store; all else is a call to the server.
 */
import type { BodyOf } from '../contract/operation.ts';
import type { registrationOperations } from '../contract/registrations.ts';
import { type AccountFunctions, createAccount } from './account.ts';
import { type Calls, createCalls } from './calls.ts';
import { createClosing } from './closing.ts';
import { type Conversations, createConversations } from './conversations.ts';
import type { ClientDeps } from './deps.ts';
import { createEmitter, type Emitter } from './events.ts';
import { maintainKeys, rotateIdentity } from './key-maintenance.ts';
import type { Message } from './message.ts';
import { Messaging, type QueuedMessage, type SendOptions } from './messaging.ts';
import { createOwnDevices, type OwnDevices } from './own-devices.ts';
import { createIdentities, type Identities } from './people.ts';
import { continueRegistration, type RegistrationFlow, startRegistration } from './registration.ts';
import { keepReceived, type SendKeys } from './rotation.ts';
import { createSession } from './session.ts';
import { createStatus, type ObservableStatus } from './status.ts';
import type { ClientStore, RotatedKeys } from './store.ts';
import { createTasks } from './tasks.ts';

/** How a client is made. */
export interface VyryOptions {
  /** The address of the server, such as `https://chat.example.org`. */
  origin: string;
  /** Where the device keeps its state. One client at a time uses it. */
  store: ClientStore;
  /** The kind of app that the device reports: `ios`, `android`, `desktop` (the default), `web` or another. */
  client?: string;
  /** The `fetch` of the runtime by default. */
  fetch?: typeof fetch;
  /** Milliseconds since the Unix epoch; the clock of the runtime by default. */
  now?: () => number;
}

/** A client of one device. Every method throws a `VyryError`. */
export interface Vyry extends AccountFunctions, AsyncDisposable {
  /** Every operation of the server, by its name in the OpenAPI document. */
  readonly calls: Calls;
  register(person: BodyOf<(typeof registrationOperations)['createRegistration']>): Promise<RegistrationFlow>;
  continueRegistration(): Promise<RegistrationFlow>;
  readonly devices: OwnDevices;
  /** Uploads the keys that are due. A connected client does it by itself. */
  maintainKeys(): Promise<void>;
  /**
   * Replaces the identity key of the account and the signed keys of every device, as a device that was removed knows the
   * old ones. The other devices get their new keys before that in an encrypted message. `sendKeys` sends them in another
   * way: each device keeps them by `acceptRotation`, and it resolves after that. A repeat finishes what a failed call
   * began. Needs a recent authentication.
   */
  rotateIdentity(sendKeys?: SendKeys): Promise<void>;
  /** Keeps keys that another device of the account has sent by its own `sendKeys`. @throws {VyryError} ROTATION_KEYS */
  acceptRotation(keys: RotatedKeys): Promise<void>;
  readonly identities: Identities;
  readonly conversations: Conversations;
  /** Begins to keep a connection: messages arrive and the outbox is sent, until `close` or `signOut`. */
  connect(): void;
  /**
   * Keeps a message in the outbox, from which it is sent as soon as there is a connection, in the order of the calls for each
   * person. A string is sent as `textContent`, which `Message.text` reads.
   *
   * @throws {VyryError} CONTENT_TOO_LARGE, SIGNED_OUT, NO_KEYS: nothing is kept
   */
  send(userId: string, content: Uint8Array | string, options?: SendOptions): Promise<QueuedMessage>;
  /**
   * The messages that arrive, and those that arrived while nothing took them, in their order. A message leaves the store when
   * the loop asks for the next one: one that the loop did not finish comes again in the next loop, also after a crash.
   *
   * @throws {VyryError} LOOP_RUNNING
   */
  messages(): AsyncIterableIterator<Message>;
  /** Tells a person that messages were received or read; nothing is sent to those who get no receipts. */
  sendReceipt(userId: string, messageIds: readonly string[], kind: 'delivered' | 'read'): Promise<void>;
  /** Tells a person that the user types, or has stopped. Does nothing without a connection, or if it is not allowed. */
  setTyping(userId: string, active: boolean): void;
  /** Follows whether these users are connected, instead of those before; the event `presence` tells. */
  subscribePresence(userIds: readonly string[]): Promise<void>;
  readonly state: ObservableStatus;
  /** Adds a listener of an event, and returns a function that removes it. */
  on: Emitter['on'];
  /** Ends the connection, the loop over messages, and every call and timer. The store stays open. */
  close(): Promise<void>;
}

/** Creates the client of the device whose state is in a store. It does nothing before its first call. */
export function createVyry({ origin, store, client = 'desktop', now = Date.now, ...options }: VyryOptions): Vyry {
  const closing = createClosing();
  const events = createEmitter();
  const tasks = createTasks(events);
  const status = createStatus({ kind: 'offline', since: now(), reason: 'idle' });
  const session = createSession(store, {
    now,
    refresh: (refreshToken) => calls.refreshTokens({ body: { refreshToken } }),
  });
  const place = { origin: new URL(origin).origin, closing };
  const calls: Calls = createCalls({
    ...place,
    fetch: options.fetch ?? ((...request) => fetch(...request)),
    accessToken: session.accessToken,
    renewedToken: session.renewedToken,
  });
  const deps: ClientDeps = { ...place, calls, store, session, now, client, events, tasks };
  const conversations = createConversations(calls, () => messaging.askAgain());
  const messaging: Messaging = new Messaging({ ...deps, status, conversations });
  const account = createAccount(deps);
  const rotate = (sendKeys: SendKeys = (keys) => messaging.sendKeys(keys)) => rotateIdentity(deps, sendKeys);
  const close = async () => {
    messaging.close();
    await tasks.idle();
  };
  return {
    calls,
    ...account,
    async signOut() {
      messaging.stop({ kind: 'signed-out' });
      await account.signOut();
    },
    register: (person) => startRegistration(deps, person),
    continueRegistration: () => continueRegistration(deps),
    devices: createOwnDevices(deps, rotate),
    maintainKeys: () => maintainKeys(deps),
    rotateIdentity: rotate,
    acceptRotation: (keys) => store.transaction((state) => keepReceived(state, keys)),
    identities: createIdentities(store, (userId) => messaging.release(userId)),
    conversations,
    connect: () => messaging.start(),
    send: (...message) => messaging.send(...message),
    messages: () => messaging.messages(),
    sendReceipt: (...receipt) => messaging.sendReceipt(...receipt),
    setTyping: (...typing) => messaging.setTyping(...typing),
    subscribePresence: (userIds) => messaging.subscribePresence(userIds),
    state: status,
    on: events.on,
    close,
    [Symbol.asyncDispose]: close,
  };
}
