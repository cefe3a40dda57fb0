/** The handshake of a connection: its token, and how many connections its user may have. */
import type { Socket } from 'socket.io';
import { Failure } from '../../domain/failures.ts';
import type { AuthSession } from '../../domain/session.ts';
import type { SocketRefusal } from '../../platform/events/sockets.ts';
import { traces } from '../../platform/log.ts';
import { requestTrace } from '../../platform/spans.ts';
import { requireToken, type SessionDeps } from '../authenticate.ts';
import type { ApiDeps, Caller } from '../deps.ts';
import { limited } from '../limits/counting.ts';
import { noteProblem, problemOf } from '../problems.ts';
import type { Connections } from './node.ts';

/** The dependencies of handshakes. */
export type HandshakeDeps = SessionDeps & Pick<ApiDeps, 'config' | 'events'>;

/** What a handshake proved. */
export interface Handshake {
  session: AuthSession;
  /** When the token expires, in milliseconds since the Unix epoch. */
  expiresAt: number;
  caller: Caller;
}

/** When a client that finds no room may try again. */
const retrySeconds = 30;

/** Transports whose client has had its try. */
const tried = new WeakSet<Socket['conn']>();

/**
 * Authenticates a connection by `auth: { token }` of its client.
 *
 * @throws {Error} with the error of REST as `data`, as Socket.IO passes it on to the client
 */
export async function shakeHands(
  deps: HandshakeDeps,
  socket: Socket,
  { caller, node, isDraining }: { caller: Caller; node: Connections; isDraining: boolean },
): Promise<Handshake> {
  const trace = requestTrace({ ip: caller.address, userAgent: caller.userAgent });
  return await traces.run(trace, async () => {
    try {
      if (isDraining) throw new Refusal('draining', new Failure('unavailable'));
      if (tried.has(socket.conn)) throw new Refusal('malformed', new Failure('unauthenticated'));
      tried.add(socket.conn);
      const { session, expiresAt } = await requireToken(deps, bearerIn(socket.handshake.auth));
      requireRoom(deps, node, session);
      return { session, expiresAt, caller };
    } catch (err) {
      throw refusalOf(deps, err, trace.requestId);
    }
  });
}

/** Records a refusal, and returns the error for the client. */
function refusalOf({ events }: HandshakeDeps, err: unknown, requestId: string): Error {
  const { reason, failure, userId } = err instanceof Refusal ? err : new Refusal('token', err);
  const problem = problemOf(failure, requestId);
  noteProblem(events, problem, failure);
  events.socketRefused({ reason, ...(userId !== undefined && { userId }) });
  return Object.assign(new Error(problem.body.error), { data: problem.body });
}

/** A refusal: its reason, what was thrown, and the user if the token was valid. */
class Refusal extends Error {
  readonly reason: SocketRefusal;
  readonly failure: unknown;
  readonly userId: string | undefined;

  constructor(reason: SocketRefusal, failure: unknown, userId?: string) {
    super(reason);
    this.reason = reason;
    this.failure = failure;
    this.userId = userId;
  }
}

function bearerIn({ token }: { token?: unknown }): string | undefined {
  return typeof token === 'string' ? `Bearer ${token}` : undefined;
}

/** A device, and a session without one, has one connection: an earlier one of it makes room. */
function requireRoom({ config }: Pick<ApiDeps, 'config'>, node: Connections, session: AuthSession): void {
  const { userId, deviceId, sessionId } = session;
  const open = node.of(userId);
  const isReplacing = open.some((one) =>
    deviceId === undefined ? one.session.sessionId === sessionId : one.deviceId === deviceId,
  );
  if (!isReplacing && open.length >= config.SOCKETS_PER_PERSON) {
    throw new Refusal('person', limited('sockets-per-person', retrySeconds), userId);
  }
}
