/**
 * The inbox of a device, delivered to its connection: first what waited, in pages, then each message as it is stored.
 *
 * Terminology
 * - cursor: the id of the last message that was emitted, or of a later one that is gone. Everything before it was emitted.
 * - in step: a published message follows the one at the cursor, so it is emitted without reading the inbox.
 *
 * A publication may be lost, come twice or overtake another one. Whatever is not in step is read from the inbox, which has
 * every message until it is acknowledged. So a connection gets each message at most once, in the order of the ids.
 */
import type { OpenedInbox } from '../../adapters/redis/inbox-connections.ts';
import type { Delivery as Published } from '../../adapters/redis/node-channel.ts';
import type { ServerToClientEvents } from '../../contract/socket-events.ts';
import { compareMessageIds, type DeviceAddress, type InboxMessage, takenAt } from '../../domain/message.ts';
import type { ApiDeps } from '../deps.ts';
import { readInbox } from '../inbox.ts';
import { type AcknowledgeDeps, removeMessages } from '../messages/acknowledge.ts';
import { gapView, messageView } from '../messages/views.ts';
import { Window, windowMax } from './window.ts';

/** The dependencies of deliveries. */
export type DeliveryDeps = AcknowledgeDeps & Pick<ApiDeps, 'events'>;

/** Emits an announcement to a client, which may acknowledge it. */
export type Emit = <E extends keyof ServerToClientEvents>(
  event: E,
  payload: Parameters<ServerToClientEvents[E]>[0],
  acknowledged?: () => void,
) => void;

/** What a delivery needs of its connection. */
interface Outlet {
  emit: Emit;
  /** The inbox cannot be read: the connection cannot go on. */
  onFailure: (err: unknown) => void;
  /** Milliseconds of any clock. */
  now: () => number;
}

/**
 * The delivery to a connection. It notes what is published from its creation on, and emits nothing before `begin`. A class,
 * because a process has one for each of thousands of connections.
 */
export class Delivery {
  readonly #deps: DeliveryDeps;
  readonly #device: DeviceAddress;
  readonly #outlet: Outlet;
  readonly #window = new Window();
  readonly #acknowledgements: Acknowledgements;
  #cursor = '';
  /** The latest message that is known, emitted or not. */
  #latest = '';
  #state: 'backlog' | 'live' | 'closed' = 'backlog';
  #mustRead = false;
  #isReading = false;

  constructor(deps: DeliveryDeps, device: DeviceAddress, outlet: Outlet) {
    this.#deps = deps;
    this.#device = device;
    this.#outlet = outlet;
    this.#acknowledgements = new Acknowledgements(deps, device);
  }

