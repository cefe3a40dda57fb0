/** The stores of messages and sessions, as the api and the gateway share them, and the connections of devices. */
import type { IncomingMessage, Server } from 'node:http';
import { createArchive } from '../adapters/mongo/archive.ts';
import { createConversations } from '../adapters/mongo/conversations.ts';
import { createDevices } from '../adapters/mongo/devices.ts';
import { createFactChanges } from '../adapters/redis/account-facts.ts';
import { createConversationCache } from '../adapters/redis/conversations.ts';
import { checkDurability } from '../adapters/redis/durability.ts';
import { createIdempotency } from '../adapters/redis/idempotency.ts';
import { createInboxes } from '../adapters/redis/inboxes.ts';
import { isRedisOutage } from '../adapters/redis/outages.ts';
import { createRateLimitLeases } from '../adapters/redis/rate-limit-leases.ts';
import { createRateLimits } from '../adapters/redis/rate-limits.ts';
import { createAuthSessions } from '../adapters/redis/sessions.ts';
import { createSubscriptions } from '../adapters/redis/subscriptions.ts';
import { createWakeUps } from '../adapters/redis/wake-ups.ts';
import { requestLimit } from '../domain/limits.ts';
import { keyedHash } from '../platform/crypto.ts';
import { checkHealth, type DependencyHealth } from '../platform/lifecycle.ts';
import type { Connections, SharedConfig } from './connections.ts';
import type { ApiDeps, TrustProxy } from './deps.ts';
import { isSocketUpgrade } from './sockets/admission.ts';
import { idleNode, openConnections } from './sockets/node.ts';
import { createPresence } from './sockets/presence.ts';
import { openSockets, type SocketDeps } from './sockets/server.ts';
import { createTokens } from './tokens.ts';

/** The dependencies that both processes have, without those of the process itself. */
export type MessagingDeps = Omit<SocketDeps, 'config' | 'recordSpan'> & Pick<ApiDeps, 'rateLimits' | 'limitHash'>;

/**
 * Reports whether Redis keeps messages as `MESSAGE_DURABILITY` promises, and returns what could be better. Rejects when
 * Redis is unavailable.
 */
async function checkPromise(
  { MESSAGE_DURABILITY: setting }: SharedConfig,
  { redis }: Connections,
  events: ApiDeps['events'],
): Promise<string[]> {
  const { problems, warnings } = await checkDurability(redis, setting);
  const reason = problems.length > 0 ? problems.join('; ') : undefined;
  events.durabilityChecked({ setting, reason });
  if (reason !== undefined) throw new Error(reason);
  return warnings;
}

/** The messaging of a process. */
export interface Messaging extends AsyncDisposable {
  deps: MessagingDeps;
  /** Returns whether a request asks for a connection of Socket.IO that is served here. */
  isUpgrade: (req: IncomingMessage) => boolean;
  /** The health of the durability of messages. */
  checkDurability(): Promise<DependencyHealth>;
  /** Serves Socket.IO on a server; undefined if this process does not. */
  serve(deps: SocketDeps, server: Server, trust: TrustProxy): Promise<AsyncDisposable | undefined>;
}

/**
 * Assembles the stores of messages. While Redis is unavailable, the process starts, and its readiness tells.
 *
 * @param options.hasSockets whether the process serves Socket.IO
 * @throws {Error} Redis does not keep messages as `MESSAGE_DURABILITY` promises
 */
export async function assembleMessaging(
  config: SharedConfig,
  connections: Connections,
  { events, hasSockets }: Pick<ApiDeps, 'events'> & { hasSockets: boolean },
): Promise<Messaging> {
  const stores = storesOf(config, connections, events);
  const checkPromised = () => checkPromise(config, connections, events);
  const warnings = await checkPromised().catch((err: unknown) => {
    if (!isRedisOutage(err)) throw err;
    return [];
  });
  for (const warning of warnings) events.redisCriticized(warning);
  const checkDurability = () => checkHealth('durability', checkPromised);
  if (!hasSockets) return { ...withoutSockets, deps: { ...stores, node: idleNode() }, checkDurability };
  const subscriptions = createSubscriptions(connections.publications);
  const presence = createPresence({ ...stores, subscriptions });
  const node = await openConnections({ ...stores, subscriptions }, presence, () => Date.now());
  return {
    deps: { ...stores, node },
    checkDurability,
    isUpgrade: isSocketUpgrade,
    serve: (deps, server, trust) => openSockets(deps, server, { trust, node, presence }),
    [Symbol.asyncDispose]: () => node[Symbol.asyncDispose](),
  };
}

/** The part of a process that does not serve Socket.IO. */
const withoutSockets: Omit<Messaging, 'deps' | 'checkDurability'> = {
  isUpgrade: () => false,
  serve: async () => undefined,
  [Symbol.asyncDispose]: async () => undefined,
};

function storesOf(
  config: SharedConfig,
  { redis, sends, database, temporal }: Connections,
  events: ApiDeps['events'],
): Omit<MessagingDeps, 'node'> {
  const { KEYS: keys } = config;
  const limitKey = keys.lasting('limit');
  const limitHash: ApiDeps['limitHash'] = (kind, text) => keyedHash(limitKey, kind, text);
  const rateLimits = createRateLimits(redis);
  const inboxes = createInboxes(redis, {
    durability: config.MESSAGE_DURABILITY,
    replicaTimeoutMs: config.MESSAGE_REPLICA_TIMEOUT_MS,
    sends,
    onSuspended: (device) => events.deviceSuspended({ ...device, reason: 'overflow' }),
  });
  return {
    events,
    temporal,
    inboxes,
    archive: createArchive(database.connection),
    devices: createDevices(database.connection, {
      changed: (userId, set) => inboxes.writeDevices(userId, set),
      around: createFactChanges(redis),
    }),
    conversations: createConversations(database.connection),
    conversationCache: createConversationCache(redis),
    sessions: createAuthSessions(redis, { sessions: keys.mac('session'), persons: keys.mac('person') }),
    tokens: createTokens(config),
    wakeUps: createWakeUps(redis),
    idempotency: createIdempotency(redis, keys.cipher('idempotency')),
    hashKey: keys.lasting('idempotency'),
    rateLimits,
    limitHash,
    requestLeases: createRateLimitLeases(rateLimits, {
      limit: { name: requestLimit, windows: config.LIMIT_REQUESTS_PER_ADDRESS },
      keyOf: (source) => limitHash('address', source),
    }),
  };
}
