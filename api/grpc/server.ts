/** The gRPC server: Signal's registration-service, AuthService, health and reflection on one port. */
import { isIP } from 'node:net';
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
import type { LimitsState } from '../../adapters/redis/rate-limits.ts';
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
    interceptors: [admission(deps, admit)],
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
    const trace = traceOf(call, trust, traceparent);
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

/** Refuses unauthenticated callers before their message is read. Health checks need no authentication. */
function admission({ events }: Pick<ApiDeps, 'events'>, admit: Admit): ServerInterceptor {
  return (method, call) => {
    if (method.path.startsWith('/grpc.health.v1.Health/')) return new ServerInterceptingCall(call);
    const refuse = (code: number, details: string) => {
      events.requestBegun();
      const refusal = { code: 'unauthenticated' };
      traces.run(traceOf(call), () =>
        events.requestEnded({ method: 'POST', route: method.path, status: 401, seconds: 0, refusal }),
      );
      call.sendStatus({ code, details });
    };
    return new ServerInterceptingCall(call, {
      start(next) {
        next(
          new ServerListenerBuilder()
            .withOnReceiveMetadata((metadata, admitted) => {
              void admit(metadata).then((isAdmitted) => {
                if (isAdmitted) admitted(metadata);
                else refuse(status.UNAUTHENTICATED, 'A valid bearer token is required');
              });
            })
            .build(),
        );
      },
    });
  };
}

/** The trace of a call; `x-forwarded-for` of an unauthenticated caller is not trusted. */
function traceOf(
  call: { getPeer(): string; metadata?: Metadata },
  trust: TrustProxy = () => false,
  traceparent = beginTrace(undefined, 1).traceparent,
): Trace {
  const { metadata } = call;
  const peer = call
    .getPeer()
    .replace(/:\d+$/, '')
    .replace(/^\[|\]$/g, '');
  return requestTrace({
    ip: sourceOf(peer, metadata && textOf(metadata, 'x-forwarded-for'), trust),
    userAgent: metadata && textOf(metadata, 'user-agent'),
    requestId: metadata && textOf(metadata, 'x-request-id'),
    traceparent,
  });
}

/** Returns the nearest address that is not a trusted proxy, as `req.ip` of Express. */
function sourceOf(peer: string, forwarded: string | undefined, trust: TrustProxy): string {
  const addresses = [peer, ...(forwarded?.split(',').reverse() ?? []).map((address) => address.trim())];
  const proxies = addresses.findIndex(
    (address, attempt) => !trust(address, attempt) || isIP(addresses[attempt + 1] ?? '') === 0,
  );
  return addresses[proxies] ?? peer;
}

function textOf(metadata: Metadata, name: string): string | undefined {
  const [value] = metadata.get(name);
  return typeof value === 'string' ? value : undefined;
}
