/** Reading and discarding request bodies where no framework does it. */
import type { IncomingMessage } from 'node:http';
import { finished } from 'node:stream/promises';

/** A request body over its limit. The connection is still open: discard the rest, then respond. */
export class BodyTooLarge extends Error {
  constructor(bytesMax: number) {
    super(`The body is over ${bytesMax} bytes`);
    this.name = 'BodyTooLarge';
  }
}

/**
 * Reads a request body as UTF-8 and keeps at most `bytesMax` bytes of it.
 *
 * @throws {BodyTooLarge} as soon as the limit is exceeded
 * @throws {Error} the sender closed the connection
 */
export async function readBody(req: IncomingMessage, bytesMax: number): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  // by default, leaving the loop early destroys the request and its connection, so no response could be sent
  for await (const chunk of req.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > bytesMax) throw new BodyTooLarge(bytesMax);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString();
}

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
