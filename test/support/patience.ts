/** Repeats requests when a deadline of the api was exceeded, as Retry-After tells clients to. */
import type { Answer } from './client.ts';
import { eventually } from './until.ts';

/** The shortest deadline of the api: a faster 503 does not mean that the machine is slow. */
const shortestDeadlineMs = 1000;

/** Returns the response to a request that may be repeated, and repeats it while the api exceeds its deadline. */
export function patiently(ask: () => Promise<Answer>): Promise<Answer> {
  return eventually(async () => {
    const beganAt = performance.now();
    const answer = await ask();
    const isSlow = answer.status === 503 && performance.now() - beganAt >= shortestDeadlineMs;
    return isSlow ? undefined : answer;
  });
}
