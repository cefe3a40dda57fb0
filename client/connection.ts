/**
 * The connection of a client by Socket.IO: kept from `start` to `stop`. It is opened again after a random time that grows
 * with each failure (full jitter: https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter), at once when a
 * browser says that the page is visible or the network is back, and with another access token when the server refuses one.
 */
import { io, type Socket } from 'socket.io-client';
import type { ClientToServerEvents, ServerToClientEvents, SocketRequest } from '../contract/socket-events.ts';
import type { ClientDeps } from './deps.ts';
import { errorFrom, hasCode, toVyryError, VyryError } from './errors.ts';
import type { StatusSource } from './status.ts';

/** A socket with the events of contract/. */
export type VyrySocket = Socket<ServerToClientEvents, ClientToServerEvents>;

type Body<E extends SocketRequest> = Parameters<ClientToServerEvents[E]>[0];
type Data<E extends SocketRequest> = Extract<Parameters<Parameters<ClientToServerEvents[E]>[1]>[0], { data: unknown }>['data'];

/** What a connection needs. */
export interface ConnectionDeps extends Pick<ClientDeps, 'origin' | 'session' | 'closing' | 'events' | 'tasks' | 'now'> {
  status: StatusSource;
  /** Adds the listeners of a new socket. */
  listen(socket: VyrySocket): void;
}

/** The connection. */
export interface Connection {
  start(): void;
  /** Ends the connection, and sets the status. */
  stop(status: Parameters<StatusSource['set']>[0]): void;
  /** `start` was called, and nothing has ended it. */
  readonly isKept: boolean;
  readonly isOpen: boolean;
  /** Makes a request. @throws {VyryError} UNREACHABLE without an answer, or what the server answers */
  request<E extends SocketRequest>(event: E, body: Body<E>): Promise<Data<E>>;
  /** Ends the socket: what it has delivered was not acknowledged and comes again. */
  drop(): void;
}

const handshakeMs = 20_000;
const answerMs = 20_000;
const checkMs = 5000;
const backoffMs = 1000;
const backoffMaxMs = 30_000;
/** A connection that ends earlier counts as one that failed. */
const stableMs = 10_000;

/** How a connection ended. */
interface Ended {
  /** It was open for a while: the next one is tried soon. */
  wasStable?: boolean;
  error?: VyryError;
  /** The token that the handshake was refused for. */
  refusedToken?: string;
}

