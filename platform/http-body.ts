/** The body of a request, where no framework reads it, or where it is refused before it is read. */
import type { IncomingMessage } from 'node:http';
import { finished } from 'node:stream/promises';

/** A body over its limit. Its connection is open still: discard the rest, then tell the sender. */
export class BodyTooLarge extends Error {
  constructor(bytesMax: number) {
    super(`The body is over ${bytesMax} bytes`);
    this.name = 'BodyTooLarge';
  }
}

/**
 * Reads a body as UTF-8, keeping no more than `bytesMax` of it.
 *
 * @throws {BodyTooLarge} as soon as it is
 * @throws {Error} the sender has gone
 */
export async function readBody(req: IncomingMessage, bytesMax: number): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  // left early, a request would be destroyed, and the connection and its answer with it
  for await (const chunk of req.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > bytesMax) throw new BodyTooLarge(bytesMax);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString();
}

/**
 * Reads off what is left of a body that nobody wants, until its sender has sent it, has gone, or the server's `requestTimeout`
 * is over. A server that answers and closes before may reset the connection, and the answer is lost (RFC 9112 9.6).
 */
export async function discardBody(req: IncomingMessage): Promise<void> {
  if (req.complete) return;
  req.resume();
  await finished(req).catch(() => undefined);
}
