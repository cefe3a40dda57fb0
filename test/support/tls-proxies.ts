/**
 * TLS in front of engines that have none: each proxy wants a client certificate of the private authority, and the ones
 * for Temporal and Elasticsearch an API key besides. They keep what they were shown.
 */
import { readFileSync } from 'node:fs';
import { request as requestHttp } from 'node:http';
import {
  type ClientHttp2Session,
  connect as connectHttp2,
  createSecureServer,
  type IncomingHttpHeaders,
  type ServerHttp2Stream,
} from 'node:http2';
import { createServer as createHttps } from 'node:https';
import { type AddressInfo, connect, type Server, type Socket } from 'node:net';
import { createServer as createTls, type TLSSocket, type TlsOptions } from 'node:tls';
import type { Certificates } from '../../engines/directory/certificates.ts';

/** A proxy that listens. Disposing it ends its connections. */
export interface TlsProxy extends AsyncDisposable {
  /** `host:port` */
  address: string;
  port: number;
  /** The serial numbers of the client certificates, in the order of the connections. */
  certificates: readonly string[];
  /** How many calls were refused for their API key. */
  refused(): number;
  /** Ends all connections, as a server does that restarts. */
  cut(): void;
}

/** What a proxy wants. */
interface Terms {
  certificates: Certificates;
  /** Whether clients without a certificate of the authority are refused; true by default. */
  wantsCertificate?: boolean;
  /** Returns the API keys that calls may have; by default they need none. */
  apiKeys?: readonly string[];
}

/** Starts a proxy for any protocol, to a port of this machine. */
export async function startTlsProxy(port: number, terms: Terms): Promise<TlsProxy> {
  const server = createTls(optionsOf(terms), (client) => {
    const engine = connect(port, '127.0.0.1');
    client.pipe(engine).pipe(client);
    for (const [one, other] of [
      [client, engine],
      [engine, client],
    ] as const) {
      one.on('error', () => other.destroy());
      one.on('close', () => other.destroy());
    }
  });
  return await listen(server, () => 0);
}

/** Starts a proxy for gRPC. */
export async function startGrpcProxy(address: string, terms: Terms): Promise<TlsProxy> {
  let refused = 0;
  let engine: ClientHttp2Session | undefined;
  const engineSession = () => {
    if (engine === undefined || engine.closed || engine.destroyed) {
      engine = connectHttp2(`http://${address}`);
      engine.on('error', () => undefined);
    }
    return engine;
  };
  const server = createSecureServer({ ...optionsOf(terms), allowHTTP1: false });
  server.on('sessionError', () => undefined);
  server.on('stream', (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => {
    stream.on('error', () => undefined);
    if (isAllowed(headers.authorization, 'Bearer', terms)) return forward(stream, headers, engineSession());
    refused++;
    // gRPC status: unauthenticated
    return stream.respond(
      { ':status': 200, 'content-type': 'application/grpc', 'grpc-status': '16' },
      { endStream: true },
    );
  });
  const proxy = await listen(server, () => refused);
  return {
    ...proxy,
    async [Symbol.asyncDispose]() {
      await proxy[Symbol.asyncDispose]();
      engine?.destroy();
    },
  };
}

/** Starts a proxy for HTTP/1.1. */
export async function startHttpProxy(url: string, terms: Terms): Promise<TlsProxy> {
  let refused = 0;
  const server = createHttps(optionsOf(terms), (req, res) => {
    if (!isAllowed(req.headers.authorization, 'ApiKey', terms)) {
      refused++;
      return res.writeHead(401).end();
    }
    const { method, headers } = req;
    const forwarded = requestHttp(new URL(req.url ?? '/', url), { method, headers }, (answer) => {
      res.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(res);
    });
    forwarded.on('error', () => res.destroy());
    return req.pipe(forwarded);
  });
  return await listen(server, () => refused);
}

function forward(stream: ServerHttp2Stream, given: IncomingHttpHeaders, engine: ClientHttp2Session): void {
  const headers = Object.fromEntries(Object.entries(given).filter(([name]) => name !== ':authority'));
  const call = engine.request(headers);
  let trailers: IncomingHttpHeaders = {};
  stream.pipe(call);
  stream.on('close', () => call.close());
  call.on('error', () => stream.destroy());
  call.on('response', (answer, flags) => {
    if (stream.destroyed) return;
    // END_STREAM: the answer is its trailers
    if (flags & 1) return stream.respond(answer, { endStream: true });
    stream.respond(answer, { waitForTrailers: true });
    stream.on('wantTrailers', () => stream.sendTrailers(trailers));
    call.pipe(stream);
  });
  call.on('trailers', (found) => {
    trailers = found;
  });
}

function isAllowed(given: string | undefined, scheme: string, { apiKeys }: Terms): boolean {
  return apiKeys === undefined || apiKeys.some((key) => given === `${scheme} ${key}`);
}

function optionsOf({ certificates, wantsCertificate = true }: Terms): TlsOptions {
  return {
    cert: readFileSync(certificates.certificateFile),
    key: readFileSync(certificates.keyFile),
    ca: certificates.ca,
    requestCert: wantsCertificate,
    rejectUnauthorized: wantsCertificate,
  };
}

async function listen(server: Server, refused: () => number): Promise<TlsProxy> {
  const sockets = new Set<Socket>();
  const certificates: string[] = [];
  server.on('secureConnection', (socket: TLSSocket) => {
    certificates.push(socket.getPeerCertificate().serialNumber ?? '');
    sockets.add(socket);
    socket.on('error', () => undefined);
    socket.on('close', () => sockets.delete(socket));
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const { port } = server.address() as AddressInfo;
  const cut = () => {
    for (const socket of sockets) socket.destroy();
  };
  return {
    address: `127.0.0.1:${port}`,
    port,
    certificates,
    refused,
    cut,
    async [Symbol.asyncDispose]() {
      const closed = new Promise((done) => server.close(done));
      cut();
      await closed;
    },
  };
}
