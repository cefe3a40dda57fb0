/** The gRPC door: Signal's registration-service, health and reflection on one port. */
import { fileURLToPath } from 'node:url';
import {
  type handleUnaryCall,
  type Metadata,
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
import { type Trace, traces } from '../../platform/log.ts';
import { beginTrace, now, requestTrace, type Span } from '../../platform/spans.ts';
import type { ApiDeps } from '../deps.ts';
import { failureOf } from '../problems.ts';
import type { SessionAnswer } from '../verifications/sessions.ts';
import { type Rpc, rpcs, statusOf } from './answers.ts';
import { type Admit, createAdmission, createServerCredentials } from './callers.ts';
import { type Received, readStrictly } from './messages.ts';
import { BadCall, faultOf, operations, responseOf } from './registration-service.ts';

/** The requests of this contract are a hundred bytes; the default of the library is 4 MiB. */
const requestBytesMax = 64 * 1024;
const stopMs = 5000;

const protoFile = fileURLToPath(new URL('./registration_service.proto', import.meta.url));
const serviceName = 'org.signal.registration.rpc.RegistrationService';

/** A door that is open. */
export interface GrpcDoor extends AsyncDisposable {
  /** `host:port` */
  address: string;
}

/** Opens the door. @throws {Error} the configuration is not whole, or the port is taken */
export async function openGrpc(deps: ApiDeps): Promise<GrpcDoor> {
  const { config } = deps;
  const admit = createAdmission(config);
  const server = new Server({
    'grpc.max_receive_message_length': requestBytesMax,
    interceptors: [admission(deps, admit)],
  });
  const loaded = loadSync(protoFile, { longs: String, enums: Number });
  server.addService(...registrationService(deps, loaded[serviceName] as LoadedService));
  const health = new HealthImplementation({ '': 'SERVING', [serviceName]: 'SERVING' });
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
      for (const name of ['', serviceName]) health.setStatus(name, 'NOT_SERVING');
      const timer = setTimeout(() => server.forceShutdown(), stopMs);
      await new Promise<void>((resolve) => server.tryShutdown(() => resolve()));
      clearTimeout(timer);
    },
  };
}

type Handlers = Record<string, handleUnaryCall<Received<never>, Record<string, unknown>>>;

function registrationService(deps: ApiDeps, loaded: LoadedService): [ServiceDefinition, Handlers] {
  const root = protobuf.loadSync(protoFile);
  const service = root.lookupService(serviceName);
  const methods = rpcs.map((rpc) => {
    const method = loaded[rpc];
    const type = root.lookupType(`org.signal.registration.rpc.${service.methods[rpc]?.requestType}`);
    if (method === undefined) throw new Error(`The contract has no ${rpc}`);
    return [rpc, readStrictly(method, type)] as const;
  });
  const handlers = rpcs.map((rpc) => [
    rpc,
    handlerOf(deps, rpc, methods.find(([name]) => name === rpc)?.[1].path ?? ''),
  ]);
  return [Object.fromEntries(methods) as ServiceDefinition, Object.fromEntries(handlers) as Handlers];
}

interface Answered {
  response: Parameters<sendUnaryData<Record<string, unknown>>>;
  /** The HTTP status by which it is counted. */
  httpStatus: number;
  refusal?: { code: string; limit?: string; retryAfterSeconds?: number } | undefined;
}

