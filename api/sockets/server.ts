/**
 * Socket.IO: connections of clients, for messages and announcements.
 *
 * 1. A request for an upgrade passes the admission, or is answered as a request of REST is.
 * 2. The client sends its token, which is verified as REST verifies it; otherwise it gets `connect_error` with the error
 *    of REST. It has one try for each transport.
 * 3. The device of the session takes its lease, which ends an earlier connection of it. Its inbox is delivered.
 * 4. Requests are answered in their order. The connection ends with its session or its token.
 * 5. At the stop each client is told when to reconnect, spread over some seconds, and is closed then.
 *
 * The state recovery of Socket.IO stays off: a recovered connection would skip step 2, and the inbox loses nothing anyway.
 */
import type { Server as HttpServer, IncomingMessage } from 'node:http';
import { Server as Engine } from 'engine.io';
import { Server, type Socket } from 'socket.io';
import { newId } from '../../platform/crypto.ts';
import type { SocketClose } from '../../platform/events/sockets.ts';
import type { SessionDeps } from '../authenticate.ts';
import type { TrustProxy } from '../deps.ts';
import { type AdmissionDeps, createAdmission } from './admission.ts';
import { fullBucket, packetRate, takeToken } from './budgets.ts';
import { Connection } from './connection.ts';
import { closeDevice, type DeviceDeps, openDevice } from './device.ts';
import { type Handshake, shakeHands } from './handshake.ts';
import type { Connections } from './node.ts';
import { boundedParser } from './parser.ts';
import type { Presence } from './presence.ts';
import { answerRequest, type RequestDeps, refuseRequest } from './requests.ts';
import { closeCodes, closeTransport, endClosed, notePacketBytes } from './transport.ts';

/** The dependencies of Socket.IO. */
export type SocketDeps = AdmissionDeps & SessionDeps & DeviceDeps & RequestDeps;

/** How Socket.IO is served. */
interface SocketOptions {
  /** Returns whose `X-Forwarded-For` is trusted. */
  trust: TrustProxy;
  node: Connections;
  presence: Presence;
  /** Milliseconds since the Unix epoch. */
  now?: () => number;
}

const engineOptions = {
  transports: ['websocket' as const],
  allowUpgrades: false,
  // a message for six devices with 96 KiB each has 786,937 bytes
  maxHttpBufferSize: 1024 * 1024,
  pingInterval: 25_000,
  pingTimeout: 20_000,
  perMessageDeflate: false,
  httpCompression: false as const,
};

const serverOptions = {
  path: '/socket.io',
  serveClient: false,
  connectTimeout: 10_000,
  cleanupEmptyChildNamespaces: true,
  parser: boundedParser,
};

/** How often the end of a drain is looked for. */
const drainStepMs = 50;

/**
 * Serves Socket.IO on a server. Its disposal drains the connections over `SOCKET_DRAIN_SECONDS`.
 */
export async function openSockets(
  deps: SocketDeps,
  server: HttpServer,
  { trust, node, presence, now = () => Date.now() }: SocketOptions,
): Promise<AsyncDisposable> {
  let isDraining = false;
  const admission = createAdmission(deps, trust, () => isDraining);
  const engine = new Engine(engineOptions);
  const io = new Server(serverOptions);
  const handshakes = new WeakMap<Socket, Handshake>();
  boundTransports(engine, now);
  io.bind(engine);
  io.use((socket, next) => {
    void shakeHands(deps, socket, { caller: admission.callerOf(socket.request), node, isDraining }).then(
      (handshake) => {
        handshakes.set(socket, handshake);
        next();
      },
      (err: Error) => {
        next(err);
        // after the packet that tells it
        setImmediate(() => setImmediate(() => socket.conn.close()));
      },
    );
  });
  io.on('connection', (socket) => {
    const handshake = handshakes.get(socket);
    if (handshake !== undefined) void connect(deps, { socket, handshake, node, presence, now });
  });
  server.on('upgrade', (req: IncomingMessage, socket, head) => {
    void admission.admit(req, socket, () => engine.handleUpgrade(req, socket, head));
  });
  deps.events.socketsServed(deps.config.SOCKETS_MAX);
  return {
    async [Symbol.asyncDispose]() {
      isDraining = true;
      await drain(deps, node, now);
      await io.close();
      admission.endAll();
    },
  };
}

