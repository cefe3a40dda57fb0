/** The gRPC server: Signal's registration-service, AuthService, health and reflection on one port. */
import type { Http2Server, IncomingHttpHeaders, OutgoingHttpHeaders, ServerHttp2Stream } from 'node:http2';
import { fileURLToPath } from 'node:url';
import {
  type handleUnaryCall,
  Metadata,
  Server,
  ServerInterceptingCall,
  type ServerInterceptor,
  ServerListenerBuilder,
  type ServerUnaryCall,
  type ServiceDefinition,
  type sendUnaryData,
  status,
} from '@grpc/grpc-js';
import { type ServiceDefinition as LoadedService, loadSync } from '@grpc/proto-loader';
import { ReflectionService } from '@grpc/reflection';
import { HealthImplementation } from 'grpc-health-check';
import protobuf from 'protobufjs';
import { clientAddressOf } from '../../adapters/ip-addresses.ts';
import type { LimitsState } from '../../adapters/redis/rate-limits.ts';
import { singleHeaders } from '../../platform/http.ts';
import { type Trace, traces } from '../../platform/log.ts';
import { beginTrace, now, requestTrace, type Span } from '../../platform/spans.ts';
import type { ApiDeps, TrustProxy } from '../deps.ts';
import { authService } from './auth-service.ts';
import { type Admit, createAdmission, createServerCredentials } from './callers.ts';
import { type Received, readStrictly } from './messages.ts';
import { registrationService } from './registration-service.ts';
import { type Answered, type RpcCall, type Service, Unreadable } from './service.ts';

/** The requests of the contracts have a few hundred bytes; the default of the library is 4 MiB. */
const requestBytesMax = 64 * 1024;
/** Longest wait for calls in progress at the stop. */
const stopMs = 5000;

const services = [registrationService, authService];

/** A server that listens. */
export interface GrpcServer extends AsyncDisposable {
  /** `host:port` */
  address: string;
}

/**
 * Starts the server; `trust` returns whose `x-forwarded-for` is trusted.
 *
 * @throws {Error} the configuration is incomplete, or the port is in use
 */
export async function openGrpc(deps: ApiDeps, trust: TrustProxy): Promise<GrpcServer> {
  const { config } = deps;
  const admit = createAdmission(config);
  const server = new Server({
    'grpc.max_receive_message_length': requestBytesMax,
    interceptors: [admission(deps, { admit, trust })],
  });
  const files = services.map(({ file }) => fileURLToPath(file));
  const loaded = loadSync(files, { longs: String, enums: Number });
  for (const service of services) {
    server.addService(...implementationOf({ deps, trust, service }, loaded[service.name] as LoadedService));
  }
  const names = ['', ...services.map(({ name }) => name)];
  const health = new HealthImplementation(Object.fromEntries(names.map((name) => [name, 'SERVING'])));
  health.addToServer(server);
  new ReflectionService(loaded).addToServer(server);
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync(`${config.GRPC_HOST}:${config.GRPC_PORT}`, createServerCredentials(config), (err, bound) =>
      err === null ? resolve(bound) : reject(err),
    );
  });
  readStreamsStrictly(server);
  const host = ['0.0.0.0', '::'].includes(config.GRPC_HOST) ? '127.0.0.1' : config.GRPC_HOST;
  return {
    address: `${host}:${port}`,
    async [Symbol.asyncDispose]() {
      for (const name of names) health.setStatus(name, 'NOT_SERVING');
      const timer = setTimeout(() => server.forceShutdown(), stopMs);
      await new Promise<void>((resolve) => server.tryShutdown(() => resolve()));
      clearTimeout(timer);
    },
  };
}

/**
 * Makes the library see what it drops or does not ask for. Of several headers of `singleHeaders` Node keeps the first;
 * here `admission` gets all of them. Another method than POST gets 405 (RFC 9110 section 15.5.6), another type 415. The
 * servers of the library are private to it, so an upgrade that moves them must not pass unnoticed.
 *
 * @throws {Error} the library has no such servers
 */