/** Runs a rpc in its trace, counts it and answers it. */
function handlerOf(deps: ApiDeps, rpc: Rpc, route: string) {
  const run: (deps: ApiDeps, request: never) => Promise<SessionAnswer> = operations[rpc];
  const answer = async (request: Received<never>): Promise<Answered> => {
    if (!('message' in request)) throw new BadCall('The message cannot be read');
    return answerOf(rpc, await run(deps, request.message));
  };
  return (
    call: ServerUnaryCall<Received<never>, Record<string, unknown>>,
    done: sendUnaryData<Record<string, unknown>>,
  ) => {
    const { traceparent, parentId } = beginTrace(
      textOf(call.metadata, 'traceparent'),
      deps.config.OTEL_TRACES_SAMPLER_ARG,
    );
    const beganAt = now();
    deps.events.requestBegun();
    void traces.run(traceOf(call, traceparent), async () => {
      const { response, httpStatus, refusal } = await answer(call.request).catch((err: unknown) =>
        answerFault(deps, err),
      );
      const seconds = (now() - beganAt) / 1000;
      const isRead = rpc === 'GetSessionMetadata';
      deps.events.requestEnded({ method: 'POST', route, status: httpStatus, seconds, refusal, isRead });
      deps.recordSpan({ ...spanOf(rpc, response[0]), traceparent, parentId, beganAt });
      done(...response);
    });
  };
}

/** As the semantic conventions of OpenTelemetry name things. A refusal is an answer like another: its status is OK. */
function spanOf(rpc: Rpc, fault: Answered['response'][0]): Pick<Span, 'name' | 'kind' | 'attributes' | 'failure'> {
  const code = fault?.code ?? status.OK;
  const isOurs = code === status.INTERNAL || code === status.UNAVAILABLE;
  return {
    name: `${serviceName}/${rpc}`,
    kind: 'server',
    attributes: {
      'rpc.system': 'grpc',
      'rpc.service': serviceName,
      'rpc.method': rpc,
      'rpc.grpc.status_code': code,
    },
    failure: isOurs ? status[code] : undefined,
  };
}

function answerOf(rpc: Rpc, answer: SessionAnswer): Answered {
  const response: Answered['response'] = [null, responseOf(rpc, answer)];
  const { refusal } = answer;
  if (refusal === undefined) return { response, httpStatus: 200 };
  const { reason, limit, waitMs } = refusal;
  const retryAfterSeconds = waitMs === undefined ? undefined : Math.ceil(waitMs / 1000);
  return {
    response,
    httpStatus: statusOf(refusal),
    refusal: { code: reason, ...(limit && { limit }), ...(retryAfterSeconds !== undefined && { retryAfterSeconds }) },
  };
}

function answerFault({ events }: ApiDeps, err: unknown): Answered {
  const fault = faultOf(err, failureOf);
  if (err instanceof BadCall) return { response: [fault], httpStatus: 400, refusal: { code: 'malformed' } };
  if (fault.code === status.UNAVAILABLE) {
    events.dependencyFailed(err);
    return { response: [fault], httpStatus: 503, refusal: { code: 'unavailable' } };
  }
  events.requestFailed(err);
  return { response: [fault], httpStatus: 500, refusal: { code: 'internal-error' } };
}

/** Refuses strangers before anything of their message is read. Whether we are well may be asked by everybody. */
function admission(deps: ApiDeps, admit: Admit): ServerInterceptor {
  return (method, call) => {
    if (method.path.startsWith('/grpc.health.v1.Health/')) return new ServerInterceptingCall(call);
    const refuse = (code: number, details: string) => {
      deps.events.requestBegun();
      const refusal = { code: 'unauthenticated' };
      traces.run(traceOf(call), () =>
        deps.events.requestEnded({ method: 'POST', route: method.path, status: 401, seconds: 0, refusal }),
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
                else refuse(status.UNAUTHENTICATED, 'A valid bearer token is needed');
              });
            })
            .build(),
        );
      },
    });
  };
}

function traceOf(
  call: { getPeer(): string; metadata?: Metadata },
  traceparent = beginTrace(undefined, 1).traceparent,
): Trace {
  const ip = call
    .getPeer()
    .replace(/:\d+$/, '')
    .replace(/^\[|\]$/g, '');
  return requestTrace({ ip, userAgent: call.metadata && textOf(call.metadata, 'user-agent'), traceparent });
}

function textOf(metadata: Metadata, name: string): string | undefined {
  const [value] = metadata.get(name);
  return typeof value === 'string' ? value : undefined;
}
