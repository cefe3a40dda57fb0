/**
 * The queue of updates in front of Temporal: it keeps those who have begun a registration served when more people
 * register than the machines can serve.
 *
 * Only so many updates are with Temporal at once, the others wait here, those of running registrations first. A first
 * update that has waited for too long is refused before it costs anything: by the age of the queue and not by its length,
 * because only the age says whether the queue shrinks (CoDel, RFC 8289 section 3).
 *
 * An update holds its place for a second at most: one that takes longer waits for a directory or a database, and costs
 * Temporal nothing meanwhile.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { Failure } from '../../domain/failures.ts';

/** Longest wait of a first update, and longest time that an update holds its place, in milliseconds. */
const ageMaxMs = 1000;
const holdMs = 1000;

/** The queue of updates. */
export type UpdateQueue = ReturnType<typeof createUpdateQueue>;

interface Waiting {
  begin(): void;
}

/**
 * Creates a queue that lets `max` updates pass at once.
 *
 * @param wait resolves after so many milliseconds
 */
export function createUpdateQueue(max: number, wait: (ms: number) => Promise<unknown> = waitUnheld) {
  const running: Waiting[] = [];
  const first: Waiting[] = [];
  let free = max;

  function leave(): void {
    const next = running.shift() ?? first.shift();
    if (next === undefined) free++;
    else next.begin();
  }

  /** Resolves when it is the turn of an update. @throws {Failure} unavailable */
  async function enter({ isFirst }: UpdateKind): Promise<void> {
    if (free > 0) {
      free--;
      return;
    }
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const waiting = { begin: resolve };
    const line = isFirst ? first : running;
    line.push(waiting);
    if (isFirst) {
      void wait(ageMaxMs).then(() => {
        const place = first.indexOf(waiting);
        if (place < 0) return;
        first.splice(place, 1);
        reject(tooMany());
      });
    }
    return promise;
  }

  return {
    /**
     * Runs an update when it is its turn.
     *
     * @throws {Failure} unavailable: it is a first update and has waited for a second
     */
    async run<T>(kind: UpdateKind, update: () => Promise<T>): Promise<T> {
      await enter(kind);
      let isHeld = true;
      const release = () => {
        if (isHeld) leave();
        isHeld = false;
      };
      void wait(holdMs).then(release);
      return update().finally(release);
    },
  };
}

interface UpdateKind {
  /** It starts its registration. */
  isFirst: boolean;
}

/** Two to four seconds, so that those who were refused together do not come back together. */
function tooMany(): Failure {
  const retryAfterSeconds = 2 + Math.floor(Math.random() * 3);
  return new Failure('unavailable', {
    retryAfterSeconds,
    reason: 'too-many-registrations',
    message: 'Too many people are registering; nothing was done, try again in a moment',
  });
}

/** Does not keep a stopping process alive. */
function waitUnheld(ms: number): Promise<unknown> {
  return pause(ms, undefined, { ref: false });
}
