/**
 * People with devices who write to each other, for tests of messages: their devices, plain clients of Socket.IO as an
 * app would use, and the bodies that they send.
 */
import { randomUUID } from 'node:crypto';
import { io, type Socket } from 'socket.io-client';
import type { Device } from '../../contract/devices.ts';
import type { MessageSend, ReceivedMessage } from '../../contract/messages.ts';
import type {
  Announcement,
  ClientToServerEvents,
  ServerToClientEvents,
  SocketAnswer,
  SocketRequest,
} from '../../contract/socket-events.ts';
import type { MessageType } from '../../domain/message.ts';
import { makeDevice, makeIdentity, type TestIdentity } from './device-keys.ts';
import { type PeopleStores, registeredPerson, signedInDevice, type Who } from './people.ts';
import { must } from './registrations.ts';
import type { RestClient } from './rest-client.ts';
import { eventually, hangMs } from './until.ts';

/** A device with its session, and what others address it by. */
export interface TestDevice {
  userId: string;
  deviceId: string;
  registrationId: number;
  /** The access token. */
  token: string;
  refreshToken: string;
  identity: TestIdentity;
}

/**
 * Creates the account of a user with one device and a session of it, directly in the stores.
 * @throws {Error} the name, number or address is taken
 */
export async function deviceOwner(system: PeopleStores, who: Who, given: Partial<Device> = {}): Promise<TestDevice> {
  const { userId } = await registeredPerson(system, who, { password: null });
  return deviceOf(system, { userId, identity: makeIdentity() }, given);
}

/** Adds a device to the account of another one, as `deviceOwner`. */
export async function deviceOf(
  system: PeopleStores,
  { userId, identity }: Pick<TestDevice, 'userId' | 'identity'>,
  given: Partial<Device> = {},
): Promise<TestDevice> {
  const body = makeDevice(identity, given);
  const { accessToken: token, refreshToken, device } = await signedInDevice(system, userId, body);
  const { registrationId } = body;
  return { userId, deviceId: device?.deviceId ?? '', registrationId, token, refreshToken, identity };
}

/** Makes two users accept each other. */
export async function acceptEachOther(api: RestClient, one: TestDevice, other: TestDevice): Promise<void> {
  const body = { state: 'accepted' } as const;
  await must(api.changeConversation({ userId: other.userId, token: one.token, body }));
  await must(api.changeConversation({ userId: one.userId, token: other.token, body }));
}

/** Options of a message that is sent. */
interface MessageOptions extends Partial<Omit<MessageSend, 'messages'>> {
  type?: MessageType;
}

/** Returns the body of a send with the same content for each of some devices of one user. */
export function messageTo(
  devices: readonly Pick<TestDevice, 'deviceId' | 'registrationId'>[],
  text: string,
  { type = 'message', ...options }: MessageOptions = {},
): MessageSend {
  return {
    clientMessageId: randomUUID(),
    messages: devices.map(({ deviceId, registrationId }) => ({
      deviceId,
      registrationId,
      type,
      content: contentOf(text),
    })),
    timestamp: new Date(0).toISOString(),
    ...options,
  };
}

/** Returns a text as the content of a message. */
export function contentOf(text: string): string {
  return Buffer.from(text).toString('base64');
}

/** Returns the text of a message that was received. */
export function textOf({ content }: Pick<ReceivedMessage, 'content'>): string {
  return Buffer.from(content, 'base64').toString();
}

/** A plain client of Socket.IO with the types of the contract. */
export type ClientSocket = Socket<ServerToClientEvents, ClientToServerEvents>;

/** An announcement that a client got. */
interface Heard {
  event: Announcement;
  // biome-ignore lint/suspicious/noExplicitAny: announcements are under test; assertions check their shape
  payload: any;
}

/** A connected client, which keeps what it gets. Disposing it disconnects. */
export interface Client extends Disposable {
  socket: ClientSocket;
  /** Everything that was announced, in the order of arrival. */
  heard: readonly Heard[];
  /** The messages of `inbox:page` and `message:new`, in the order of arrival, with those that came again. */
  messages: readonly ReceivedMessage[];
  /** Resolves with the payload of the first announcement of an event that satisfies the condition. */
  // biome-ignore lint/suspicious/noExplicitAny: announcements are under test; assertions check their shape
  hears(event: Announcement, is?: (payload: any) => boolean): Promise<any>;
  /**
   * Makes a request and resolves with its answer.
   * @throws {Error} the connection was lost before
   */
  // biome-ignore lint/suspicious/noExplicitAny: answers are under test; assertions check their shape
  ask(event: SocketRequest, body: unknown): Promise<any>;
  /** Resolves with the reason when the connection has ended. */
  ended: Promise<string>;
  /** Ends the TCP connection without a word, as a network failure does. */
  cut(): void;
}

/** The transport in Node, which the types of the client do not describe. */
interface NodeTransport {
  ws: { terminate(): void };
}

/** Options of a connection. */
interface ConnectOptions {
  /** Whether the client acknowledges what it gets; true by default. */
  isAcknowledging?: boolean;
  /** Further fields of the handshake. */
  auth?: Record<string, unknown>;
  headers?: Record<string, string>;
  /** Loopback address to connect from, 127.x.x.x. */
  from?: string;
}

/**
 * Connects to a gateway and resolves when the server has accepted the connection.
 *
 * @throws {Error} the server refuses it; the error is that of `connect_error`
 */
export async function connectClient(url: string, token: string, options: ConnectOptions = {}): Promise<Client> {
  const { isAcknowledging = true, auth = {}, headers, from } = options;
  const socket: ClientSocket = io(url, {
    transports: ['websocket'],
    forceNew: true,
    reconnection: false,
    auth: { token, ...auth },
    ...(headers && { extraHeaders: headers }),
    ...(from !== undefined && { localAddress: from }),
  });
  const client = clientOf(socket, isAcknowledging);
  try {
    await new Promise<void>((done, fail) => {
      socket.once('connect', done);
      socket.once('connect_error', fail);
    });
  } catch (err) {
    socket.disconnect();
    throw err;
  }
  return client;
}

function clientOf(socket: ClientSocket, isAcknowledging: boolean): Client {
  const heard: Heard[] = [];
  const messages: ReceivedMessage[] = [];
  const ended = new Promise<string>((done) => void socket.once('disconnect', done));
  socket.onAny((event: Announcement, payload: Heard['payload'], acknowledge?: () => void) => {
    heard.push({ event, payload });
    if (event === 'message:new') messages.push(payload);
    if (event === 'inbox:page') messages.push(...payload.messages);
    if (isAcknowledging) acknowledge?.();
  });
  return {
    socket,
    heard,
    messages,
    hears: (event, is = () => true) =>
      eventually(() => heard.find((one) => one.event === event && is(one.payload))?.payload),
    ask: (event, body) => socket.timeout(hangMs).emitWithAck(event, body as never) as Promise<SocketAnswer<unknown>>,
    ended,
    cut: () => (socket.io.engine.transport as unknown as NodeTransport).ws.terminate(),
    [Symbol.dispose]: () => void socket.disconnect(),
  };
}