/** Creates a connection that is not kept yet. */
export function createConnection(deps: ConnectionDeps): Connection {
  const { closing, tasks, status, now } = deps;
  let isKept = false;
  let isRunning = false;
  let socket: VyrySocket | undefined;
  let endSocket: ((ended: Ended) => void) | undefined;
  let waking = new AbortController();

  /** Opens one connection after the other. */
  async function run(): Promise<void> {
    for (let attempt = 0; isKept; attempt += 1) {
      status.set({ kind: 'connecting' });
      const { wasStable, error, refusedToken } = await connectOnce();
      if (!isKept) return;
      if (hasCode(error, 'SIGNED_OUT')) return connection.stop({ kind: 'signed-out' });
      if (wasStable) attempt = 0;
      if (refusedToken !== undefined && attempt === 0) continue;
      status.set({ kind: 'offline', since: now(), reason: 'unreachable' });
      if (error && !hasCode(error, 'UNREACHABLE', 'UNAVAILABLE')) deps.events.emit('error', error);
      const jitterMs = Math.random() * Math.min(backoffMaxMs, backoffMs * 2 ** attempt);
      await closing.delay((error?.retryAfterSeconds ?? 0) * 1000 + jitterMs, waking.signal);
      waking = new AbortController();
    }
  }

  /** Resolves when the connection has ended, whyever. */
  async function connectOnce(): Promise<Ended> {
    try {
      const token = await deps.session.accessToken();
      if (!isKept) return {};
      const ended = await openSocket(token);
      if (ended.refusedToken !== undefined) await deps.session.renewedToken(token);
      return ended;
    } catch (err) {
      return { error: toVyryError(err) };
    }
  }

  function openSocket(token: string): Promise<Ended> {
    const opened: VyrySocket = io(deps.origin, {
      transports: ['websocket'],
      auth: { token },
      timeout: handshakeMs,
      reconnection: false,
      forceNew: true,
      autoConnect: false,
    });
    socket = opened;
    const session = { socket: opened, token };
    return new Promise<Ended>((resolve) => {
      let openedAt = Number.POSITIVE_INFINITY;
      // a socket that is closed before it was open emits nothing
      endSocket = resolve;
      opened.on('connect', () => {
        openedAt = now();
      });
      opened.on('connect_error', (err) => resolve(refusalOf(err, token)));
      opened.on('disconnect', () => resolve({ wasStable: now() - openedAt >= stableMs }));
      opened.on('session:expiring', () => tasks.run(() => renew(session)));
      deps.listen(opened);
      opened.connect();
    }).finally(() => {
      opened.off();
      opened.disconnect();
      socket = undefined;
    });
  }

  /** Continues a connection with another token. Without one the server closes it, and the next one tells why. */
  async function renew(session: { socket: VyrySocket; token: string }): Promise<void> {
    session.token = await deps.session.renewedToken(session.token);
    await ask(session.socket, 'auth:renew', { accessToken: session.token }, answerMs);
  }

  /** Asks the server for any answer: a socket that died while the computer slept does not say so. */
  async function check(): Promise<void> {
    waking.abort();
    const checked = socket;
    if (!checked?.connected) return;
    const accessToken = await deps.session.accessToken();
    await ask(checked, 'auth:renew', { accessToken }, checkMs).catch(() => endSocket?.({}));
  }

  watchPage(() => tasks.run(check), closing.signal);
  const connection: Connection = {
    start() {
      isKept = true;
      waking.abort();
      if (isRunning) return;
      isRunning = true;
      tasks.run(() =>
        run().finally(() => {
          isRunning = false;
          if (isKept && !closing.signal.aborted) connection.start();
        }),
      );
    },
    stop(last) {
      isKept = false;
      waking.abort();
      endSocket?.({});
      status.set(last);
    },
    get isKept() {
      return isKept;
    },
    get isOpen() {
      return socket?.connected === true;
    },
    async request(event, body) {
      if (!socket?.connected) throw new VyryError('UNREACHABLE', 'There is no connection');
      return await ask(socket, event, body, answerMs);
    },
    drop: () => endSocket?.({}),
  };
  return connection;
}

/** Makes a request. @throws {VyryError} */
async function ask<E extends SocketRequest>(
  socket: VyrySocket,
  event: E,
  body: Body<E>,
  timeoutMs: number,
): Promise<Data<E>> {
  type Answer = { data: Data<E> } | { error: Record<string, unknown> };
  const asking = socket.timeout(timeoutMs) as unknown as { emitWithAck(event: E, body: Body<E>): Promise<Answer> };
  const answer = await asking.emitWithAck(event, body).catch((cause: unknown) => {
    throw new VyryError('UNREACHABLE', 'The server did not answer', { cause });
  });
  if ('error' in answer) throw errorFrom(answer.error);
  return answer.data;
}

/** Reads why a connection was refused: the middleware of the server sends the error of REST. */
function refusalOf(err: Error & { data?: unknown }, token: string): Pick<Ended, 'error' | 'refusedToken'> {
  const { data } = err;
  if (typeof data !== 'object' || data === null)
    return { error: new VyryError('UNREACHABLE', 'The server cannot be reached', { cause: err }) };
  const error = errorFrom(data as Record<string, unknown>);
  return hasCode(error, 'INVALID_TOKEN', 'UNAUTHORIZED') ? { refusedToken: token } : { error };
}

/** The parts of a browser that tell when a page can reach the network again. */
interface Page {
  addEventListener?: (event: string, listener: () => void) => void;
  removeEventListener?: (event: string, listener: () => void) => void;
  document?: Pick<Required<Page>, 'addEventListener' | 'removeEventListener'> & { visibilityState: string };
}

/** Calls a function when the page becomes visible, and when the network is back, until a signal. */
function watchPage(check: () => void, signal: AbortSignal): void {
  const page = globalThis as Page;
  const whenVisible = () => {
    if (page.document?.visibilityState === 'visible') check();
  };
  page.addEventListener?.('online', check);
  page.document?.addEventListener('visibilitychange', whenVisible);
  const stop = () => {
    page.removeEventListener?.('online', check);
    page.document?.removeEventListener('visibilitychange', whenVisible);
  };
  signal.addEventListener('abort', stop, { once: true });
}
