/**
 * The connections of this process, and what reaches them from others.
 *
 * Every device that is connected here has a lease in Redis, by which a send finds this process. Publications to the process
 * tell of messages, events and connections that were replaced. Another channel tells that sessions ended: the sessions of
 * the connections of that user are read again. Both may be lost, so leases are renewed and sessions read every 15 s, and
 * everything is compared when the connection to Redis was lost.
 */
import {
  type NodePublication,
  nodeChannel,
  type Delivery as Published,
  parsePublication,
  sessionsEndedChannel,
} from '../../adapters/redis/node-channel.ts';
import type { Subscriptions } from '../../adapters/redis/subscriptions.ts';
import { announcements } from '../../contract/socket-events.ts';
import { type ConnectionEnd, connectionEnds } from '../../domain/session.ts';
import { newId } from '../../platform/crypto.ts';
import { runEvery } from '../../platform/lifecycle.ts';
import type { ApiDeps } from '../deps.ts';
import { type Bucket, fullBucket, userRate } from './budgets.ts';
import type { Connection } from './connection.ts';
import type { Presence } from './presence.ts';

/** The dependencies of a node. */
export type NodeDeps = Pick<ApiDeps, 'inboxes' | 'sessions' | 'events'> & { subscriptions: Subscriptions };

/** A process that devices are connected to, as sends need it. */
export interface Node {
  nodeId: string;
  /** Delivers to the connections of this process. Connections that have ended meanwhile get nothing. */
  deliverLocal(local: readonly Published[]): void;
}

/** The connections of a process. */
export type Connections = Awaited<ReturnType<typeof openConnections>>;

/** How often leases are renewed and sessions read. */
const renewMs = 15_000;
/** How often what is due by the clock is done. */
const tickMs = 1000;
/** Connections whose leases and sessions are read at once. */
const batch = 200;

/** Returns a process without connections. */
export function idleNode(): Node {
  return { nodeId: newId(), deliverLocal: () => undefined };
}

/** A user with connections to this process. */
interface Person {
  connections: Set<Connection>;
  budget: Bucket;
}

/** Creates the registry of connections, and subscribes to what reaches them. */
export async function openConnections(deps: NodeDeps, presence: Presence, now: () => number) {
  const nodeId = newId();
  const all = new Map<string, Connection>();
  const people = new Map<string, Person>();
  const registry = createRegistry({ all, people, now });

  const deliver = (published: Published) => all.get(published.connectionId)?.delivery?.receive(published);
  const receive = (publication: NodePublication | undefined) => {
    const connection = publication && all.get(publication.connectionId);
    if (publication === undefined || connection === undefined) return;
    if (publication.kind === 'close') connection.end(endOf(publication.reason));
    else if (publication.kind === 'event') emitTo(connection, publication);
    else connection.delivery?.receive(publication);
  };
  const recheck = createRecheck(deps, nodeId);
  const recheckAll = async () => {
    const open = [...all.values()];
    for (let index = 0; index < open.length; index += batch) await recheck(open.slice(index, index + batch), 'revoked');
    await presence.refresh();
  };

  await deps.subscriptions.subscribe(nodeChannel(nodeId), (text) => receive(parsePublication(text)));
  await deps.subscriptions.subscribe(sessionsEndedChannel, (text) => {
    const { userId, sessionId, reason } = JSON.parse(text) as { userId: string; sessionId?: string; reason?: string };
    const concerned = registry
      .of(userId)
      .filter(({ session }) => sessionId === undefined || session.sessionId === sessionId);
    // if Redis does not answer, the next renewal ends them
    void recheck(concerned, endOf(reason)).catch(() => undefined);
  });
  deps.subscriptions.onConnect(() => {
    for (const { delivery } of all.values()) delivery?.check();
    void recheckAll().catch((err: unknown) => deps.events.dependencyFailed(err));
  });
  const renewals = runEvery(renewMs, recheckAll, (err) => deps.events.dependencyFailed(err));
  const ticks = setInterval(() => {
    for (const connection of all.values()) connection.tick();
  }, tickMs);

  return {
    ...registry,
    nodeId,
    deliverLocal: (local: readonly Published[]): void => local.forEach(deliver),
    async [Symbol.asyncDispose]() {
      clearInterval(ticks);
      await renewals[Symbol.asyncDispose]();
    },
  };
}

function createRegistry({
  all,
  people,
  now,
}: {
  all: Map<string, Connection>;
  people: Map<string, Person>;
  now: () => number;
}) {
  const personOf = (userId: string): Person => {
    const known = people.get(userId) ?? { connections: new Set(), budget: fullBucket(userRate, now()) };
    people.set(userId, known);
    return known;
  };
  return {
    /** Returns the connections of a user. */
    of: (userId: string): Connection[] => [...(people.get(userId)?.connections ?? [])],

    /** Returns the budget that the connections of a user share. */
    budgetOf: (userId: string): Bucket => personOf(userId).budget,

    all: (): Connection[] => [...all.values()],

    add(connection: Connection): void {
      all.set(connection.connectionId, connection);
      personOf(connection.userId).connections.add(connection);
    },

    remove(connection: Connection): void {
      all.delete(connection.connectionId);
      const person = people.get(connection.userId);
      person?.connections.delete(connection);
      if (person?.connections.size === 0) people.delete(connection.userId);
    },
  };
}

/** Returns a function that renews leases and reads sessions, and ends the connections that have lost theirs. */
function createRecheck({ inboxes, sessions }: NodeDeps, nodeId: string) {
  return async (connections: readonly Connection[], reason: ConnectionEnd): Promise<void> => {
    const devices = connections.flatMap((connection) => {
      const { userId, deviceId, connectionId } = connection;
      return deviceId === undefined || !connection.hasLease ? [] : [{ connection, userId, deviceId, connectionId }];
    });
    const [found, renewed] = await Promise.all([
      Promise.all(connections.map(({ session }) => sessions.read(session))),
      inboxes.renew(devices, nodeId),
    ]);
    for (const [index, connection] of connections.entries()) if (found[index] === undefined) connection.end(reason);
    // another connection has the device, or Redis lost the lease: the next connection finds out
    for (const [index, { connection }] of devices.entries()) if (renewed[index] === false) connection.close('lost');
  };
}

function emitTo(connection: Connection, { event, payload }: { event: string; payload: unknown }): void {
  if (!Object.hasOwn(announcements, event)) return;
  (connection.emit as (event: string, payload: unknown) => void)(event, payload);
}

function endOf(reason: string | undefined): ConnectionEnd {
  return connectionEnds.find((known) => known === reason) ?? 'revoked';
}