/** Closes connections that send more packets of any kind than a client has reason to, and ends those that are closed. */
function boundTransports(engine: Engine, now: () => number): void {
  engine.on('connection', (conn: Socket['conn']) => {
    const budget = fullBucket(packetRate, now());
    const count = () => {
      if (takeToken(budget, packetRate, now())) return;
      conn.off('packet', count);
      closeTransport(conn, closeCodes.policyViolation, 'flood');
    };
    conn.on('packet', count);
    conn.once('close', () => endClosed(conn));
    notePacketBytes(conn);
  });
}

/** What a new connection belongs to. */
interface Accepted {
  socket: Socket;
  handshake: Handshake;
  node: Connections;
  presence: Presence;
  now: () => number;
}

/** Serves a connection until it ends. Never rejects. */
async function connect(deps: SocketDeps, { socket, handshake, node, presence, now }: Accepted): Promise<void> {
  const connection = new Connection({
    ...handshake,
    connectionId: newId().slice(0, 16),
    socket,
    userBudget: node.budgetOf(handshake.session.userId),
    answer: (live, request) => answerRequest(deps, live, request),
    refuse: (request) => refuseRequest(deps, request),
    follow: (live, userIds) => presence.replace(live, userIds),
    now,
  });
  const earlier = node.of(connection.userId);
  node.add(connection);
  deps.events.socketOpened();
  // a device is told by its lease; a session without one has no lease
  for (const one of earlier) if (isSameSession(one, connection)) one.end('replaced');
  const ended = new Promise<string>((resolve) => socket.once('disconnect', resolve));
  socket.onAny((...values: unknown[]) => connection.receive(values));
  const opened = openDevice(deps, connection, node.nodeId).catch((err: unknown) => {
    deps.events.dependencyFailed(err);
    connection.close('error');
  });
  const why = await ended;
  deps.events.socketClosed(connection.closeReason ?? closeOf(why));
  // a client that ends only the namespace keeps the transport
  socket.conn.close();
  // releases a backlog that waits for its client
  await connection.delivery?.close();
  await opened;
  await presence.remove(connection).catch(() => undefined);
  // what is not given up ends by itself
  await closeDevice(deps, connection, node.nodeId).catch((err: unknown) => deps.events.dependencyFailed(err));
  node.remove(connection);
}

function isSameSession(one: Connection, other: Connection): boolean {
  return one.deviceId === undefined && one.session.sessionId === other.session.sessionId;
}

/** The reasons of Socket.IO, https://socket.io/docs/v4/server-socket-instance/#disconnect */
function closeOf(why: string): SocketClose {
  if (why === 'client namespace disconnect' || why === 'transport close') return 'client';
  return why === 'parse error' || why === 'forced server close' ? 'malformed' : 'lost';
}

/**
 * Tells each client when to reconnect, at a random instant of the drain, and closes it then. Resolves when every connection
 * has ended and its lease with it.
 */
async function drain(
  { config, events }: Pick<SocketDeps, 'config' | 'events'>,
  node: Connections,
  now: () => number,
): Promise<void> {
  const open = node.all();
  const seconds = config.SOCKET_DRAIN_SECONDS;
  events.drainBegan({ clients: open.length, seconds });
  const beganAt = now();
  for (const connection of open) connection.drain(beganAt + Math.random() * seconds * 1000);
  let closed = 0;
  while (node.all().length > 0) {
    for (const connection of node.all()) {
      const wasOpen = connection.isOpen;
      // a handshake that was in progress
      connection.drain(now());
      connection.tick();
      if (wasOpen && !connection.isOpen) closed += 1;
    }
    await new Promise((resolve) => setTimeout(resolve, drainStepMs));
  }
  events.drainEnded({ closed });
}
