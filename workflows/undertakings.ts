/**
 * What a flow asks of outside systems. While one is away the flow is parked: it says what it waits for, tries again by
 * itself, and an operator may have it try at once.
 */
import { condition } from '@temporalio/workflow';
import { parkSeconds, type WaitingFor } from '../domain/registration.ts';
import type { Undertaking } from './details.ts';
import { isOutage, whyOf } from './refusals.ts';

/** The flow behind them. */
export interface UndertakingFlow {
  isOver(): boolean;
  /** Adds a line to its timeline. */
  note(text: string): void;
  /** Shows operators where it stands. */
  show(): void;
  /** Publishes where it stands. */
  announce(): Promise<void>;
  /** A system that it was parked for is back. */
  resumed(): void;
}

/** Everything that a flow is asking of outside systems. */
export class Undertakings {
  /** Systems that are away. */
  readonly parked = new Set<WaitingFor>();
  readonly all = new Set<Undertaking>();
  readonly #flow: UndertakingFlow;

  constructor(flow: UndertakingFlow) {
    this.#flow = flow;
  }

  /**
   * Does something as soon as its system is there: parks the flow while it is not. Undefined when it is no longer
   * wanted by then.
   */
  async untilAvailable<T>(
    system: WaitingFor,
    act: () => Promise<T>,
    isUnwanted: () => boolean = () => this.#flow.isOver(),
  ): Promise<T | undefined> {
    const asked = this.#undertake(system);
    try {
      while (!isUnwanted()) {
        try {
          const result = await act();
          this.all.delete(asked);
          if (asked.parkedAt !== undefined) await this.#unpark(system);
          return result;
        } catch (err) {
          if (!isOutage(err)) throw err;
          asked.why = whyOf(err);
          asked.tries++;
        }
        if (isUnwanted()) break;
        asked.parkedAt ??= Date.now();
        await this.#park(system);
        const pauseMs = parkSeconds(system, asked.tries - 1, (Date.now() - asked.parkedAt) / 1000) * 1000;
        asked.nextTryAt = Date.now() + pauseMs;
        this.#flow.show();
        await condition(() => isUnwanted() || asked.isHurried, pauseMs);
        asked.nextTryAt = undefined;
        asked.isHurried = false;
      }
      if (asked.parkedAt !== undefined) this.parked.delete(system);
      return undefined;
    } finally {
      this.all.delete(asked);
      this.#flow.show();
    }
  }

  /** As `untilAvailable`, for what has to be taken back even when the flow is over. */
  async certainly(system: WaitingFor, act: () => Promise<void>): Promise<void> {
    await this.untilAvailable(system, act, () => false);
  }

  /** Ends every pause. A try that is under way may have begun before its system was back: another follows it at once. */
  retry(): void {
    for (const asked of this.all) asked.isHurried = true;
  }

  /** Tells whether something has failed and will be tried again. */
  hasFailed(): boolean {
    return [...this.all].some(({ parkedAt }) => parkedAt !== undefined);
  }

  /** Tells whether a system is being asked right now. */
  isTrying(system: WaitingFor): boolean {
    return [...this.all].some((asked) => asked.system === system && !asked.nextTryAt);
  }

  /** Why a system is away, as its activity said; undefined when it did not say, or is not. */
  whyAway(system: WaitingFor): string | undefined {
    return [...this.all].find((asked) => asked.system === system)?.why;
  }

  #undertake(system: WaitingFor): Undertaking {
    const asked: Undertaking = {
      system,
      askedAt: Date.now(),
      tries: 0,
      parkedAt: undefined,
      nextTryAt: undefined,
      isHurried: false,
      why: undefined,
    };
    this.all.add(asked);
    this.#flow.show();
    return asked;
  }

  async #park(system: WaitingFor): Promise<void> {
    if (this.parked.has(system)) return;
    this.parked.add(system);
    this.#flow.note(`waiting for ${system}`);
    await this.#flow.announce();
  }

  async #unpark(system: WaitingFor): Promise<void> {
    if (!this.parked.delete(system)) return;
    this.#flow.resumed();
    this.#flow.note(`no longer waiting for ${system}`);
    await this.#flow.announce();
  }
}
