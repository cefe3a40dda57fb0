/** The messages that were emitted to a client and that it has not acknowledged. */
import type { InboxMessage } from '../../domain/message.ts';

/** The most that a window has, in messages and in bytes of their contents in base64. */
export const windowMax = { count: 64, bytes: 1024 * 1024 };
/** With less than this in it, more is read; otherwise each acknowledgement would lead to a read. */
const refillBelow = { count: windowMax.count / 2, bytes: windowMax.bytes / 2 };
/** How long a client may take for an acknowledgement. */
const acknowledgeMs = 60_000;

/** The window of a connection. A class, because a process has one for each of thousands of connections. */
export class Window {
  readonly #sizes = new Map<string, number>();
  #bytes = 0;
  #progressAt = 0;
  #whenEmpty: (() => void) | undefined;

  /** What there is room for. */
  get room(): { count: number; bytes: number } {
    return { count: windowMax.count - this.#sizes.size, bytes: windowMax.bytes - this.#bytes };
  }

  get hasRoom(): boolean {
    return this.#sizes.size < windowMax.count && this.#bytes < windowMax.bytes;
  }

  get isRefillable(): boolean {
    return this.#sizes.size < refillBelow.count && this.#bytes < refillBelow.bytes;
  }

  /** Adds messages that are emitted now. */
  add(messages: readonly InboxMessage[], now: number): void {
    if (this.#sizes.size === 0) this.#progressAt = now;
    for (const { messageId, content } of messages) {
      this.#sizes.set(messageId, content.length);
      this.#bytes += content.length;
    }
  }

  /** Removes messages, and returns those that were in it. */
  remove(messageIds: readonly string[], now: number): string[] {
    const removed = messageIds.filter((messageId) => this.#sizes.has(messageId));
    for (const messageId of removed) {
      this.#bytes -= this.#sizes.get(messageId) ?? 0;
      this.#sizes.delete(messageId);
    }
    if (removed.length > 0) this.#progressAt = now;
    if (this.#sizes.size === 0) this.release();
    return removed;
  }

  /** Resolves when the window is empty, or released. */
  emptied(): Promise<void> {
    if (this.#sizes.size === 0) return Promise.resolve();
    return new Promise((resolve) => {
      this.#whenEmpty = resolve;
    });
  }

  /** Ends the wait of `emptied`. */
  release(): void {
    this.#whenEmpty?.();
    this.#whenEmpty = undefined;
  }

  /** Returns whether the client has acknowledged nothing for a minute, although it owes an acknowledgement. */
  isStalled(now: number): boolean {
    return this.#sizes.size > 0 && now - this.#progressAt >= acknowledgeMs;
  }
}
