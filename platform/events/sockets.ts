import { traces } from '../log.ts';
import { countRecent } from './flood.ts';
import type { Outputs } from './outputs.ts';

/**
 * Why a connection was refused. `origin`: of a page that may not connect. `address`, `person`, `process`: the most
 * connections that one of these may have. `requests`: too many attempts.
 */
export type SocketRefusal =
  | 'origin'
  | 'token'
  | 'address'
  | 'person'
  | 'process'
  | 'requests'
  | 'malformed'
  | 'draining';

/**
 * Why a connection ended. `client`: the client closed it. `lost`: it did not answer a ping or its transport failed.
 * `unacknowledged`: it acknowledged nothing for too long. `unwritten`: it read too slowly. `flood`: it sent too much. The
 * others are the reasons of `session:ended`.
 */
export type SocketClose =
  | 'client'
  | 'lost'
  | 'unacknowledged'
  | 'unwritten'
  | 'flood'
  | 'draining'
  | 'malformed'
  | 'revoked'
  | 'expired'
  | 'loggedOut'
  | 'replaced'
  | 'suspended'
  | 'error';

/** Creates the events of connections of Socket.IO. */
export function createSocketEvents({ counter, gauge, log, report }: Outputs) {
  const open = gauge('sockets_open', 'Connections of Socket.IO', []);
  const max = gauge('sockets_max', 'Most connections of Socket.IO that the process accepts', []);
  const opened = counter('sockets_opened_total', 'Connections of Socket.IO accepted', []);
  const refused = counter('sockets_refused_total', 'Connections of Socket.IO refused, by reason', ['reason']);
  const closed = counter('sockets_closed_total', 'Connections of Socket.IO that ended, by reason', ['reason']);
  const drained = counter('sockets_drained_total', 'Clients told to reconnect elsewhere, and closed since', ['step']);
  for (const reason of ['origin', 'token', 'address', 'process']) refused.inc({ reason }, 0);
  for (const reason of ['client', 'lost', 'unacknowledged', 'unwritten']) closed.inc({ reason }, 0);
  for (const step of ['told', 'closed']) drained.inc({ step }, 0);
  const recent = countRecent();

  return {
    /** A process accepts connections, `socketsMax` at most. */
    socketsServed(socketsMax: number): void {
      max.set(socketsMax);
    },
    socketOpened(): void {
      open.inc();
      opened.inc();
    },
    socketClosed(reason: SocketClose): void {
      open.dec();
      closed.inc({ reason });
    },
    /**
     * A handshake was refused; called within its trace. Audited at most once a minute for each reason and address, so
     * that a flood of connections is no flood of events. `userId`: if the token was valid.
     */
    socketRefused({ reason, userId }: { reason: SocketRefusal; userId?: string }): void {
      refused.inc({ reason });
      if (recent(`${reason} ${traces.getStore()?.ip ?? ''}`) !== 1) return;
      report({
        level: 'warn',
        log: { event: 'socket.refused', reason, userId },
        audit: {
          action: 'socket-refuse',
          status: 'failure',
          message: 'A connection of Socket.IO was refused',
          reason,
          userId,
          isMinor: true,
        },
      });
    },
    /** The process stops: each client was told when to reconnect. */
    drainBegan({ clients, seconds }: { clients: number; seconds: number }): void {
      drained.inc({ step: 'told' }, clients);
      log.info({ event: 'drain.began', clients, seconds });
    },
    /** `closed`: connections that the process closed, as their clients had not left by themselves. */
    drainEnded({ closed: count }: { closed: number }): void {
      drained.inc({ step: 'closed' }, count);
      log.info({ event: 'drain.ended', closed: count });
    },
  };
}