  /**
   * Delivers what waited, then tells the gap and the end of the backlog. From then on each message is delivered as it is
   * stored. Resolves when the backlog is delivered, or the connection has ended.
   */
  async begin({ last = '', archive, gap }: OpenedInbox): Promise<void> {
    this.#noteLatest(last);
    const read = archive === undefined ? () => this.#readStream(windowMax) : () => this.#readWhole();
    // whatever is published during a read that finds nothing is found by the next one
    for (let known: string | undefined; !this.#isClosed && known !== this.#latest; ) {
      known = this.#latest;
      await this.#emitPages(read);
    }
    if (this.#isClosed) return;
    if (this.#isBehind) this.#cursor = this.#latest;
    if (gap !== undefined) this.#outlet.emit('inbox:gap', gapView(gap));
    this.#outlet.emit('inbox:drained', {});
    this.#state = 'live';
    if (gap === undefined) return;
    this.#deps.events.gapTold(this.#device, gap);
    await this.#deps.inboxes.clearGap(this.#device, gap);
  }

  /** Takes what was published for the device. */
  receive(published: Published): void {
    if (published.kind === 'check') this.check();
    else if (published.kind === 'online') this.#receiveOnline(published.message);
    else this.#receiveStored(published.message, published.previousId);
  }

  /** Reads the inbox, because publications may have been lost. */
  check(): void {
    this.#mustRead = true;
    void this.#catchUp();
  }

  /** Takes messages out of the window that a request of the client has removed from the inbox. */
  release(messageIds: readonly string[]): string[] {
    const released = this.#window.remove(messageIds, this.#outlet.now());
    if (this.#window.isRefillable) void this.#catchUp();
    return released;
  }

  /** Returns whether the client has acknowledged nothing for too long. */
  isStalled(): boolean {
    return this.#window.isStalled(this.#outlet.now());
  }

  /** Ends the delivery; resolves when what was acknowledged is removed from the inbox. */
  async close(): Promise<void> {
    this.#state = 'closed';
    this.#window.release();
    await this.#acknowledgements.done();
  }

  get #isClosed(): boolean {
    return this.#state === 'closed';
  }

  get #after(): string | undefined {
    return this.#cursor === '' ? undefined : this.#cursor;
  }

  get #isBehind(): boolean {
    return compareMessageIds(this.#latest, this.#cursor) > 0;
  }

  #noteLatest(messageId: string): void {
    if (compareMessageIds(messageId, this.#latest) > 0) this.#latest = messageId;
  }

  /** A message that is not stored is lost where the client is not ready for it. */
  #receiveOnline(message: InboxMessage): void {
    if (this.#state === 'live') this.#outlet.emit('message:new', messageView(message));
  }

  #receiveStored(message: InboxMessage, previousId: string): void {
    const isInStep = previousId === this.#cursor && compareMessageIds(message.messageId, this.#cursor) > 0;
    this.#noteLatest(message.messageId);
    if (this.#state === 'live' && !this.#isReading && isInStep && this.#window.hasRoom) this.#emitNew(message);
    else void this.#catchUp();
  }

  #readStream(room: { count: number; bytes: number }): Promise<InboxMessage[]> {
    return this.#deps.inboxes.read(this.#device, { after: this.#after, ...room });
  }

  /** With the archive, to which nothing moves while the device is connected. */
  #readWhole(): Promise<InboxMessage[]> {
    return readInbox(this.#deps, this.#device, { after: this.#after, ...windowMax });
  }

  /** Emits pages until a read finds nothing, each when the one before it is acknowledged. */
  async #emitPages(read: () => Promise<InboxMessage[]>): Promise<void> {
    while (!this.#isClosed) {
      const messages = await read();
      if (messages.length === 0 || this.#isClosed) return;
      const messageIds = this.#hold(messages);
      const page = { messages: messages.map(messageView), more: this.#isBehind };
      this.#outlet.emit('inbox:page', page, () => this.#acknowledge(messageIds));
      this.#deps.events.inboxRead(messages.length, 'backlog');
      await this.#window.emptied();
    }
  }

  #emitNew(message: InboxMessage): void {
    const messageIds = this.#hold([message]);
    this.#outlet.emit('message:new', messageView(message), () => this.#acknowledge(messageIds));
    this.#deps.events.messageDelivered((Date.now() - takenAt(message.messageId)) / 1000);
  }

  /** Adds messages to the window, moves the cursor behind them and returns their ids. */
  #hold(messages: readonly InboxMessage[]): string[] {
    this.#window.add(messages, this.#outlet.now());
    const messageIds = messages.map(({ messageId }) => messageId);
    this.#cursor = messageIds.at(-1) ?? this.#cursor;
    this.#noteLatest(this.#cursor);
    return messageIds;
  }

  #acknowledge(messageIds: readonly string[]): void {
    const released = this.release(messageIds);
    if (released.length > 0) this.#acknowledgements.add(released);
  }

  /** Emits what is not in step, one run at a time. */
  async #catchUp(): Promise<void> {
    if (this.#state !== 'live' || this.#isReading) return;
    this.#isReading = true;
    try {
      while (this.#window.hasRoom && (this.#mustRead || this.#isBehind)) await this.#emitNext();
    } catch (err) {
      this.#outlet.onFailure(err);
    } finally {
      this.#isReading = false;
    }
  }

  async #emitNext(): Promise<void> {
    const known = this.#latest;
    this.#mustRead = false;
    const messages = await this.#readStream(this.#window.room);
    if (this.#isClosed) return;
    for (const message of messages) this.#emitNew(message);
    // the rest was removed by another request
    if (messages.length === 0 && compareMessageIds(known, this.#cursor) > 0) this.#cursor = known;
  }
}

/** Removes acknowledged messages from an inbox, those of a turn of the event loop together. */
class Acknowledgements {
  readonly #deps: AcknowledgeDeps;
  readonly #device: DeviceAddress;
  #waiting: string[] = [];
  #removing: Promise<void> | undefined;

  constructor(deps: AcknowledgeDeps, device: DeviceAddress) {
    this.#deps = deps;
    this.#device = device;
  }

  add(messageIds: readonly string[]): void {
    this.#waiting.push(...messageIds);
    this.#removing ??= this.#removeAll();
  }

  /** Resolves when everything that was added is removed. */
  async done(): Promise<void> {
    await this.#removing;
  }

  async #removeAll(): Promise<void> {
    while (this.#waiting.length > 0) {
      // the other acknowledgements of this turn come too
      await new Promise((resolve) => setImmediate(resolve));
      const messageIds = this.#waiting;
      this.#waiting = [];
      // what is not removed comes again with the next connection
      await removeMessages(this.#deps, this.#device, messageIds).catch(() => undefined);
    }
    this.#removing = undefined;
  }
}
