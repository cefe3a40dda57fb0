/** Failures as the status of a call, by the one table of api/problems.ts, with the richer error model of gRPC. */
import { fileURLToPath } from 'node:url';
import { Metadata, status } from '@grpc/grpc-js';
import protobuf from 'protobufjs';
import type { ErrorCode, Problem } from '../problems.ts';

/** Every `error_code` has a status: a new one does not compile without. */
const statuses: Record<ErrorCode, number> = {
  INVALID_REQUEST: status.INVALID_ARGUMENT,
  INVALID_OTP: status.INVALID_ARGUMENT,
  UNAUTHORIZED: status.UNAUTHENTICATED,
  INVALID_TOKEN: status.UNAUTHENTICATED,
  FORBIDDEN: status.PERMISSION_DENIED,
  NOT_FOUND: status.NOT_FOUND,
  CONFLICT: status.FAILED_PRECONDITION,
  GONE: status.FAILED_PRECONDITION,
  REGISTRATION_LOCKED: status.FAILED_PRECONDITION,
  PROVIDER_REFUSED: status.FAILED_PRECONDITION,
  RATE_LIMITED: status.RESOURCE_EXHAUSTED,
  INTERNAL_ERROR: status.INTERNAL,
  UNAVAILABLE: status.UNAVAILABLE,
};

const types = protobuf.loadSync(fileURLToPath(new URL('./error_details.proto', import.meta.url)));

/** The status of a call that a problem ends, its sentence, and its details in `grpc-status-details-bin`. */
export function faultOf({ body }: Problem): { code: number; details: string; metadata: Metadata } {
  const { error, error_code: reason, request_id: requestId, retry_after_seconds: seconds, details, ...context } = body;
  const code = statuses[reason];
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
