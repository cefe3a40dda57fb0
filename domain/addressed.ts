/**
 * Values that only one task queue reads. The workflow wraps the input of an activity, so that the worker that encodes it
 * knows to which role it is sealed; the activity gets the value itself.
 */

/** A value and its task queue. `queue` comes first, so that the encoded text begins with it. */
interface Addressed {
  $queue: string;
  value: unknown;
}

/** Wraps a value. An absent one has nothing to hide. */
export function addressed(queue: string, value: unknown): unknown {
  return value === undefined ? value : ({ $queue: queue, value } satisfies Addressed);
}

const head = /^\{"\$queue":"(\w+)","value":/;

/** Returns the queue and the encoded value of encoded wrapped values; undefined if it is another value. */
export function addressedTo(data: Uint8Array | null | undefined): { queue: string; data: Uint8Array } | undefined {
  // empty bytes, as of the result of a workflow that has none, are an empty array in protobuf.js
  if (!data?.length) return undefined;
  const [found, queue] = head.exec(new TextDecoder().decode(data.subarray(0, 64))) ?? [];
  if (found === undefined || queue === undefined) return undefined;
  return { queue, data: data.subarray(found.length, -1) };
}
