/**
 * Requests to URLs that strangers chose. They reach public servers by HTTPS at port 443 only, so that nobody can make Vyry
 * call systems of its own network (OWASP SSRF Prevention Cheat Sheet; CWE-918).
 *
 * The name is resolved once for each connection, and the connection goes to an address of that answer, of which every
 * one must be public. So a name that resolves to something else a moment later changes nothing (DNS rebinding). Names are
 * resolved without a thread of the pool of Node, which a slow name server would occupy. No redirect is followed. Time and
 * length of an answer are bounded. An operator can allow single servers anyway.
 */
import { Resolver } from 'node:dns/promises';
import { Agent, type RequestOptions, request } from 'node:https';
import { isIP, type LookupFunction } from 'node:net';
import { connectionReason, Failure } from '../../domain/failures.ts';

/** Timeout for the whole exchange. */
const callMs = 10_000;
/** Timeout of a question to a name server. */
const resolveMs = 3_000;
/** The part of an answer that is read. */
const answerBytesMax = 4096;
const socketsMax = 64;

/** Returns the addresses of a name; none if it cannot be resolved. */
export type Resolve = (hostname: string) => Promise<string[]>;

/** What is allowed. */
export interface PublicEndpointOptions {
  /** Returns whether an IP address is one of the public Internet. */
  isPublic: (address: string) => boolean;
  /** Servers, as `host:port`, that may be private and have another port. */
  allowed?: readonly string[];
  /** Certificate authority of these servers, as PEM; the public ones by default. */
  ca?: string | undefined;
  /** Asks the name servers of the system by default. */
  resolve?: Resolve;
  /** Timeout for the whole exchange; 10 s by default. */
  timeoutMs?: number;
}

/** An answer; of its body only the beginning, as text. */
export interface EndpointAnswer {
  status: number;
  retryAfter: string | undefined;
  text: string;
}

/** The client for URLs that strangers chose. */
export type PublicEndpoints = ReturnType<typeof createPublicEndpoints>;

/** Creates the client. It makes no request until it is used. */
export function createPublicEndpoints(options: PublicEndpointOptions) {
  const { isPublic, allowed = [], resolve = createResolve(), timeoutMs = callMs } = options;
  const agent = new Agent({ keepAlive: true, maxSockets: socketsMax, timeout: timeoutMs });
  const isAllowed = (url: URL) => allowed.includes(`${hostOf(url)}:${url.port || '443'}`);
  /** Resolves a name for one connection, which goes to an address of the answer. */
  const resolvePublic: LookupFunction = (hostname, { all }, callback) => {
    void resolve(hostname).then((addresses) => {
      const [first] = addresses;
      if (first === undefined) return callback(errorOf('ENOTFOUND'), '', 0);
      if (!addresses.every(isPublic)) return callback(errorOf(notPublicCode), '', 0);
      if (all !== true) return callback(null, first, isIP(first));
      callback(
        null,
        addresses.map((address) => ({ address, family: isIP(address) })),
      );
    });
  };

  return {
    /**
     * Returns why a URL may not be called, for its owner; undefined if it may be. A name that cannot be resolved at the
     * moment may be: each call checks again.
     */
    async problemOf(text: string): Promise<string | undefined> {
      const url = readUrl(text);
      if (typeof url === 'string') return url;
      if (isAllowed(url)) return undefined;
      const problem = problemOfPublic(url, isPublic);
      if (problem !== undefined || isIP(hostOf(url)) !== 0) return problem;
      return (await resolve(url.hostname)).every(isPublic) ? undefined : 'must name a public server';
    },

    /**
     * Sends a POST request. An answer with any status is returned, a redirect too; undefined if the URL may not be called.
     *
     * @throws {Failure} unavailable: no complete answer
     */
    async post(
      text: string,
      { headers, body }: { headers: Record<string, string>; body: Uint8Array },
    ): Promise<EndpointAnswer | undefined> {
      const url = readUrl(text);
      if (typeof url === 'string') return undefined;
      const isOpen = isAllowed(url);
      if (!isOpen && problemOfPublic(url, isPublic) !== undefined) return undefined;
      const signal = AbortSignal.timeout(timeoutMs);
      const ca = isOpen && options.ca !== undefined ? { ca: options.ca } : {};
      const lookup = isOpen ? {} : { lookup: resolvePublic };
      return await exchange(url, { method: 'POST', agent, headers, signal, ...ca, ...lookup }, body);
    },

    /** Closes the connections that are kept open. */
    close: () => agent.destroy(),
  };
}

