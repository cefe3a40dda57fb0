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

/** How long a client may take to answer a close frame. */
const closeMs = 5000;

/** Closes a connection with a close code (RFC 6455 section 7.4). What was written before arrives before it. */
export function closeTransport(conn: EngineSocket, code: number, reason: string): void {
  const webSocket = webSocketOf(conn);
  webSocket.close(code, reason);
  setTimeout(() => webSocket.terminate(), closeMs).unref();
}

/** Ends a connection at once, and what waits to be written to it. */
export function abort(conn: EngineSocket): void {
  webSocketOf(conn).terminate();
}

/** Returns how many bytes wait to be written, those in the kernel not counted. */
export function unwrittenBytes(conn: EngineSocket): number {
  const { writeBuffer } = conn as unknown as { writeBuffer: readonly { data?: string }[] };
  let bytes = webSocketOf(conn).bufferedAmount;
  for (const { data } of writeBuffer) bytes += data?.length ?? 0;
  return bytes;
}

function webSocketOf({ transport }: EngineSocket): WebSocket {
  return (transport as unknown as { socket: WebSocket }).socket;
}
