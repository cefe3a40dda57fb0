/**
 * A connection of a user: its requests in their order, its budgets, the life of its token and its end.
 *
 * A request is answered before the next one of the connection begins, so that requests take effect in the order in which
 * they were sent. How many wait is bounded, and so is what waits to be written.
 */
import type { Socket } from 'socket.io';
import type { SocketAnswer } from '../../contract/socket-events.ts';
import type { AuthSession, ConnectionEnd } from '../../domain/session.ts';
import type { SocketClose } from '../../platform/events/sockets.ts';
import type { Caller } from '../deps.ts';
import { type Bucket, fullBucket, refusalRate, requestRate, takeToken, userRate } from './budgets.ts';
import type { Delivery, Emit } from './delivery.ts';
import { abort, closeCodes, closeTransport, unwrittenBytes } from './transport.ts';

/** A request as it was received: the values of its packet, without the acknowledgement. */
export interface ReceivedRequest {
  event: unknown;
  values: readonly unknown[];
}

/** What a connection needs of its server. */
export interface ConnectionOptions {
  connectionId: string;
  socket: Socket;
  session: AuthSession;
  /** When its token expires, in milliseconds since the Unix epoch. */
  expiresAt: number;
  caller: Caller;
  /** The budget of its user in this process. */
  userBudget: Bucket;
  /** Answers a request. Never rejects. */
  answer: (connection: Connection, request: ReceivedRequest) => Promise<SocketAnswer<unknown>>;
  /** Returns the answer to a request that exceeds a budget. */
  refuse: (request: ReceivedRequest) => SocketAnswer<unknown>;
  follow: (connection: Connection, userIds: readonly string[]) => Promise<void>;
  now: () => number;
}

/** Requests of a connection that wait for those before them. */
const waitingMax = 128;
/** What may wait to be written to a connection. */
const unwrittenMax = 4 * 1024 * 1024;
/** How long before the end of the token its client is told. */
const expiringMs = 60_000;
/** How long after the end of the token the connection is closed. */
const graceMs = 30_000;
/** How long a connection that is drained waits for its requests. */
const requestsMs = 5000;

type Acknowledge = (answer: SocketAnswer<unknown>) => void;

/** A connection. A class, because a process has thousands of them. */
export class Connection {
  readonly connectionId: string;
  readonly userId: string;
  readonly deviceId: string | undefined;
  readonly caller: Caller;
  /** Its inbox; undefined for a session without a device. */
  delivery: Delivery | undefined;
  /** Its device is connected here, as far as is known. */
  hasLease = false;
  /** Why it ends, if the server ended it. */
  closeReason: SocketClose | undefined;
  #session: AuthSession;
  #expiresAt: number;
  #isExpiringTold = false;
  #drainAt: number | undefined;
  readonly #options: ConnectionOptions;
  readonly #requests: Bucket;
  readonly #refusals: Bucket;
  #waiting: [ReceivedRequest, Acknowledge][] = [];
  #isAnswering = false;

  constructor(options: ConnectionOptions) {
    const { connectionId, session, expiresAt, caller, now } = options;
    this.#options = options;
    this.connectionId = connectionId;
    this.userId = session.userId;
    this.deviceId = session.deviceId;
    this.caller = caller;
    this.#session = session;
    this.#expiresAt = expiresAt;
    this.#requests = fullBucket(requestRate, now());
    this.#refusals = fullBucket(refusalRate, now());
  }

  get session(): AuthSession {
    return this.#session;
  }

  /** Milliseconds since the Unix epoch. */
  now(): number {
    return this.#options.now();
  }

  get isOpen(): boolean {
    return this.#options.socket.connected && this.closeReason === undefined;
  }

  /** Emits an announcement. A client that does not read is disconnected. */
  readonly emit: Emit = (event, payload, acknowledged) => {
    const { socket } = this.#options;
    if (!this.isOpen) return;
    if (acknowledged === undefined) socket.emit(event, payload);
    else socket.emit(event, payload, () => acknowledged());
    this.#boundUnwritten();
  };

