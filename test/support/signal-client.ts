/**
 * A client of Signal's registration-service, generated from the inventory of its contract (names, tags, types) and not
 * from the proto file of this project: responses that it can read, a Signal-Server can read.
 */
import { readFileSync } from 'node:fs';
import { type ChannelCredentials, Client, credentials, Metadata, type ServiceError } from '@grpc/grpc-js';
import protobuf from 'protobufjs';
import { hangMs } from './until.ts';

interface Inventory {
  package: string;
  service: { methods: { name: string; full_path: string; request: string; response: string }[] };
  messages: {
    name: string;
    fields: { name: string; json_name: string; tag: number; type: string; oneof?: string }[];
  }[];
  enums: { name: string; values: { name: string; number: number }[] }[];
}

const inventory = JSON.parse(
  readFileSync(new URL('./signal-registration-proto.json', import.meta.url), 'utf8'),
) as Inventory;

const root = new protobuf.Root();
const namespace = root.define(inventory.package);
for (const { name, values } of inventory.enums) {
  namespace.add(new protobuf.Enum(name, Object.fromEntries(values.map((value) => [value.name, value.number]))));
}
for (const { name, fields } of inventory.messages) {
  const type = new protobuf.Type(name);
  for (const field of fields) type.add(new protobuf.Field(field.json_name, field.tag, field.type));
  for (const oneof of new Set(fields.flatMap((field) => field.oneof ?? []))) {
    const members = fields.filter((field) => field.oneof === oneof).map((field) => field.json_name);
    type.add(new protobuf.OneOf(oneof, members));
  }
  namespace.add(type);
}

/** The numbers of all enum values, by full name. */
export const numbers: Record<string, number> = Object.fromEntries(
  inventory.enums.flatMap(({ values }) => values.map(({ name, number }) => [name, number])),
);

/** Session metadata as received; 64-bit numbers are strings. */
export interface WireMetadata {
  sessionId: Buffer;
  verified: boolean;
  e164: string;
  mayRequestSms: boolean;
  nextSmsSeconds: string;
  mayRequestVoiceCall: boolean;
  nextVoiceCallSeconds: string;
  mayCheckCode: boolean;
  nextCodeCheckSeconds: string;
  expirationSeconds: string;
}

/** A response; parts that were not sent are absent. */
export interface WireResponse {
  sessionMetadata?: WireMetadata;
  error?: { errorType: number; mayRetry?: boolean; retryAfterSeconds?: string };
}

/** A connected client. */
export interface SignalClient {
  /** Makes one call; a Buffer is sent unchanged. */
  call(rpc: string, request: Record<string, unknown> | Buffer, headers?: Record<string, string>): Promise<WireResponse>;
  /** Closes the connection. */
  close(): void;
}

/** Connects to a server; `token` is the bearer token of every call. */
export function connectSignal(
  address: string,
  { token, tls = credentials.createInsecure() }: { token?: string; tls?: ChannelCredentials } = {},
): SignalClient {
  const client = new Client(address, tls, { 'grpc.max_send_message_length': -1 });
  return {
    call(rpc, request, headers = {}) {
      const method = inventory.service.methods.find(({ name }) => name === rpc);
      if (method === undefined) throw new Error(`The inventory has no ${rpc}`);
      const [asked, answered] = [namespace.lookupType(method.request), namespace.lookupType(method.response)];
      const metadata = new Metadata();
      if (token !== undefined) metadata.set('authorization', `Bearer ${token}`);
      for (const [name, value] of Object.entries(headers)) metadata.set(name, value);
      return new Promise((resolve, reject) => {
        client.makeUnaryRequest<Record<string, unknown> | Buffer, WireResponse>(
          method.full_path,
          (given) => (Buffer.isBuffer(given) ? given : Buffer.from(asked.encode(asked.fromObject(given)).finish())),
          (bytes) => readResponse(answered, bytes),
          request,
          metadata,
          { deadline: Date.now() + hangMs },
          (err: ServiceError | null, response) => (err === null ? resolve(response as WireResponse) : reject(err)),
        );
      });
    },
    close: () => client.close(),
  };
}

/**
 * Decodes nested messages with defaults, so that each field can be asserted; parts of a response appear only if
 * present.
 */
function readResponse(type: protobuf.Type, bytes: Buffer): WireResponse {
  const message = type.decode(bytes) as unknown as Record<string, protobuf.Message>;
  const part = (name: string) => {
    const field = type.fields[name];
    if (field === undefined || message[name] === null || message[name] === undefined) return {};
    const nested = field.resolve().resolvedType as protobuf.Type;
    return { [name]: nested.toObject(message[name], { defaults: true, longs: String, bytes: Buffer }) };
  };
  return { ...part('sessionMetadata'), ...part('error') } as WireResponse;
}
