/** Strict decoding of messages: what proto3 forbids is refused, and what it ignores is ignored. */
import type { MethodDefinition } from '@grpc/grpc-js';
import type protobuf from 'protobufjs';

/**
 * A decoded message, or malformed bytes. A server must not throw here, because the caller would get an internal error.
 */
export type Received = { message: unknown } | { isMalformed: true };

/**
 * Returns a method whose handler also receives malformed messages. Text that is not UTF-8 is malformed, unknown fields
 * are ignored. https://protobuf.dev/programming-guides/proto3/
 */
export function readStrictly(
  method: MethodDefinition<object, object>,
  type: protobuf.Type,
): MethodDefinition<Received, object> {
  const requestDeserialize = (bytes: Buffer): Received => {
    try {
      return { message: type.toObject(type.decode(bytes), { defaults: true, longs: String, bytes: Buffer }) };
    } catch {
      return { isMalformed: true };
    }
  };
  // a server never serialises requests
  return { ...method, requestDeserialize } as unknown as MethodDefinition<Received, object>;
}