  /** Takes the values of an event, the acknowledgement last if there is one. */
  receive(values: readonly unknown[]): void {
    const last = values.at(-1);
    const hasAcknowledge = typeof last === 'function';
    const [event, ...rest] = hasAcknowledge ? values.slice(0, -1) : values;
    const request = { event, values: rest };
    const acknowledge: Acknowledge = hasAcknowledge ? (last as Acknowledge) : () => undefined;
    if (this.#isWithinBudget()) this.#enqueue(request, acknowledge);
    else this.#refuse(request, acknowledge);
  }

  /** Follows these users instead of those before. */
  follow(userIds: readonly string[]): Promise<void> {
    return this.#options.follow(this, userIds);
  }

  /** Messages were removed from the inbox of its device by a request. */
  release(messageIds: readonly string[]): void {
    this.delivery?.release(messageIds);
  }

  /** Continues with another token of the session. */
  renew(session: AuthSession, expiresAt: number): void {
    this.#session = session;
    this.#expiresAt = Math.max(expiresAt, this.#expiresAt);
    this.#isExpiringTold = false;
  }

  /** Lets the client reconnect at an instant, at which the connection is closed. The first instant counts. */
  drain(at: number): void {
    if (this.#drainAt !== undefined) return;
    this.#drainAt = at;
    this.emit('server:draining', { reconnectAfterMs: Math.max(0, Math.round(at - this.#options.now())) });
  }

  /** Does what is due by the clock. */
  tick(): void {
    const now = this.#options.now();
    // each of them does nothing once the connection is closed
    if (now >= this.#expiresAt + graceMs) this.end('expired');
    if (this.delivery?.isStalled()) this.close('unacknowledged');
    if (this.#isDrained(now)) this.close('draining');
    this.#boundUnwritten();
    if (this.#isExpiringTold || now < this.#expiresAt - expiringMs) return;
    this.#isExpiringTold = true;
    this.emit('session:expiring', { expiresAt: new Date(this.#expiresAt).toISOString() });
  }

  /** Tells the client why its connection ends, and ends it. A client does not reconnect by itself after that. */
  end(reason: ConnectionEnd): void {
    if (!this.isOpen) return;
    const { socket } = this.#options;
    this.emit('session:ended', { reason });
    this.closeReason = reason;
    const { conn } = socket;
    socket.disconnect();
    closeTransport(conn, closeCodes.normal, reason);
  }

  /** Closes the connection; the client may reconnect and goes on where it was. */
  close(reason: Exclude<SocketClose, ConnectionEnd>): void {
    if (!this.isOpen) return;
    this.closeReason = reason;
    const { conn } = this.#options.socket;
    if (reason === 'unwritten') abort(conn);
    else closeTransport(conn, codeOf(reason), reason);
  }

  #isWithinBudget(): boolean {
    const now = this.#options.now();
    return (
      this.#waiting.length < waitingMax &&
      takeToken(this.#requests, requestRate, now) &&
      takeToken(this.#options.userBudget, userRate, now)
    );
  }

  #refuse(request: ReceivedRequest, acknowledge: Acknowledge): void {
    if (!takeToken(this.#refusals, refusalRate, this.#options.now())) this.close('flood');
    else acknowledge(this.#options.refuse(request));
  }

  #enqueue(request: ReceivedRequest, acknowledge: Acknowledge): void {
    this.#waiting.push([request, acknowledge]);
    if (!this.#isAnswering) void this.#answerAll();
  }

  async #answerAll(): Promise<void> {
    this.#isAnswering = true;
    for (let next = this.#waiting.shift(); next !== undefined; next = this.#waiting.shift()) {
      const [request, acknowledge] = next;
      // a request that waits when its connection ends is not executed: its client does not know whether it was
      if (this.#options.socket.connected) acknowledge(await this.#options.answer(this, request));
    }
    this.#isAnswering = false;
    this.#boundUnwritten();
  }

  #isDrained(now: number): boolean {
    const at = this.#drainAt;
    return at !== undefined && now >= at && (!this.#isAnswering || now >= at + requestsMs);
  }

  #boundUnwritten(): void {
    if (this.isOpen && unwrittenBytes(this.#options.socket.conn) > unwrittenMax) this.close('unwritten');
  }
}

function codeOf(reason: Exclude<SocketClose, ConnectionEnd>): number {
  if (reason === 'draining' || reason === 'lost') return closeCodes.serviceRestart;
  return reason === 'error' ? closeCodes.internalError : closeCodes.policyViolation;
}
