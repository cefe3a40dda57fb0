/** Messages off the wire, read strictly: what proto3 forbids is told from what it says to ignore. */
import type { MethodDefinition } from '@grpc/grpc-js';
import type protobuf from 'protobufjs';

/** A message, or that the bytes are none. A server may not throw here: the caller would be told of an internal error. */
export type Received = { message: unknown } | { isMalformed: true };

/**
 * A method that hands over what it received whether it can be read or not. Text that is not UTF-8 is malformed, fields
 * that are not known are ignored. https://protobuf.dev/programming-guides/proto3/
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
