/**
 * The books of a run with many messages: what each device sent and was answered, and what each device got. A message is
 * named by its sending device and its number, which grows by one for each recipient.
 */

/** The result of a run. */
export interface Balance {
  /** Messages whose send was answered. */
  sent: number;
  /** Answered, and never received. */
  lost: number;
  /** Received under two message ids: the dedupe of a client cannot find them. */
  doubled: number;
  /** Received after a later one of the same sending device. */
  disordered: number;
  /** Received again under the same message id, which the client finds. */
  repeated: number;
}

/** How many message ids a client remembers, as the contract says. */
const rememberedIds = 1000;

/** What one device got, in the order of arrival. */
export class Received {
  readonly #ids = new Set<string>();
  /** By sender: the highest number, and the numbers below it that are missing. */
  readonly #senders = new Map<string, { last: number; missing: Set<number> }>();
  doubled = 0;
  disordered = 0;
  repeated = 0;

  /** Notes a message. */
  note(messageId: string, sender: string, number: number): void {
    if (this.#ids.has(messageId)) {
      this.repeated++;
      return;
    }
    this.#remember(messageId);
    const from = this.#senders.get(sender) ?? { last: 0, missing: new Set() };
    this.#senders.set(sender, from);
    if (number > from.last) {
      for (let between = from.last + 1; between < number; between++) from.missing.add(between);
      from.last = number;
    } else if (from.missing.delete(number)) this.disordered++;
    else this.doubled++;
  }

  /** Returns how many of the messages of a sender, from 1 to the last one that was answered, did not arrive. */
  lostOf(sender: string, answered: number): number {
    const { last = 0, missing = new Set<number>() } = this.#senders.get(sender) ?? {};
    return [...missing].filter((number) => number <= answered).length + Math.max(0, answered - last);
  }

  #remember(messageId: string): void {
    this.#ids.add(messageId);
    if (this.#ids.size <= rememberedIds) return;
    for (const oldest of this.#ids) {
      this.#ids.delete(oldest);
      return;
    }
  }
}
