/**
 * The connection of a client by Socket.IO: kept from `start` to `stop`. It is opened again after a random time that grows
 * with each failure (full jitter), at once when a browser says that the page is visible or the network is back, and with another access token when the server refuses one.
 */
import { io, type Socket } from 'socket.io-client';
import type { ClientToServerEvents, ServerToClientEvents, SocketRequest } from '../contract/socket-events.ts';
import type { ClientDeps } from './deps.ts';
import { errorFrom, hasCode, toVyryError, VyryError } from './errors.ts';
import { fullJitterMs } from './jitter.ts';
import type { ClientStatus, StatusSource } from './status.ts';

/** A socket with the events of contract/. */
export type VyrySocket = Socket<ServerToClientEvents, ClientToServerEvents>;

type Body<E extends SocketRequest> = Parameters<ClientToServerEvents[E]>[0];
type Data<E extends SocketRequest> = Extract<
  Parameters<Parameters<ClientToServerEvents[E]>[1]>[0],
  { data: unknown }
>['data'];

/** What a connection needs. */
export interface ConnectionDeps
  extends Pick<ClientDeps, 'origin' | 'session' | 'closing' | 'events' | 'tasks' | 'now'> {
  status: StatusSource;
  /** Adds the listeners of a new socket. */
  listen(socket: VyrySocket): void;
}

const handshakeMs = 20_000;
const answerMs = 20_000;
const checkMs = 5000;
const backoff = { baseMs: 1000, maxMs: 30_000 };
/** A connection that ends earlier counts as one that failed. */
const stableMs = 10_000;

/** How a connection ended. */
interface Ended {
  /** It was open for a while: the next one is tried soon. */
  wasStable?: boolean;
  error?: VyryError;
  isTokenRefused?: boolean;
  /** There is another token since. */
  isRenewed?: boolean;
}

/** The connection. It is not kept before `start`. */
export class Connection {
  readonly #deps: ConnectionDeps;
  #isKept = false;
  #isRunning = false;
  #socket: VyrySocket | undefined;
  /** Ends the socket: one that is closed before it was open emits nothing. */
  #end: (() => void) | undefined;
  #waking = new AbortController();

  constructor(deps: ConnectionDeps) {
    this.#deps = deps;
    watchPage(() => deps.tasks.run(() => this.#check()), deps.closing.signal);
  }

  /** `start` was called, and nothing has ended it. */
  get isKept(): boolean {
    return this.#isKept;
  }

  get isOpen(): boolean {
    return this.#socket?.connected === true;
  }

  /** Keeps a connection. */
  start(): void {
    this.#isKept = true;
    this.#waking.abort();
    if (this.#isRunning || this.#deps.closing.signal.aborted) return;
    this.#isRunning = true;
    this.#deps.tasks.run(() => this.#run().finally(() => this.#ended()));
  }

  /** Ends the connection, and sets the status. */
  stop(status: ClientStatus): void {
    this.#isKept = false;
    this.#waking.abort();
    this.drop();
    this.#deps.status.set(status);
  }

  /** Ends the socket: what it has delivered and was not acknowledged comes again with the next one. */
  drop(): void {
    this.#end?.();
  }

  /** Makes a request. @throws {VyryError} UNREACHABLE without an answer, or what the server answers */
  async request<E extends SocketRequest>(event: E, body: Body<E>): Promise<Data<E>> {
    if (!this.#socket?.connected) throw new VyryError('UNREACHABLE', 'There is no connection');
    return await ask(this.#socket, event, body, answerMs);
  }

  /** Opens one connection after the other. */
  async #run(): Promise<void> {
    for (let attempt = 0; this.#isKept; attempt += 1) {
      this.#deps.status.set({ kind: 'connecting' });
      const { wasStable, error, isRenewed } = await this.#connectOnce();
      if (!this.#isKept) return;
      if (error?.code === 'SIGNED_OUT') return this.stop({ kind: 'signed-out' });
      if (wasStable) attempt = 0;
      if (!isRenewed || attempt > 0) await this.#rest(attempt, error);
    }
  }

  /** Waits before the next attempt, unless something says that it may succeed now. */
  async #rest(attempt: number, error: VyryError | undefined): Promise<void> {
    const { closing, status, events, now } = this.#deps;
    status.set({ kind: 'offline', since: now(), reason: 'unreachable' });
    if (error && !hasCode(error, 'UNREACHABLE', 'UNAVAILABLE')) events.emit('error', error);
    const jitterMs = fullJitterMs(attempt, backoff);
    await closing.delay((error?.retryAfterSeconds ?? 0) * 1000 + jitterMs, this.#waking.signal);
    this.#waking = new AbortController();
  }

  /** `start` may have been called after the last round. */
  #ended(): void {
    this.#isRunning = false;
    if (this.#isKept) this.start();
  }

  /** Resolves when the connection has ended, whyever. */
  async #connectOnce(): Promise<Ended> {
    const { session } = this.#deps;
    try {
      const token = await session.accessToken();
      if (!this.#isKept) return {};
      const ended = await this.#openSocket(token);
      if (!ended.isTokenRefused) return ended;
      await session.renewedToken(token);
      return { isRenewed: true };
    } catch (err) {
      return { error: toVyryError(err) };
    }
  }

  #openSocket(token: string): Promise<Ended> {
    const { origin, now, tasks, listen } = this.#deps;
    const socket: VyrySocket = io(origin, {
      transports: ['websocket'],
      auth: { token },
      timeout: handshakeMs,
      reconnection: false,
      forceNew: true,
      autoConnect: false,
    });
    this.#socket = socket;
    const holder = { socket, token };
    return new Promise<Ended>((resolve) => {
      let openedAt = Number.POSITIVE_INFINITY;
      this.#end = () => resolve({});
      socket.on('connect', () => {
        openedAt = now();
      });
      socket.on('connect_error', (err) => resolve(refusalOf(err)));
      socket.on('disconnect', () => resolve({ wasStable: now() - openedAt >= stableMs }));
      socket.on('session:expiring', () => tasks.run(() => this.#renew(holder)));
      listen(socket);
      socket.connect();
    }).finally(() => {
      socket.off();
      socket.disconnect();
      this.#socket = undefined;
      this.#end = undefined;
    });
  }

  /** Continues a connection with another token. Without one the server closes it, and the next one tells why. */
  async #renew(holder: { socket: VyrySocket; token: string }): Promise<void> {
    holder.token = await this.#deps.session.renewedToken(holder.token);
    await ask(holder.socket, 'auth:renew', { accessToken: holder.token }, answerMs);
  }

  /** Asks the server for any answer: a socket that died while the computer slept does not say so. */
  async #check(): Promise<void> {
    this.#waking.abort();
    const [socket, end] = [this.#socket, this.#end];
    if (!socket?.connected) return;
    const accessToken = await this.#deps.session.accessToken();
    await ask(socket, 'auth:renew', { accessToken }, checkMs).catch(() => end?.());
  }
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
function refusalOf(err: Error & { data?: unknown }): Ended {
  const { data } = err;
  if (typeof data !== 'object' || data === null)
    return { error: new VyryError('UNREACHABLE', 'The server cannot be reached', { cause: err }) };
  const error = errorFrom(data as Record<string, unknown>);
  return hasCode(error, 'INVALID_TOKEN', 'UNAUTHORIZED') ? { isTokenRefused: true } : { error };
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
