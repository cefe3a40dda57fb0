/** Telling that the user types, and showing that the other person does. Both end by themselves. */

/** How often it is told again, while the user goes on typing. */
const repeatMs = 4_000;
/** Without a repeat it is over: the end may have been lost. */
const lastsMs = 8_000;

/** Typing in one conversation. */
export interface TypingSignal {
  /** The user has typed something. */
  typed(): void;
  /** The user has sent the message, or stopped. */
  stopped(): void;
  /** The other person types or has stopped. */
  received(active: boolean): void;
  close(): void;
}

/** What a signal does. */
interface TypingEffects {
  send(active: boolean): void;
  show(active: boolean): void;
  /** Milliseconds since the Unix epoch; the clock of the page by default. */
  now?: () => number;
}

/** Creates the signal of a conversation. */
export function createTyping({ send, show, now = Date.now }: TypingEffects): TypingSignal {
  let toldAt: number | undefined;
  let ending: ReturnType<typeof setTimeout> | undefined;
  const stopped = () => {
    if (toldAt === undefined) return;
    toldAt = undefined;
    send(false);
  };
  return {
    typed() {
      if (toldAt !== undefined && now() - toldAt < repeatMs) return;
      toldAt = now();
      send(true);
    },
    stopped,
    received(active) {
      clearTimeout(ending);
      show(active);
      if (active) ending = setTimeout(() => show(false), lastsMs);
    },
    close() {
      clearTimeout(ending);
      stopped();
    },
  };
}
