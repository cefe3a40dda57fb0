/**
 * What the public interface of Engine.IO lacks: the close code of a WebSocket, and how many bytes wait to be written. The
 * transport is always a WebSocket of the package ws.
 */
import type { Socket } from 'socket.io';

type EngineSocket = Socket['conn'];

/** The part of a WebSocket of ws that is used. */
interface WebSocket {
  readonly readyState: number;
  readonly bufferedAmount: number;
  close(code: number, reason: string): void;
  terminate(): void;
  pause(): void;
  resume(): void;
}

/** WebSocket close codes (RFC 6455 section 7.4.1 and the registry of IANA). */
export const closeCodes = { normal: 1000, policyViolation: 1008, internalError: 1011, serviceRestart: 1012 } as const;

/** How long a client may take to answer a close frame. */
const closeMs = 5000;
/** The same once Engine.IO has closed a connection, as one that said nothing: nothing is on its way to that client any more. */
const closedMs = 1000;
/** A WebSocket whose transport is closed (WHATWG WebSockets, readyState). */
const closedState = 3;

/** Closes a connection with a close code (RFC 6455 section 7.4). What was emitted before arrives before it. */
export function closeTransport(conn: EngineSocket, code: number, reason: string): void {
  const webSocket = webSocketOf(conn);
  const close = () => webSocket.close(code, reason);
  // frames that wait for the transport would be lost
  if (bufferOf(conn).length > 0) conn.once('drain', close);
  else close();
  setTimeout(() => webSocket.terminate(), closeMs).unref();
}

/**
 * Ends the transport of a connection that Engine.IO has closed, if its client does not answer the close frame. The package
 * ws waits 30 s for it, in which the connection would count for its address.
 */
export function endClosed(conn: EngineSocket): void {
  const webSocket = webSocketOf(conn);
  if (webSocket.readyState !== closedState) setTimeout(() => webSocket.terminate(), closedMs).unref();
}

/** Ends a connection at once, and what waits to be written to it. */
export function abort(conn: EngineSocket): void {
  webSocketOf(conn).terminate();
}

const packetBytes = new WeakMap<EngineSocket, number>();

/** Notes the size of each packet of a connection, for `lastPacketBytes`. */
export function notePacketBytes(conn: EngineSocket): void {
  conn.on('packet', ({ data }: { data?: string }) => packetBytes.set(conn, data?.length ?? 0));
}

/** Returns the size of the packet that is being handled. */
export function lastPacketBytes(conn: EngineSocket): number {
  return packetBytes.get(conn) ?? 0;
}

/** Reads no more of a connection until `resumeReading`: its client fills the buffers of the network, and then waits. */
export function pauseReading(conn: EngineSocket): void {
  webSocketOf(conn).pause();
}

/** Reads a connection again. */
export function resumeReading(conn: EngineSocket): void {
  webSocketOf(conn).resume();
}

/** Returns how many bytes wait to be written, those in the kernel not counted. */
export function unwrittenBytes(conn: EngineSocket): number {
  let bytes = webSocketOf(conn).bufferedAmount;
  for (const { data } of bufferOf(conn)) bytes += data?.length ?? 0;
  return bytes;
}

function bufferOf(conn: EngineSocket): readonly { data?: string }[] {
  return (conn as unknown as { writeBuffer: readonly { data?: string }[] }).writeBuffer;
}

function webSocketOf({ transport }: EngineSocket): WebSocket {
  return (transport as unknown as { socket: WebSocket }).socket;
}