function readStreamsStrictly(server: Server): void {
  const { http2Servers } = server as unknown as { http2Servers?: ReadonlyMap<Http2Server, unknown> };
  if (http2Servers === undefined || http2Servers.size === 0) throw new Error('@grpc/grpc-js has no HTTP/2 server');
  for (const http2 of http2Servers.keys()) {
    const [handle] = http2.listeners('stream') as StreamListener[];
    if (handle === undefined) throw new Error('@grpc/grpc-js does not listen to streams');
    http2.removeAllListeners('stream');
    http2.on('stream', (stream: ServerHttp2Stream, headers: IncomingHttpHeaders, flags: number, raw: string[]) => {
      const refusal = refusalBefore(headers);
      if (refusal === undefined) return handle(stream, { ...headers, ...repeatedIn(raw) }, flags, raw);
      stream.once('error', () => undefined);
      stream.respond(refusal, { endStream: true });
    });
  }
}

/** The library would answer any method, and read any type that begins like its own as Protobuf. */
function refusalBefore({
  ':method': method,
  'content-type': type = '',
}: IncomingHttpHeaders): OutgoingHttpHeaders | undefined {
  if (method !== 'POST') return { ':status': 405, allow: 'POST' };
  return /^application\/grpc(\+proto)?(;|$)/i.test(type) ? undefined : { ':status': 415 };
}

type StreamListener = (stream: ServerHttp2Stream, headers: IncomingHttpHeaders, flags: number, raw: string[]) => void;

/** Every value of the headers of `singleHeaders` that were given more than once. */
function repeatedIn(raw: readonly string[]): Record<string, string[]> {
  const all = singleHeaders.map((name): [string, string[]] => [
    name,
    raw.filter((_, index) => index % 2 === 1 && raw[index - 1] === name),
  ]);
  return Object.fromEntries(all.filter(([, values]) => values.length > 1));
}

/** A service with its dependencies. */
interface Running {
  deps: ApiDeps;
  trust: TrustProxy;
  service: Service;
}

type Handler = handleUnaryCall<Received, Record<string, unknown>>;

function implementationOf(running: Running, loaded: LoadedService): [ServiceDefinition, Record<string, Handler>] {
  const { name, file, rpcs } = running.service;
  const contract = protobuf.loadSync(fileURLToPath(file)).lookupService(name);
  const methods = Object.keys(rpcs).map((rpc) => {
    const method = loaded[rpc];
    const typeName = contract.methods[rpc]?.requestType;
    if (method === undefined || typeName === undefined) throw new Error(`The contract has no ${rpc}`);
    return [rpc, readStrictly(method, contract.lookupType(typeName))] as const;
  });
  const handlers = methods.map(([rpc, { path }]) => [rpc, handlerOf(running, rpc, path)] as const);
  return [Object.fromEntries(methods) as unknown as ServiceDefinition, Object.fromEntries(handlers)];
}

/** Executes an RPC in its trace, and records its event, metrics and span. */
function handlerOf({ deps, trust, service }: Running, name: string, route: string): Handler {
  const rpc = service.rpcs[name];
  const answer = async (request: Received, call: RpcCall): Promise<Answered> => {
    if (rpc === undefined || !('message' in request)) throw new Unreadable();
    return rpc.run(deps, request.message, call);
  };
  return (call: ServerUnaryCall<Received, Record<string, unknown>>, done: sendUnaryData<Record<string, unknown>>) => {
    const { traceparent, parentId } = beginTrace(
      textOf(call.metadata, 'traceparent'),
      deps.config.OTEL_TRACES_SAMPLER_ARG,
    );
    const beganAt = now();
    const trace = traceOf({ metadata: call.metadata, getPeer: () => call.getPeer() }, trust, traceparent);
    const trailer = new Metadata();
    trailer.set('x-request-id', trace.requestId);
    const asked = { requestId: trace.requestId, caller: requestContext(call.metadata, trace, trailer) };
    deps.events.requestBegun();
    void traces.run(trace, async () => {
      const { response, httpStatus, refusal } = await answer(call.request, asked).catch((err: unknown) =>
        service.failed(deps, err, asked),
      );
      const [fault, message, details] = response;
      const seconds = (now() - beganAt) / 1000;
      const isRead = rpc?.isRead === true;
      deps.events.requestEnded({ method: 'POST', route, status: httpStatus, seconds, refusal, isRead });
      deps.recordSpan({ ...spanOf(service.name, name, fault), traceparent, parentId, beganAt });
      if (details) trailer.merge(details);
      done(fault, message, trailer);
    });
  };
}

function requestContext(metadata: Metadata, { ip = '', userAgent = '' }: Trace, trailer: Metadata): RpcCall['caller'] {
  const idempotencyKey = textOf(metadata, 'idempotency-key');
  const acceptLanguage = textOf(metadata, 'accept-language');
  return {
    address: ip,
    userAgent,
    noteLimit: (state) => showLimit(trailer, state),
    ...(acceptLanguage !== undefined && { acceptLanguage }),
    ...(idempotencyKey !== undefined && { idempotencyKey }),
  };
}

