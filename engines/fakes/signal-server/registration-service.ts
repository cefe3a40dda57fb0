/**
 * The gRPC client with which the fake Signal-Server asks its registration service: bearer token, 15 s for each call, no
 * retries. https://grpc.github.io/grpc/node/
 */
import { fileURLToPath } from 'node:url';
import {
  type Client,
  credentials,
  type GrpcObject,
  loadPackageDefinition,
  Metadata,
  type ServiceError,
} from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';

/** Where the registration service is. */
export interface RegistrationServiceOptions {
  /** `host:port`, without TLS. */
  address: string;
  token?: string | undefined;
}

/** The metadata of a session. */
export interface SessionMetadata {
  sessionId: Buffer;
  verified: boolean;
  /** Digits without a plus sign. */
  e164: string;
  mayRequestSms: boolean;
  nextSmsSeconds: number;
  mayRequestVoiceCall: boolean;
  nextVoiceCallSeconds: number;
  mayCheckCode: boolean;
  nextCodeCheckSeconds: number;
  expirationSeconds: number;
}

/** A response: one of both, or for the last two calls both. */
export interface ServiceResponse {
  sessionMetadata?: SessionMetadata;
  error?: { errorType: number; mayRetry: boolean; retryAfterSeconds: number };
}

/** The calls of the service. */
export type ServiceCall = 'CreateSession' | 'GetSessionMetadata' | 'SendVerificationCode' | 'CheckVerificationCode';

/** Thrown when a call has another status than OK; `isInvalid`: the request was not valid. */
export class ServiceFault extends Error {
  readonly isInvalid: boolean;

  constructor(isInvalid: boolean) {
    super(isInvalid ? 'invalid' : 'unavailable');
    this.isInvalid = isInvalid;
  }
}

/** A connection to the service. */
export interface RegistrationService {
  /** @throws {ServiceFault} the status is not OK */
  call(rpc: ServiceCall, request: Record<string, unknown>): Promise<ServiceResponse>;
  close(): void;
}

const callMs = 15_000;
const invalidArgument = 3;
const protoFile = fileURLToPath(new URL('../../../contract/proto/registration_service.proto', import.meta.url));

/** Connects to the service at the first call. */
export function connectRegistrationService({ address, token }: RegistrationServiceOptions): RegistrationService {
  const Service = readService();
  const client = new Service(address, credentials.createInsecure());
  return {
    call(rpc, request) {
      const metadata = new Metadata();
      if (token !== undefined) metadata.set('authorization', `Bearer ${token}`);
      const { path, requestSerialize, responseDeserialize } = Service.service[rpc];
      return new Promise((resolve, reject) => {
        client.makeUnaryRequest(
          path,
          requestSerialize,
          responseDeserialize,
          request,
          metadata,
          { deadline: Date.now() + callMs },
          (err: ServiceError | null, response?: Nullable<ServiceResponse>) => {
            if (err === null && response !== undefined) resolve(withoutNulls(response));
            else reject(new ServiceFault(err?.code === invalidArgument));
          },
        );
      });
    },
    close: () => client.close(),
  };
}

type Nullable<T> = { [K in keyof T]: T[K] | null };

/** The loader sets a message that is absent to null. */
function withoutNulls({ sessionMetadata, error }: Nullable<ServiceResponse>): ServiceResponse {
  return { ...(sessionMetadata && { sessionMetadata }), ...(error && { error }) };
}

interface Method {
  path: string;
  requestSerialize(request: Record<string, unknown>): Buffer;
  responseDeserialize(bytes: Buffer): Nullable<ServiceResponse>;
}
type ServiceClass = (new (
  ...args: ConstructorParameters<typeof Client>
) => Client) & {
  service: Record<ServiceCall, Method>;
};

function readService(): ServiceClass {
  const definition = loadSync(protoFile, { longs: Number, enums: Number, defaults: true, oneofs: true });
  const root = loadPackageDefinition(definition) as unknown as {
    org: { signal: { registration: { rpc: GrpcObject } } };
  };
  return root.org.signal.registration.rpc.RegistrationService as unknown as ServiceClass;
}