/** Returns the URL, or why no server of any address may be called by it. */
function readUrl(text: string): URL | string {
  if (!URL.canParse(text)) return 'must be a URL';
  const url = new URL(text);
  if (url.protocol !== 'https:') return 'must be an https URL';
  if (url.username !== '' || url.password !== '') return 'must not contain credentials';
  if (url.hash !== '') return 'must not contain a fragment';
  return url;
}

/** Names of private networks: RFC 6761 (localhost), RFC 6762 (local), RFC 8375 (home.arpa), ICANN (internal), habit. */
const privateName = /(^|\.)(localhost|local|internal|intranet|lan|home|corp|home\.arpa)$/;

/** Returns what is wrong with a URL that must be public, as far as that is visible without a look-up. */
function problemOfPublic(url: URL, isPublic: (address: string) => boolean): string | undefined {
  if (url.port !== '') return 'must use the port 443';
  const host = hostOf(url);
  if (isIP(host) !== 0) return isPublic(host) ? undefined : 'must name a public server';
  const name = host.replace(/\.$/, '');
  return name.includes('.') && !privateName.test(name) ? undefined : 'must name a public server';
}

/** Returns the host without the brackets of an IPv6 address. `URL` has read every spelling of an IPv4 address. */
function hostOf({ hostname }: URL): string {
  return hostname.replace(/^\[(.*)\]$/, '$1');
}

const notPublicCode = 'ENOTPUBLIC';

function errorOf(code: string): NodeJS.ErrnoException {
  return Object.assign(new Error(code), { code });
}

/** Creates the resolver that asks the name servers of the system. */
function createResolve(): Resolve {
  const resolver = new Resolver({ timeout: resolveMs, tries: 2 });
  return async (hostname) => {
    const found = await Promise.allSettled([resolver.resolve4(hostname), resolver.resolve6(hostname)]);
    return found.flatMap((one) => (one.status === 'fulfilled' ? one.value : []));
  };
}

async function exchange(url: URL, options: RequestOptions, body: Uint8Array): Promise<EndpointAnswer | undefined> {
  try {
    return await new Promise<EndpointAnswer>((done, fail) => {
      const sent = request(url, options, (res) => {
        const chunks: Buffer[] = [];
        let bytes = 0;
        const finish = () => {
          const { 'retry-after': retryAfter } = res.headers;
          const text = Buffer.concat(chunks).subarray(0, answerBytesMax).toString();
          done({ status: res.statusCode ?? 0, retryAfter, text });
        };
        res.on('data', (chunk: Buffer) => {
          chunks.push(chunk);
          bytes += chunk.length;
          if (bytes < answerBytesMax) return;
          // an answer without an end must not be read to it
          finish();
          sent.destroy();
        });
        res.once('end', finish);
        res.once('error', fail);
        res.once('close', () => fail(errorOf('ECONNRESET')));
      });
      sent.once('error', fail);
      sent.end(body);
    });
  } catch (err) {
    const { name, code = 'ECONNRESET' } = err as { name?: string; code?: string };
    if (code === notPublicCode) return undefined;
    const known = name === 'TimeoutError' || name === 'AbortError' ? 'ETIMEDOUT' : code;
    throw new Failure('unavailable', { message: `webpush ${known}`, reason: connectionReason(known) });
  }
}
