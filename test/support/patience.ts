/** A client that asks again where a deadline of the api was over, as clients are told to by Retry-After. */
import type { Answer } from './client.ts';
import { eventually } from './until.ts';

/** No deadline of the api is shorter: a 503 that comes sooner does not say that the machine is slow. */
const shortestDeadlineMs = 1000;

/** The answer to a request that may be sent again, sent again as long as a deadline of the api is over before it answers. */
export function patiently(ask: () => Promise<Answer>): Promise<Answer> {
  return eventually(async () => {
    const beganAt = performance.now();
    const answer = await ask();
    const isSlow = answer.status === 503 && performance.now() - beganAt >= shortestDeadlineMs;
    return isSlow ? undefined : answer;
  });
}
