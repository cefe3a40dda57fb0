/** A client of `vyry.auth.v1.AuthService` built only from what the reflection service of the server returns. */
import assert from 'node:assert/strict';
import { Client, credentials, loadPackageDefinition, Metadata, type StatusObject } from '@grpc/grpc-js';
import { loadFileDescriptorSetFromBuffer } from '@grpc/proto-loader';
import protobuf from 'protobufjs';
import { hangMs } from './until.ts';

// biome-ignore lint/suspicious/noExplicitAny: responses are under test; assertions check their shape
type Message = any;

/** The result of a call, successful or not. */
export interface RpcAnswer {
  /** gRPC status code, 0 for OK. */
  code: number;
  message: Message;
  /** The error details of a failed call. */
  problem: {
    reason?: string;
    metadata: Record<string, string>;
    requestId?: string;
    retrySeconds?: number;
    fields: string[];
  };
  /** Metadata sent after the response. */
  trailer: Metadata;
}

/** A connected client. */
export interface AuthClient {
  /** Makes one call. */
  call(rpc: string, request: Record<string, unknown>, headers?: Record<string, string>): Promise<RpcAnswer>;
  /** Makes one call with these request bytes; returns the status code. */
  send(rpc: string, bytes: Buffer): Promise<number>;
  /** Closes the connection. */
  close(): void;
}

const service = 'vyry.auth.v1.AuthService';
const reflection = `syntax = "proto3"; package grpc.reflection.v1;
service ServerReflection { rpc ServerReflectionInfo(stream Ask) returns (stream Told); }
message Ask { string host = 1; string file_containing_symbol = 4; string list_services = 7; }
message Told { Files file_descriptor_response = 4; Services list_services_response = 6; }
message Files { repeated bytes file_descriptor_proto = 1; }
message Services { repeated Named service = 1; }
message Named { string name = 1; }`;
const errorModel = protobuf.parse(`syntax = "proto3";
message Any { string type_url = 1; bytes value = 2; }
message Status { int32 code = 1; string message = 2; repeated Any details = 3; }
message ErrorInfo { string reason = 1; string domain = 2; map<string, string> metadata = 3; }
message Duration { int64 seconds = 1; int32 nanos = 2; }
message RetryInfo { Duration retry_delay = 1; }
message Violation { string field = 1; string description = 2; }
message BadRequest { repeated Violation field_violations = 1; }
message RequestInfo { string request_id = 1; }`).root;

/** Reads the service definition from the reflection service and connects. */
export async function connectAuth(address: string, token?: string): Promise<AuthClient> {
  const metadata = () => {
    const given = new Metadata();
    if (token !== undefined) given.set('authorization', `Bearer ${token}`);
    return given;
  };
  const files = await reflect(address, metadata(), { fileContainingSymbol: service });
  const named = files.fileDescriptorResponse.fileDescriptorProto as Buffer[];
  // in a FileDescriptorSet each file is field 1
  const set = protobuf.Writer.create();
  for (const file of named) set.uint32(10).bytes(file);
  const loaded = loadPackageDefinition(loadFileDescriptorSetFromBuffer(Buffer.from(set.finish()))) as Message;
  const client = new loaded.vyry.auth.v1.AuthService(address, credentials.createInsecure()) as Client & Message;
  const call = async (
    { path, responseDeserialize }: Message,
    request: unknown,
    serialize: (given: never) => Buffer,
    headers: Record<string, string> = {},
  ): Promise<RpcAnswer> => {
    const sent = metadata();
    for (const [name, value] of Object.entries(headers)) sent.set(name, value);
    const options = { deadline: Date.now() + hangMs };
    const [message, { code, metadata: trailer }] = await new Promise<[Message, StatusObject]>((resolve) => {
      let answered: Message;
      client
        .makeUnaryRequest(
          path,
          serialize,
          responseDeserialize,
          request,
          sent,
          options,
          (_: unknown, answer: Message) => {
            answered = answer;
          },
        )
        .on('status', (ended: StatusObject) => setImmediate(() => resolve([answered, ended])));
    });
    return { code, message, problem: problemIn(trailer), trailer };
  };
  return {
    call(rpc, request, headers) {
      const method = loaded.vyry.auth.v1.AuthService.service[rpc];
      assert.ok(method, `The server has no ${rpc}`);
      return call(method, request, method.requestSerialize, headers);
    },
    async send(rpc, bytes) {
      const method = loaded.vyry.auth.v1.AuthService.service[rpc];
      return (await call(method, bytes, (given: Buffer) => given)).code;
    },
    close: () => client.close(),
  };
}

/** Returns the services listed by the reflection service. */
export async function servicesOf(address: string, token: string): Promise<string[]> {
  const metadata = new Metadata();
  metadata.set('authorization', `Bearer ${token}`);
  const told = await reflect(address, metadata, { listServices: '*' });
  return told.listServicesResponse.service.map(({ name }: { name: string }) => name);
}

async function reflect(address: string, metadata: Metadata, ask: Record<string, string>): Promise<Message> {
  const { root } = protobuf.parse(reflection);
  const types = root.lookupType('grpc.reflection.v1.Ask');
  const told = root.lookupType('grpc.reflection.v1.Told');
  const client = new Client(address, credentials.createInsecure());
  const stream = client.makeBidiStreamRequest(
    '/grpc.reflection.v1.ServerReflection/ServerReflectionInfo',
    (given: Message) => Buffer.from(types.encode(types.fromObject(given)).finish()),
    (bytes) => told.toObject(told.decode(bytes)),
    metadata,
  );
  stream.write(ask);
  try {
    return await new Promise((resolve, reject) => {
      stream.once('data', resolve);
      stream.once('error', reject);
    });
  } finally {
    stream.cancel();
    stream.on('error', () => {});
    client.close();
  }
}

function problemIn(trailer: Metadata): RpcAnswer['problem'] {
  const [bytes] = trailer.get('grpc-status-details-bin');
  const parts: Record<string, Message> = {};
  if (Buffer.isBuffer(bytes)) {
    for (const { typeUrl: url, value } of (errorModel.lookupType('Status').decode(bytes) as Message).details) {
      const name = String(url).replace('type.googleapis.com/google.rpc.', '');
      const type = errorModel.lookupType(name);
      parts[name] = type.toObject(type.decode(value), { longs: Number, objects: true });
    }
  }
  const { reason, domain, metadata = {} } = parts.ErrorInfo ?? {};
  if (reason !== undefined) assert.equal(domain, 'vyry');
  return {
    reason,
    metadata,
    requestId: parts.RequestInfo?.requestId,
    retrySeconds: parts.RetryInfo?.retryDelay?.seconds,
    fields: (parts.BadRequest?.fieldViolations ?? []).map(({ field }: { field: string }) => field),
  };
}
