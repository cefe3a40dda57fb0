/** Devices that use the client of this project, on a running system. */
import assert from 'node:assert/strict';
import { createServer, connect as openSocket, type Socket } from 'node:net';
import { createMemoryStore } from '../../client/memory-store.ts';
import type { Message } from '../../client/message.ts';
import type { ClientStatus } from '../../client/status.ts';
import type { ClientState, ClientStore } from '../../client/store.ts';
import { createVyry, type Vyry, type VyryOptions } from '../../client/vyry.ts';
import type { People } from './people.ts';
import { goodPassword } from './registrations.ts';
import { unlessHung } from './until.ts';

/** A device of the client. */
export interface SdkDevice {
  vyry: Vyry;
  store: ClientStore;
}

/** A device of a person. */
export interface OwnedDevice extends SdkDevice {
  userId: string;
}

/** Creates the client of a device that belongs to nobody yet. */
export function newClient(origin: string, options: Partial<VyryOptions> = {}): SdkDevice {
  const store = options.store ?? createMemoryStore();
  return { store, vyry: createVyry({ origin, ...options, store }) };
}

/** Signs a new person in on a device, which is the first one of the account. */
export async function firstDevice(
  { url, account }: { url: string; account: People['account'] },
  index: number,
  options: Partial<VyryOptions> = {},
): Promise<OwnedDevice> {
  const { name, userId } = await account(index);
  const device = newClient(url, options);
  await device.vyry.signIn({ identifier: name, password: goodPassword });
  await device.vyry.devices.add('Desk');
  return { ...device, userId };
}

/** Links a second device by the first one. */
export async function linkedDevice(
  url: string,
  existing: SdkDevice,
  options: Partial<VyryOptions> = {},
): Promise<SdkDevice> {
  const joining = newClient(url, options);
  const link = await joining.vyry.devices.requestLink('Phone');
  const opened = await existing.vyry.devices.openScannedLink(link.qrText);
  await opened.claim();
  await opened.approve(await link.code());
  await link.complete();
  return joining;
}

/** Returns a copy of the state of a device. */
export function stateOf({ store }: SdkDevice): Promise<ClientState> {
  return store.transaction((state) => structuredClone(state));
}

/** Resolves when the status of a client has one of these kinds. */
export function untilStatus({ vyry }: SdkDevice, ...kinds: ClientStatus['kind'][]): Promise<ClientStatus> {
  const reached = new Promise<ClientStatus>((resolve) => {
    const stop = vyry.state.subscribe((status) => {
      if (!kinds.includes(status.kind)) return;
      queueMicrotask(() => stop());
      resolve(status);
    });
  });
  return unlessHung(reached, kinds.join(' or '));
}

/** The messages of a device as a test takes them: each one is asked for when the one before has been looked at. */
export function reader({ vyry }: SdkDevice): () => Promise<Message> {
  const messages = vyry.messages();
  return async () => {
    const { value, done } = await unlessHung(messages.next(), 'a message');
    assert.ok(!done, 'the loop has ended');
    return value;
  };
}

/** A way to a server that can be cut. */
export interface Wire extends AsyncDisposable {
  /** The address of the server by this way. */
  url: string;
  /** Ends every connection, and refuses others until `mend`. */
  cut(): void;
  mend(): void;
}

/** Opens a way to a server. */
export async function openWire(target: string): Promise<Wire> {
  const { hostname, port } = new URL(target);
  const open = new Set<Socket>();
  let isCut = false;
  const keep = (socket: Socket) => {
    open.add(socket);
    socket.on('close', () => open.delete(socket));
    socket.on('error', () => undefined);
  };
  const server = createServer((near) => {
    keep(near);
    if (isCut) return near.destroy();
    const far = openSocket(Number(port), hostname);
    keep(far);
    near.on('close', () => far.destroy());
    far.on('close', () => near.destroy());
    near.pipe(far).pipe(near);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  assert.ok(address !== null && typeof address === 'object');
  const endAll = () => {
    for (const socket of open) socket.destroy();
  };
  return {
    url: `http://127.0.0.1:${address.port}`,
    cut() {
      isCut = true;
      endAll();
    },
    mend() {
      isCut = false;
    },
    async [Symbol.asyncDispose]() {
      endAll();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
