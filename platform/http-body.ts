/** Discarding request bodies, which no framework does. */
import type { IncomingMessage } from 'node:http';
import { finished } from 'node:stream/promises';

/**
 * Reads and drops the rest of a request body until it ends, the sender closes the connection, or the `requestTimeout`
 * of the server expires. A server that responds and closes earlier may reset the connection and lose the response (RFC
 * 9112 section 9.6).
 */
export async function discardBody(req: IncomingMessage): Promise<void> {
  if (req.complete) return;
  req.resume();
  await finished(req).catch(() => undefined);
}
