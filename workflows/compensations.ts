/** Compensations of a workflow, run in reverse order of registration. */
export class Compensations {
  readonly #steps: (() => Promise<void>)[] = [];

  /** Registers a compensation. Call it before the step: a step that timed out may still have taken effect. */
  add(undo: () => Promise<void>): void {
    this.#steps.push(undo);
  }

  /** Runs all compensations, last one first, each once. */
  async run(): Promise<void> {
    for (let undo = this.#steps.pop(); undo !== undefined; undo = this.#steps.pop()) await undo();
  }
}
