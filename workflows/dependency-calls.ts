/**
 * Calls from a workflow to its dependencies. While a dependency is unavailable, the workflow waits: it publishes what
 * it waits for and retries automatically, and an operator can make it retry now.
 */
import { condition } from '@temporalio/workflow';
import { type AwaitedSystem, retryPauseSeconds } from '../domain/registration.ts';
import type { DependencyCall } from './details.ts';
import { isOutage, retryAfterOf, whyOf } from './refusals.ts';

/** The workflow execution that makes the calls. */
interface CallingExecution {
  isOver(): boolean;
  /** Adds a line to its timeline. */
  note(text: string): void;
  /** Shows its state to operators. */
  show(): void;
  /** Publishes its state. */
  announce(): Promise<void>;
  /** Called when a dependency that it waited for is available again. */
  resumed(): void;
}

/** All dependency calls of one workflow execution. */
export class DependencyCalls {
  /** Dependencies that are unavailable. */
  readonly unavailable = new Set<AwaitedSystem>();
  /** Calls in progress. */
  readonly all = new Set<DependencyCall>();
  readonly #execution: CallingExecution;

  constructor(execution: CallingExecution) {
    this.#execution = execution;
  }

  /**
   * Runs a call and, while its dependency is unavailable, waits and retries it, no earlier than the dependency asks.
   * Returns undefined when the call becomes unwanted first.
   */
  async callWhenAvailable<T>(
    system: AwaitedSystem,
    act: () => Promise<T>,
    isUnwanted: () => boolean = () => this.#execution.isOver(),
  ): Promise<T | undefined> {
    const asked = this.#begin(system);
    try {
      while (!isUnwanted()) {
        let askedPauseSeconds = 0;
        try {
          const result = await act();
          this.all.delete(asked);
          if (asked.waitingSince !== undefined) await this.#endWaiting(system);
          return result;
        } catch (err) {
          if (!isOutage(err)) throw err;
          asked.why = whyOf(err);
          askedPauseSeconds = retryAfterOf(err);
          asked.tries++;
        }
        if (isUnwanted()) break;
        asked.waitingSince ??= Date.now();
        await this.#beginWaiting(system);
        const usualSeconds = retryPauseSeconds(system, asked.tries - 1, (Date.now() - asked.waitingSince) / 1000);
        const pauseMs = Math.max(usualSeconds, askedPauseSeconds) * 1000;
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

  /** As `callWhenAvailable`, for compensations: it continues even after the execution is over. */
  async callUntilDone(system: AwaitedSystem, act: () => Promise<void>): Promise<void> {
    await this.callWhenAvailable(system, act, () => false);
  }

  /**
   * Ends every pause between attempts. A running attempt may have started before its dependency was available again, so
   * another one follows it immediately.
   */
  retryNow(): void {
    for (const asked of this.all) asked.isRetryRequested = true;
  }

  /** Returns whether a call has failed and will be retried. */
  hasFailed(): boolean {
    return [...this.all].some(({ waitingSince }) => waitingSince !== undefined);
  }

  /** Returns whether an attempt to call a dependency is running. */
  isTrying(system: AwaitedSystem): boolean {
    return [...this.all].some((asked) => asked.system === system && !asked.nextTryAt);
  }

  /** Returns why a dependency is unavailable, as its activity reported; undefined when unknown or available. */
  whyAway(system: AwaitedSystem): string | undefined {
    return [...this.all].find((asked) => asked.system === system)?.why;
  }

  #begin(system: AwaitedSystem): DependencyCall {
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

  async #beginWaiting(system: AwaitedSystem): Promise<void> {
    if (this.unavailable.has(system)) return;
    this.unavailable.add(system);
    this.#execution.note(`waiting for ${system}`);
    await this.#execution.announce();
  }

  async #endWaiting(system: AwaitedSystem): Promise<void> {
    if (!this.unavailable.delete(system)) return;
    this.#execution.resumed();
    this.#execution.note(`no longer waiting for ${system}`);
    await this.#execution.announce();
  }
}
