/** Event functions that keep what they were told, in place of logs and counters. */
import type { Events } from '../../platform/events.ts';

export interface RecordedEvent {
  name: keyof Events;
  args: unknown[];
}

/** Every event function; what they were called with, in order. */
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
