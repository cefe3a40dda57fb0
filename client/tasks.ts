/** What a client does by itself. Nothing of it rejects unheard, and nothing of it outlives the client. */
import { hasCode, toVyryError } from './errors.ts';
import type { Emitter } from './events.ts';

/** Runs tasks in the background. */
export interface Tasks {
  /** Runs a task. Its failure is an event `error`, unless the status of the client says it already. */
  run(task: () => Promise<unknown>): void;
  /** Resolves when no task runs. */
  idle(): Promise<void>;
}

/** Creates the tasks of a client. */
export function createTasks(events: Emitter): Tasks {
  const running = new Set<Promise<void>>();
  return {
    run(task) {
      const promise = attempt(task, events).finally(() => running.delete(promise));
      running.add(promise);
    },
    async idle() {
      while (running.size > 0) await Promise.all(running);
    },
  };
}

async function attempt(task: () => Promise<unknown>, events: Emitter): Promise<void> {
  try {
    await task();
  } catch (err) {
    if (!hasCode(err, 'CLOSED', 'SIGNED_OUT', 'UNREACHABLE')) events.emit('error', toVyryError(err));
  }
}
