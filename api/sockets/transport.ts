/**
 * What the public interface of Engine.IO lacks: the close code of a WebSocket, and how many bytes wait to be written. The
 * transport is always a WebSocket of the package ws.
 */
import type { Socket } from 'socket.io';

type EngineSocket = Socket['conn'];

/** The part of a WebSocket of ws that is used. */
interface WebSocket {
  readonly bufferedAmount: number;
  close(code: number, reason: string): void;
  terminate(): void;
}

/** WebSocket close codes (RFC 6455 section 7.4.1 and the registry of IANA). */
export const closeCodes = { normal: 1000, policyViolation: 1008, internalError: 1011, serviceRestart: 1012 } as const;

/** How long a client may take to answer a close frame. */
const closeMs = 5000;

/** Closes a connection with a close code (RFC 6455 section 7.4). What was emitted before arrives before it. */
export function closeTransport(conn: EngineSocket, code: number, reason: string): void {
  const webSocket = webSocketOf(conn);
  const close = () => webSocket.close(code, reason);
  // frames that wait for the transport would be lost
  if (bufferOf(conn).length > 0) conn.once('drain', close);
  else close();
  setTimeout(() => webSocket.terminate(), closeMs).unref();
}

/** Ends a connection at once, and what waits to be written to it. */
export function abort(conn: EngineSocket): void {
  webSocketOf(conn).terminate();
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
