/**
 * What every HTTP server of the product does before it routes a request: it refuses what a proxy in front of it may
 * read differently, and it reads bodies to their end.
 */
import type { IncomingMessage } from 'node:http';
import { finished } from 'node:stream/promises';

/** Headers that are read as one value; Node would keep the first of several, a proxy perhaps the last. */
export const singleHeaders: readonly string[] = [
  'host',
  'authorization',
  'content-type',
  'content-encoding',
  'idempotency-key',
  'origin',
  'x-twilio-signature',
];

/** RFC 9112 section 3.2 and RFC 3986 section 3.2.2: a name or an address, and a port. */
const hostHeader = /^(\[[\da-f:.]+\]|[\w.~!$&'()*+,;=%-]*)(:\d{0,5})?$/i;
const absoluteForm = /^https?:\/\/([^/?#]*)(.*)$/i;

/**
 * Replaces a request target in absolute form by its origin form if it names the same host as the header `Host` (RFC 9112
 * section 3.2.2). Called before a router reads the target.
 */
export function useOriginForm(req: IncomingMessage): void {
  const [, authority, target] = absoluteForm.exec(req.url ?? '') ?? [];
  if (authority === undefined || target === undefined) return;
  if (authority.toLowerCase() !== req.headers.host?.toLowerCase()) return;
  req.url = target.startsWith('/') ? target : `/${target}`;
}

/**
 * Returns the part of a request that is ambiguous, as the name of a header or `target`; undefined if every reader
 * understands the same: one value for each header of `singleHeaders`, a valid `Host` (RFC 9112 section 3.2), no transfer
 * coding but `chunked`, and a target in origin form without fragment whose escapes are UTF-8 (RFC 3986 section 2.5).
 */
export function ambiguityIn({ rawHeaders, headers, url = '', method }: IncomingMessage): string | undefined {
  const repeated = repeatedIn(rawHeaders);
  if (repeated !== undefined) return repeated;
  if (!hostHeader.test(headers.host ?? '')) return 'host';
  // Node reads only the framing, and leaves another coding of the body as it is
  if (!/^chunked$/i.test(headers['transfer-encoding'] ?? 'chunked')) return 'transfer-encoding';
  if (method === 'OPTIONS' && url === '*') return undefined;
  return /^\/[\x21-\x22\x24-\x7e]*$/.test(url) && isUtf8Escaped(url) ? undefined : 'target';
}

/** Returns a header of `singleHeaders` that a request has twice. One pass, for every request passes here. */
function repeatedIn(rawHeaders: readonly string[]): string | undefined {
  let seen = 0;
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const name = rawHeaders[index]?.toLowerCase() ?? '';
    const bit = 1 << (singleHeaders.indexOf(name) + 1);
    // the lowest bit is that of all other headers
    if (bit > 1 && (seen & bit) !== 0) return name;
    seen |= bit;
  }
  return undefined;
}

/** Returns whether every percent sign begins the escape of a byte, and the bytes are UTF-8. */
export function isUtf8Escaped(text: string): boolean {
  if (!text.includes('%')) return true;
  try {
    decodeURIComponent(text);
    return true;
  } catch {
    return false;
  }
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
