/**
 * What a flow asks of outside systems. While one is away the flow is parked: it says what it waits for, tries again by
 * itself, and an operator may have it try at once.
 */
import { condition } from '@temporalio/workflow';
import { retryPauseSeconds, type WaitingFor } from '../domain/registration.ts';
import type { DependencyCall } from './details.ts';
import { isOutage, whyOf } from './refusals.ts';

/** The flow behind them. */
export interface CallingExecution {
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
export class DependencyCalls {
  /** Systems that are away. */
  readonly unavailable = new Set<WaitingFor>();
  readonly all = new Set<DependencyCall>();
  readonly #execution: CallingExecution;

  constructor(execution: CallingExecution) {
    this.#execution = execution;
  }

  /**
   * Does something as soon as its system is there: parks the flow while it is not. Undefined when it is no longer
   * wanted by then.
   */
  async callWhenAvailable<T>(
    system: WaitingFor,
    act: () => Promise<T>,
    isUnwanted: () => boolean = () => this.#execution.isOver(),
  ): Promise<T | undefined> {
    const asked = this.#begin(system);
    try {
      while (!isUnwanted()) {
        try {
          const result = await act();
          this.all.delete(asked);
          if (asked.waitingSince !== undefined) await this.#endWaiting(system);
          return result;
        } catch (err) {
          if (!isOutage(err)) throw err;
          asked.why = whyOf(err);
          asked.tries++;
        }
        if (isUnwanted()) break;
        asked.waitingSince ??= Date.now();
        await this.#beginWaiting(system);
        const pauseMs = retryPauseSeconds(system, asked.tries - 1, (Date.now() - asked.waitingSince) / 1000) * 1000;
        asked.nextTryAt = Date.now() + pauseMs;
        this.#execution.show();
        await condition(() => isUnwanted() || asked.isRetryRequested, pauseMs);
        asked.nextTryAt = undefined;
        asked.isRetryRequested = false;
      }
      if (asked.waitingSince !== undefined) this.unavailable.delete(system);
      return undefined;
    } finally {
      this.all.delete(asked);
      this.#execution.show();
    }
  }

  /** As `callWhenAvailable`, for what has to be taken back even when the flow is over. */
  async callUntilDone(system: WaitingFor, act: () => Promise<void>): Promise<void> {
    await this.callWhenAvailable(system, act, () => false);
  }

  /** Ends every pause. A try that is under way may have begun before its system was back: another follows it at once. */
  retryNow(): void {
    for (const asked of this.all) asked.isRetryRequested = true;
  }

  /** Tells whether something has failed and will be tried again. */
  hasFailed(): boolean {
    return [...this.all].some(({ waitingSince }) => waitingSince !== undefined);
  }

  /** Tells whether a system is being asked right now. */
  isTrying(system: WaitingFor): boolean {
    return [...this.all].some((asked) => asked.system === system && !asked.nextTryAt);
  }

  /** Why a system is away, as its activity said; undefined when it did not say, or is not. */
  whyAway(system: WaitingFor): string | undefined {
    return [...this.all].find((asked) => asked.system === system)?.why;
  }

  #begin(system: WaitingFor): DependencyCall {
    const asked: DependencyCall = {
      system,
      askedAt: Date.now(),
      tries: 0,
      waitingSince: undefined,
      nextTryAt: undefined,
      isRetryRequested: false,
      why: undefined,
    };
    this.all.add(asked);
    this.#execution.show();
    return asked;
  }

  async #beginWaiting(system: WaitingFor): Promise<void> {
    if (this.unavailable.has(system)) return;
    this.unavailable.add(system);
    this.#execution.note(`waiting for ${system}`);
    await this.#execution.announce();
  }

  async #endWaiting(system: WaitingFor): Promise<void> {
    if (!this.unavailable.delete(system)) return;
    this.#execution.resumed();
    this.#execution.note(`no longer waiting for ${system}`);
    await this.#execution.announce();
  }
}
