/** Reads messages from the outbox, as a person would from a telephone. */
import { setTimeout as sleep } from 'node:timers/promises';

const waitMs = 60_000;

/** A message in the outbox; one without a code is a notification. */
interface Message {
  code?: string;
}

/**
 * Returns the newest code sent to a number or address since an instant; waits until there is one.
 *
 * @throws {Error} no code arrived within 60 s
 */
export async function waitForCode(outboxUrl: string, to: string, since: Date): Promise<string> {
  const until = Date.now() + waitMs;
  while (Date.now() < until) {
    const messages = await messagesTo(outboxUrl, { to, since: since.toISOString() });
    const code = messages.findLast((message) => message.code !== undefined)?.code;
    if (code !== undefined) return code;
    await sleep(100);
  }
  throw new Error(`No code arrived within ${waitMs / 1000} s; look at ${outboxUrl}`);
}

/** Returns how many codes and notifications were sent to a number or address since an instant. */
export async function countMessages(
  outboxUrl: string,
  to: string,
  since: Date,
): Promise<{ codes: number; notifications: number }> {
  const messages = await messagesTo(outboxUrl, { to, since: since.toISOString() });
  const codes = messages.filter(({ code }) => code !== undefined).length;
  return { codes, notifications: messages.length - codes };
}

async function messagesTo(outboxUrl: string, query: Record<string, string>): Promise<Message[]> {
  const answer = await fetch(`${outboxUrl}/messages?${new URLSearchParams(query)}`);
  return (await answer.json()) as Message[];
}
