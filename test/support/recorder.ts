/** Event functions that record their arguments instead of logging and counting. */
import type { Events } from '../../platform/events/events.ts';

/** One recorded call. */
export interface RecordedEvent {
  name: keyof Events;
  args: unknown[];
}

/** Returns all event functions, and their calls in order. */
export function recordEvents(): { events: Events; recorded: RecordedEvent[] } {
  const recorded: RecordedEvent[] = [];
  const events = new Proxy({} as Events, {
    get:
      (_target, name) =>
      (...args: unknown[]) =>
        void recorded.push({ name: name as keyof Events, args }),
  });
  return { events, recorded };
}
