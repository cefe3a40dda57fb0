/** Failures as the status of a call, by the table in contract/failures.ts, with the richer error model of gRPC. */
import { fileURLToPath } from 'node:url';
import { Metadata } from '@grpc/grpc-js';
import protobuf from 'protobufjs';
import { errorCodes } from '../../contract/failures.ts';
import type { Problem } from '../problems.ts';

const types = protobuf.loadSync(fileURLToPath(new URL('../../contract/proto/error_details.proto', import.meta.url)));

/** Returns the status of a call that failed, with its sentence, and its details in `grpc-status-details-bin`. */
export function faultOf({ body }: Problem): { code: number; details: string; metadata: Metadata } {
  const { error, error_code: reason, request_id: requestId, retry_after_seconds: seconds, details, ...context } = body;
  const code = errorCodes[reason].grpcStatus;
  const parts = [
    packed('ErrorInfo', { reason, domain: 'vyry', metadata: textsOf(context) }),
    packed('RequestInfo', { requestId }),
    ...(seconds === undefined ? [] : [packed('RetryInfo', { retryDelay: { seconds } })]),
    ...(details === undefined ? [] : [packed('BadRequest', { fieldViolations: details.map(violationOf) })]),
  ];
  const metadata = new Metadata();
  metadata.set('grpc-status-details-bin', encoded('Status', { code, message: error, details: parts }));
  return { code, details: error, metadata };
}

function violationOf({ path, message }: { path: string; message: string }) {
  return { field: path, description: message };
}

function textsOf(context: Record<string, unknown>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(context).map(([name, fact]) => [name, typeof fact === 'string' ? fact : JSON.stringify(fact)]),
  );
}

function packed(name: string, message: Record<string, unknown>) {
  return { type_url: `type.googleapis.com/google.rpc.${name}`, value: encoded(name, message) };
}

function encoded(name: string, message: Record<string, unknown>): Buffer {
  const type = types.lookupType(`google.rpc.${name}`);
  return Buffer.from(type.encode(type.fromObject(message)).finish());
}
