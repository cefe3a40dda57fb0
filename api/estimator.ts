/**
 * Estimates of how hard passwords are to guess, in a thread of their own: zxcvbn computes 2 to 80 ms for a password, and
 * the event loop of the api would answer nobody meanwhile.
 *
 * The thread is started with the process, which may start no threads later. A password is not kept and not logged. If
 * the thread ends, the process ends too.
 */
import { Worker } from 'node:worker_threads';
import { Failure } from '../domain/failures.ts';

/** A password and what others know of its user. */
export interface Question {
  password: string;
  /** Words of the user: names, address, number. */
  known: readonly string[];
}

/** What zxcvbn says of a password. */
interface Estimate {
  /** From 0 to 4; from 3 on it is safely unguessable: at least 10^8 guesses. */
  score: number;
  /** Why it is easy to guess; empty when there is no single reason. */
  warning: string;
}

/** The answer of the thread; undefined when zxcvbn failed. */
export type Answer = Estimate | undefined;

/** The estimator of one process. */
export interface Estimator extends AsyncDisposable {
  /** Estimates a password. @throws {Failure} unavailable: too many passwords wait */
  estimate(question: Question): Promise<Estimate>;
}

/** Passwords that wait for their estimate; more are refused. */
const waitingMax = 100;

/** Starts the thread. Its disposal ends it; estimates that wait then never settle. */
export function startEstimator(): Estimator {
  // it needs no variables, and an empty environment holds no secrets
  const thread = new Worker(new URL('./estimator-thread.ts', import.meta.url), { env: {} });
  const waiting: PromiseWithResolvers<Estimate>[] = [];
  // the thread answers in order
  thread.on('message', (answer: Answer) => {
    const asker = waiting.shift();
    if (answer === undefined) asker?.reject(new Error('zxcvbn failed'));
    else asker?.resolve(answer);
  });
  return {
    async estimate(question) {
      if (waiting.length >= waitingMax) throw new Failure('unavailable', { reason: 'too-many-estimates' });
      const asker = Promise.withResolvers<Estimate>();
      waiting.push(asker);
      thread.postMessage(question);
      return asker.promise;
    },
    async [Symbol.asyncDispose]() {
      await thread.terminate();
    },
  };
}
