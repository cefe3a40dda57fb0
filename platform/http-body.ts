/** The body of a request to one of the small HTTP servers that need no framework. */
import type { IncomingMessage } from 'node:http';

/** A body over its limit. Its connection is open still, so that the sender can be told. */
export class BodyTooLarge extends Error {
  constructor(bytesMax: number) {
    super(`The body is over ${bytesMax} bytes`);
    this.name = 'BodyTooLarge';
  }
}

/**
 * Reads a body as UTF-8, keeping no more than `bytesMax` of it.
 *
 * @throws {BodyTooLarge} the server reads off the rest when it has answered (within its `requestTimeout`)
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
