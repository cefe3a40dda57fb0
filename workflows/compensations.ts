/** Steps to take back, in reverse order. */
export class Compensations {
  readonly #steps: (() => Promise<void>)[] = [];

  /** Registers an undo; call it before the step, for a step that timed out may still have happened. */
  add(undo: () => Promise<void>): void {
    this.#steps.push(undo);
  }

  /** Takes everything back, last step first; each once. */
  async run(): Promise<void> {
    for (let undo = this.#steps.pop(); undo !== undefined; undo = this.#steps.pop()) await undo();
  }
}
