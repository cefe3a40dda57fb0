/** Reads codes from the outbox, as a person would from a telephone. */
import { setTimeout as sleep } from 'node:timers/promises';

const waitMs = 60_000;

/**
 * Returns the newest code sent to a number or address since an instant; waits until there is one.
 *
 * @throws {Error} no code arrived within 60 s
 */
export async function waitForCode(outboxUrl: string, to: string, since: Date): Promise<string> {
  const query = new URLSearchParams({ to, since: since.toISOString() });
  const until = Date.now() + waitMs;
  while (Date.now() < until) {
    const answer = await fetch(`${outboxUrl}/messages?${query}`);
    const messages = (await answer.json()) as { code?: string }[];
    const code = messages.findLast((message) => message.code !== undefined)?.code;
    if (code !== undefined) return code;
    await sleep(100);
  }
  throw new Error(`No code arrived within ${waitMs / 1000} s; look at ${outboxUrl}`);
}
