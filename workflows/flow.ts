/**
 * What workflows that wait for dependencies share: the timeline and current details that operators read, the search
 * attributes that they filter by, and dependency calls that continue after an outage.
 */
import type { SearchAttributeUpdatePair } from '@temporalio/common';
import { setCurrentDetails, upsertSearchAttributes } from '@temporalio/workflow';
import type { AwaitedSystem } from '../domain/registration.ts';
import { DependencyCalls } from './dependency-calls.ts';
import { type TimelineLine, timelineOf } from './details.ts';
import { stateAttributesOf } from './search-attributes.ts';

/** What a workflow execution decides itself. */
interface FlowOptions {
  /** The execution is over: an unavailable dependency is not called again. */
  isOver(): boolean;
  /** Current details as Markdown. Default: the timeline. */
  details?(timeline: readonly TimelineLine[]): string;
  /** Search attributes of the current state. Default: the awaited dependency, for a workflow without steps. */
  searchAttributes?(): SearchAttributeUpdatePair[];
  /** Stores the current state where the api reads it. Called for every announced change. */
  publish?(): Promise<void>;
  /** Called when a dependency that it waited for is available again. */
  resumed?(): void;
}

/** What operators see of one workflow execution, and its calls to dependencies. */
export class Flow {
  readonly calls: DependencyCalls;
  readonly #options: FlowOptions;
  readonly #timeline: TimelineLine[] = [];
  #upserted = JSON.stringify([]);

  constructor(options: FlowOptions) {
    this.#options = options;
    this.calls = new DependencyCalls({
      isOver: () => options.isOver(),
      note: (text) => this.note(text),
      show: () => this.show(),
      announce: () => this.announce(),
      resumed: () => options.resumed?.(),
    });
  }

  /** The dependency that it waits for; the first one when there are several. */
  get waitingFor(): AwaitedSystem | undefined {
    return [...this.calls.unavailable][0];
  }

  /** Adds a line to the timeline. `at`: when it happened, in milliseconds since the Unix epoch, if not just now. */
  note(text: string, at = Date.now()): void {
    this.#timeline.push({ at, text });
    this.show();
  }

  /** Sets the current details. The worker holds them and a query reads them, so they add nothing to the history. */
  show(): void {
    setCurrentDetails((this.#options.details ?? timelineOf)(this.#timeline));
  }

  /** Shows a change in details and search attributes. */
  change(): void {
    this.show();
    this.upsert();
  }

  /** Announces a change that no caller learns: shows it, and publishes the state. */
  async announce(): Promise<void> {
    this.change();
    // without a publication it must not await: an extra microtask could change the order of commands on replay
    if (this.#options.publish !== undefined) await this.#options.publish();
  }

  /** Upserts the search attributes if they have changed: an upsert is an event of the history. */
  upsert(): void {
    const attributes = this.#options.searchAttributes?.() ?? this.#waitAttributes();
    const shown = JSON.stringify(attributes.map(({ value }) => value));
    // every announced wait is upserted, also one that begins or ends while another is shown: histories contain both
    const isWaitOnly = this.#options.searchAttributes === undefined;
    if (isWaitOnly || shown !== this.#upserted) upsertSearchAttributes(attributes);
    this.#upserted = shown;
  }

  #waitAttributes(): SearchAttributeUpdatePair[] {
    const { waitingFor } = this;
    return stateAttributesOf({ state: waitingFor ? 'waiting' : 'pending', ...(waitingFor && { waitingFor }) });
  }
}
