/**
 * Which connections a process accepts, decided by the request that asks for the upgrade, before any work is done: its
 * origin, and how many connections the process and the address have. A connection counts until its transport is closed,
 * whether its client has sent a token or not.
 */
import { type IncomingMessage, STATUS_CODES } from 'node:http';
import type { Duplex } from 'node:stream';
import { clientAddressOf, networkOf } from '../../adapters/ip-addresses.ts';
import { Failure } from '../../domain/failures.ts';
import type { SocketRefusal } from '../../platform/events/sockets.ts';
import { ambiguityIn } from '../../platform/http.ts';
import { traces } from '../../platform/log.ts';
import { requestTrace } from '../../platform/spans.ts';
import type { ApiDeps, Caller, TrustProxy } from '../deps.ts';
import { limited, limitRequest } from '../limits/counting.ts';
import { malformed } from '../parse.ts';
import { noteProblem, problemOf } from '../problems.ts';

/** The dependencies of the admission. */
export type AdmissionDeps = Pick<ApiDeps, 'config' | 'events' | 'requestLeases'>;

/** A refusal and its reason for operators. */
interface Refused {
  failure: Failure;
  reason: SocketRefusal;
}

/** Where the upgrade is asked for. */
const path = /^\/socket\.io\/?(\?|$)/;

/** Returns whether a request asks for an upgrade that is served here; any other one is answered as if it did not. */
export function isSocketUpgrade({ url = '', headers }: IncomingMessage): boolean {
  return path.test(url) && headers.upgrade?.toLowerCase() === 'websocket';
}

/** Creates the admission. `trust` returns whose `X-Forwarded-For` is trusted. */
export function createAdmission(deps: AdmissionDeps, trust: TrustProxy, isDraining: () => boolean) {
  const { config, events } = deps;
  const counts = new Map<string, number>();
  const callers = new WeakMap<IncomingMessage, Caller>();
  const transports = new Set<Duplex>();

  const judge = (req: IncomingMessage, network: string): Refused | undefined => {
    const ambiguity = ambiguityIn(req) ?? sidIn(req);
    if (ambiguity !== undefined) return { failure: malformed(ambiguity, 'must be omitted'), reason: 'malformed' };
    if (isDraining()) return { failure: new Failure('unavailable'), reason: 'draining' };
    if (!isOriginAllowed(req, config)) return { failure: foreignOrigin(), reason: 'origin' };
    if (transports.size >= config.SOCKETS_MAX) return { failure: new Failure('unavailable'), reason: 'process' };
    const isFull = (counts.get(network) ?? 0) >= config.SOCKETS_PER_ADDRESS;
    return isFull ? { failure: limited('sockets-per-address', retrySeconds), reason: 'address' } : undefined;
  };

  const count = (network: string, socket: Duplex) => {
    transports.add(socket);
    counts.set(network, (counts.get(network) ?? 0) + 1);
    socket.once('close', () => {
      transports.delete(socket);
      const left = (counts.get(network) ?? 1) - 1;
      if (left > 0) counts.set(network, left);
      else counts.delete(network);
    });
  };

  const refuse = (socket: Duplex, { failure, reason }: Refused, requestId: string) => {
    events.socketRefused({ reason });
    respond(socket, failure, requestId);
  };

  return {
    /** Ends the transports that are left. */
    endAll(): void {
      for (const socket of transports) socket.destroy();
    },

    /** Returns the caller of an accepted request. */
    callerOf: (req: IncomingMessage): Caller => callers.get(req) ?? { address: '', userAgent: '' },

    /** Continues with an accepted request, and answers another one. */
    async admit(req: IncomingMessage, socket: Duplex, accept: () => void): Promise<void> {
      const caller = callerIn(req, trust);
      const network = networkOf(caller.address);
      const trace = requestTrace({ ip: caller.address, userAgent: caller.userAgent });
      // without a listener an error of the transport ends the process
      socket.on('error', () => undefined);
      await traces.run(trace, async () => {
        const refused = judge(req, network);
        if (refused !== undefined) return refuse(socket, refused, trace.requestId);
        // counted before anything is awaited, so that parallel requests do not exceed the most
        count(network, socket);
        try {
          await limitRequest(deps, caller);
        } catch (err) {
          const problem = problemOf(err, trace.requestId);
          noteProblem(events, problem, err);
          return refuse(socket, { failure: failureIn(err), reason: 'requests' }, trace.requestId);
        }
        callers.set(req, caller);
        accept();
      });
    },
  };
}

/** When a client that finds no room may try again. */
const retrySeconds = 30;

function foreignOrigin(): Failure {
  return new Failure('forbidden', { message: 'Pages of this origin may not connect' });
}

/** A WebSocket needs no id of a session of Engine.IO, and that of somebody else would take over a transport. */
function sidIn({ url = '' }: IncomingMessage): 'sid' | undefined {
  return new URL(url, 'http://localhost').searchParams.has('sid') ? 'sid' : undefined;
}

function failureIn(err: unknown): Failure {
  return err instanceof Failure ? err : new Failure('unavailable');
}

function callerIn(req: IncomingMessage, trust: TrustProxy): Caller {
  const { 'x-forwarded-for': forwarded, 'user-agent': userAgent = '' } = req.headers;
  const text = Array.isArray(forwarded) ? forwarded.join(',') : forwarded;
  return { address: clientAddressOf({ peer: req.socket.remoteAddress, forwarded: text, trust }), userAgent };
}

/**
 * Browsers send `Origin` (RFC 6455 section 10.2), other clients none. Allowed are the origins of `CORS_ORIGINS` and the own
 * one: of the request, or of `PUBLIC_URL` where a proxy changes the host.
 */
function isOriginAllowed(
  { headers: { origin, host } }: IncomingMessage,
  { CORS_ORIGINS: allowed, PUBLIC_URL: publicUrl }: ApiDeps['config'],
): boolean {
  if (origin === undefined || allowed.includes(origin)) return true;
  if (!URL.canParse(origin)) return false;
  return new URL(origin).host === host || (publicUrl !== undefined && new URL(publicUrl).origin === origin);
}

/** Answers a request for an upgrade as REST answers, and closes the transport. */
function respond(socket: Duplex, failure: Failure, requestId: string): void {
  const { status, headers, body } = problemOf(failure, requestId);
  const text = JSON.stringify(body);
  const lines = {
    ...headers,
    'Content-Type': 'application/json; charset=utf-8',
    'Content-Length': Buffer.byteLength(text),
    'X-Request-Id': requestId,
    Connection: 'close',
  };
  const head = Object.entries(lines).map(([name, value]) => `${name}: ${value}\r\n`);
  socket.end(`HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\n${head.join('')}\r\n${text}`, () => socket.destroy());
}