/** Shows the limit with the fewest attempts left, as the headers of REST do. */
function showLimit(trailer: Metadata, { allowed, max, remaining, resetSeconds }: LimitsState): void {
  const [shown] = trailer.get('ratelimit-remaining');
  if (allowed && shown !== undefined && Number(shown) <= remaining) return;
  trailer.set('ratelimit-limit', String(max));
  trailer.set('ratelimit-remaining', String(allowed ? remaining : 0));
  trailer.set('ratelimit-reset', String(resetSeconds));
}

/** Named by the semantic conventions of OpenTelemetry. A refusal is a normal answer: its status is OK. */
function spanOf(
  service: string,
  rpc: string,
  fault: Answered['response'][0],
): Pick<Span, 'name' | 'kind' | 'attributes' | 'failure'> {
  const code = fault?.code ?? status.OK;
  const isOurs = code === status.INTERNAL || code === status.UNAVAILABLE;
  return {
    name: `${service}/${rpc}`,
    kind: 'server',
    attributes: {
      'rpc.system': 'grpc',
      'rpc.service': service,
      'rpc.method': rpc,
      'rpc.grpc.status_code': code,
    },
    failure: isOurs ? status[code] : undefined,
  };
}

/**
 * Refuses ambiguous and unauthenticated callers before their message is read. Health checks need no authentication.
 */
function admission(
  { events }: Pick<ApiDeps, 'events'>,
  { admit, trust }: { admit: Admit; trust: TrustProxy },
): ServerInterceptor {
  return (method, call) => {
    const refuse = (metadata: Metadata, [code, details]: [status, string]) => {
      events.requestBegun();
      const isMalformed = code === status.INVALID_ARGUMENT;
      const refusal = { code: isMalformed ? 'malformed' : 'unauthenticated' };
      const asked = { getPeer: () => call.getPeer(), metadata };
      traces.run(traceOf(asked, trust), () =>
        events.requestEnded({
          method: 'POST',
          route: method.path,
          status: isMalformed ? 400 : 401,
          seconds: 0,
          refusal,
        }),
      );
      call.sendStatus({ code, details });
    };
    const refusalOf = async (metadata: Metadata): Promise<[status, string] | undefined> => {
      if (isAmbiguous(metadata, call.getHost())) {
        return [status.INVALID_ARGUMENT, 'A header is given more than once, or host differs from :authority'];
      }
      if (method.path.startsWith('/grpc.health.v1.Health/') || (await admit(metadata))) return undefined;
      return [status.UNAUTHENTICATED, 'A valid bearer token is required'];
    };
    return new ServerInterceptingCall(call, {
      start(next) {
        next(
          new ServerListenerBuilder()
            .withOnReceiveMetadata((metadata, admitted) => {
              void refusalOf(metadata).then((refusal) => {
                if (refusal === undefined) admitted(metadata);
                else refuse(metadata, refusal);
              });
            })
            .build(),
        );
      },
    });
  };
}

/** As `ambiguityIn` of HTTP/1.1; `:authority` replaces `host` (RFC 9113 section 8.3.1). */
function isAmbiguous(metadata: Metadata, authority: string): boolean {
  if (singleHeaders.some((name) => metadata.get(name).length > 1)) return true;
  const host = textOf(metadata, 'host');
  return host !== undefined && host.toLowerCase() !== authority.toLowerCase();
}

/** The trace of a call. */
function traceOf(
  { metadata, getPeer }: { getPeer(): string; metadata: Metadata },
  trust: TrustProxy,
  traceparent = beginTrace(undefined, 1).traceparent,
): Trace {
  return requestTrace({
    ip: clientAddressOf({ peer: addressIn(getPeer()), forwarded: textOf(metadata, 'x-forwarded-for'), trust }),
    userAgent: textOf(metadata, 'user-agent'),
    requestId: textOf(metadata, 'x-request-id'),
    traceparent,
  });
}

/** The library joins address and port without brackets, also for IPv6. */
function addressIn(peer: string): string {
  return peer.replace(/:\d+$/, '');
}

function textOf(metadata: Metadata, name: string): string | undefined {
  const [value] = metadata.get(name);
  return typeof value === 'string' ? value : undefined;
}
