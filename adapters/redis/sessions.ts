/**
 * Sessions: `session:{id}` HASH + TTL, `refresh:{hash}` HASH for each issued refresh token, of which only SHA-256 is
 * stored, and `sessions:{userId}` ZSET of the session ids of a user by their absolute end. A session exists only in its
 * hash: when the hash is gone, its access and refresh tokens are invalid.
 *
 * A session may belong to a device of the user (`deviceId`). `device-place:{userId}:{deviceId}` names the latest one of a
 * device.
 *
 * `known-devices:{userId}` ZSET has the clients and networks that a user has logged in from, by their last log-in.
 *
 * `user:{userId}` HASH has the roles of a user and the generation of their sessions. Each session has the generation that was valid when it
 * began. Ending all sessions begins a new generation, and a session of an earlier one is invalid whenever it is written.
 *
 * These records are authenticated (session-records.ts): what somebody without the keys has written is as if it were not
 * there.
 *
 * Whatever ends sessions publishes that in `sessions-ended` afterwards, so that their connections end too. A repeat publishes
 * it again. A session that expires is not published: its connections know its end.
 *
 * Terminology
 * - token family: the refresh tokens of one session, each the successor of the previous one. One of them is valid.
 * - idle timeout: how long a session lives without activity. `endsAt` is its absolute end.
 *
 * Consistency: the valid refresh token and the existence of the session are in one hash, and one script changes them, if
 * they are still those that were read.
 * The time is that of Redis, so that a process whose clock is wrong neither shortens nor lengthens anything; a given `now`,
 * in milliseconds, replaces it. When Redis is unavailable, calls throw.
 */
import type { AuthSession, ConnectionEnd } from '../../domain/session.ts';
import type { RecordMac } from '../../platform/crypto.ts';
import { loadScript, type Redis, timeOf } from './connect.ts';
import { createDeviceActivity, type DeviceActivity } from './device-activity.ts';
import { keyFamilies, keys } from './keys.ts';
import { type EndedSessions, sessionsEndedChannel } from './node-channel.ts';
import {
  createPersonStates,
  createSessionRecords,
  firstState,
  type PersonState,
  type PersonStates,
  type SessionMacs,
  type StoredSession,
  signSession,
  signTokens,
  type TokenState,
  validSession,
} from './session-records.ts';

/** A new session, which begins when it is created. */
export interface NewAuthSession
  extends Pick<AuthSession, 'sessionId' | 'userId' | 'deviceId' | 'ip' | 'userAgent' | 'roles'> {
  /** 0: the user has not authenticated enough for step-up. When the session is created, if omitted. */
  authenticatedAt?: 0;
  /** Idle timeout, in milliseconds. */
  idleMs: number;
  /** Absolute lifetime, in milliseconds. */
  lifeMs: number;
}

/** A refresh token: its SHA-256 and its lifetime in seconds. */
export interface RefreshToken {
  hash: string;
  seconds: number;
}

/** A session and its user. */
type SessionOwner = Pick<AuthSession, 'sessionId' | 'userId'>;

/** The session and user of a refresh token, and the absolute end of the session. */
interface TokenOwner extends SessionOwner {
  /** Milliseconds since the Unix epoch. */
  endsAt: number;
}

/** The successor of a refresh token, encrypted by the caller. */
interface Successor extends RefreshToken {
  encrypted: string;
}

/**
 * `rotated`: the successor is valid. `repeated`: the presented token was rotated a moment ago, and the same successor
 * is returned. `reused`: the token was not valid, so its session was ended. `ended`: its session had ended before.
 */
export interface Rotation {
  outcome: 'rotated' | 'repeated' | 'reused' | 'ended';
  /** The token to use next, encrypted; empty if there is none. */
  encrypted: string;
  /** The device of the session; absent if it has none. */
  deviceId?: string;
}

/** `bound`: the session is one of the device. `other`: it is one of another device. `ended`: there is no such session. */
type DeviceBinding = 'bound' | 'other' | 'ended';

/** The store of sessions. */
export type AuthSessions = ReturnType<typeof createAuthSessions>;

/** Activity is written at most this often, so that most session checks are a single read. */
const activityMs = 60_000;
/** How long a rotated refresh token returns its unused successor. RFC 9700 section 4.14.2 does not specify it. */
const graceMs = 10_000;
/** How long a device stays known after a log-in. */
const deviceMs = keyFamilies.knownDevices.life.seconds * 1000;
/** Devices that are remembered of a user: the newest ones. */
const devicesMax = 50;

/** Creates the store of sessions. `macs` authenticate its records. */
export function createAuthSessions(redis: Redis, macs: SessionMacs) {
  const tools = openTools(redis, macs);
  const { records, persons, activity } = tools;
  return {
    /**
     * Stores a session and its refresh token. When all sessions of the user are ended meanwhile, it is not valid. Safe to
     * repeat: keyed by session id and token hash.
     */
    async create(session: NewAuthSession, refresh: RefreshToken, now?: number): Promise<void> {
      const { sessionId, userId, deviceId, lifeMs, roles } = session;
      // read first: whatever ends all sessions from here on also ends this one, even if it is written afterwards
      const [person, createdAt] = await Promise.all([
        persons.change(userId, (before) => withRoles(before ?? firstState(roles), roles)),
        now ?? timeOf(redis),
      ]);
      const endsAt = createdAt + lifeMs;
      // listed before it exists, so that ending all sessions of the user misses none
      await redis
        .multi()
        .zadd(keys.sessions({ userId }), endsAt, sessionId)
        .zremrangebyscore(keys.sessions({ userId }), 0, createdAt)
        .pexpireat(keys.sessions({ userId }), endsAt, 'NX')
        .pexpireat(keys.sessions({ userId }), endsAt, 'GT')
        .exec();
      const fields = fieldsOf(session, { createdAt, endsAt, generation: person?.generation ?? 0 });
      const tokens = { refresh: refresh.hash };
      await redis
        .multi()
        .hset(keys.session({ sessionId }), {
          ...fields,
          ...tokens,
          mac: signSession(macs.sessions, sessionId, fields),
          tokensMac: signTokens(macs.sessions, sessionId, tokens),
        })
        .pexpireat(keys.session({ sessionId }), Math.min(createdAt + session.idleMs, endsAt))
        .exec();
      await writeRefresh(tools, refresh, { owner: { sessionId, userId, endsAt }, now: createdAt });
      await redis.hset(keys.user({ userId }), 'lastLoginAt', createdAt);
      if (deviceId !== undefined) await activity.note(userId, deviceId, createdAt);
    },

    /**
     * Returns the session of a user in one round trip, or undefined if it has ended or belongs to another user. Records
     * activity.
     */
    async read(owner: SessionOwner, now?: number): Promise<AuthSession | undefined> {
      const [stored, valid] = await Promise.all([
        records.read(owner.sessionId, { now, recordMs: activityMs }),
        persons.read(owner.userId),
      ]);
      const session = validSession(owner, stored, valid);
      const isRecorded = session !== undefined && session.lastActivityAt === session.readAt;
      if (isRecorded && session.deviceId !== undefined) {
        await activity.note(session.userId, session.deviceId, session.readAt);
      }
      return session;
    },

    /** Records that the user of a session authenticated now. A session that has ended is not recreated. */
    async confirm(sessionId: string, now?: number): Promise<void> {
      // repeated when the session was changed meanwhile
      for (let isDone = false; !isDone; ) {
        const session = await records.read(sessionId, { now });
        isDone =
          session === undefined || (await records.change(sessionId, session, { authenticatedAt: session.readAt }));
      }
    },

    ...createOverview(tools),
    ...createKnownDevices(redis),
    ...createRefreshing(tools),
    ...createDeviceBinding(tools),
    ...createSessionEnds(redis, macs.persons),
  };
}

/** What the operations on sessions share. */
interface SessionTools {
  redis: Redis;
  macs: SessionMacs;
  records: ReturnType<typeof createSessionRecords>;
  persons: PersonStates;
  activity: DeviceActivity;
}

function openTools(redis: Redis, macs: SessionMacs): SessionTools {
  const [records, persons] = [createSessionRecords(redis, macs.sessions), createPersonStates(redis, macs.persons)];
  return { redis, macs, records, persons, activity: createDeviceActivity(redis) };
}

function withRoles<State extends { roles: readonly string[] }>(state: State, roles: readonly string[]): State {
  return String(state.roles) === String(roles) ? state : { ...state, roles };
}

/** The active sessions of a user. */
function createOverview({ redis, records, persons }: SessionTools) {
  /** Returns the active sessions of a user, newest first. */
  async function list(userId: string, now?: number): Promise<AuthSession[]> {
    const since = now ?? (await timeOf(redis));
    const ids = await redis.zrange(keys.sessions({ userId }), String(since), '+inf', 'BYSCORE');
    const person = await persons.read(userId);
    const found = await Promise.all(
      ids.map(async (sessionId) => validSession({ sessionId, userId }, await records.read(sessionId, { now }), person)),
    );
    return found.flatMap((session) => session ?? []).sort((a, b) => b.createdAt - a.createdAt);
  }

  return {
    list,

    /** Returns the number of active sessions of a user. */
    count: async (userId: string, now?: number): Promise<number> => (await list(userId, now)).length,
  };
}

/** The operation that makes a session one of a device. */
function createDeviceBinding(tools: SessionTools) {
  return {
    /**
     * Makes a session of a user one of a device, with a new refresh token. A session of the same device gets another token, as in
     * a repeat. For a short grace period the previous token returns the same successor, as in a rotation.
     *
     * @returns the outcome, and how long the session can live, in milliseconds
     */
    bindDevice: (
      of: { sessionId: string; userId: string; deviceId: string },
      options: { token: (leftMs: number) => Successor; now?: number },
    ): Promise<{ outcome: DeviceBinding; leftMs: number }> => untilUnchanged(() => tryToBind(tools, of, options)),
  };
}

/** Repeats an attempt until nothing was changed meanwhile. */
async function untilUnchanged<T>(attempt: () => Promise<T | undefined>): Promise<T> {
  for (;;) {
    const result = await attempt();
    if (result !== undefined) return result;
  }
}

async function tryToBind(
  tools: SessionTools,
  { sessionId, userId, deviceId }: { sessionId: string; userId: string; deviceId: string },
  { token, now }: { token: (leftMs: number) => Successor; now?: number },
): Promise<{ outcome: DeviceBinding; leftMs: number } | undefined> {
  const before = await tools.records.readTokens(sessionId, now);
  if (before === undefined || before.session.userId !== userId) return { outcome: 'ended', leftMs: 0 };
  const { endsAt, readAt, deviceId: bound = deviceId } = before.session;
  const leftMs = endsAt - readAt;
  if (bound !== deviceId) return { outcome: 'other', leftMs };
  const successor = token(leftMs);
  const { hash, encrypted } = successor;
  // written before it becomes valid, so that a valid token can always be looked up
  await writeRefresh(tools, successor, { owner: { sessionId, userId, endsAt }, now: readAt });
  const tokens = { refresh: hash, previous: before.tokens.refresh, successor: encrypted, rotatedAt: readAt };
  if (await tools.records.changeTokens(sessionId, before, { tokens, fields: { deviceId } })) {
    await tools.activity.note(userId, deviceId, readAt);
    return { outcome: 'bound', leftMs };
  }
  await tools.redis.del(keys.refresh({ tokenHash: hash }));
  return undefined;
}

/** The operations on the clients that a user has logged in from, each known by a keyed hash. */
function createKnownDevices(redis: Redis) {
  return {
    /** Returns whether the user has logged in from a device during the last half year. */
    async isKnownDevice(userId: string, device: string, now?: number): Promise<boolean> {
      const [seenAt, at] = await Promise.all([
        redis.zscore(keys.knownDevices({ userId }), device),
        now ?? timeOf(redis),
      ]);
      return seenAt !== null && at - Number(seenAt) < deviceMs;
    },

    /** Notes a log-in from a device. Safe to repeat. */
    async noteDevice(userId: string, device: string, now?: number): Promise<void> {
      const key = keys.knownDevices({ userId });
      const at = now ?? (await timeOf(redis));
      await redis
        .multi()
        .zadd(key, at, device)
        .zremrangebyrank(key, 0, -1 - devicesMax)
        .pexpire(key, deviceMs)
        .exec();
    },
  };
}

/** The operations on refresh tokens. */
function createRefreshing(tools: SessionTools) {
  const { redis, macs } = tools;
  return {
    /**
     * Returns the session of a refresh token, even of a rotated one, and how many milliseconds are left until its absolute
     * end; undefined if the token was never issued or has expired.
     */
    async findByRefresh(refreshHash: string, now?: number): Promise<(TokenOwner & { leftMs: number }) | undefined> {
      const [fields, at] = await Promise.all([
        redis.hgetall(keys.refresh({ tokenHash: refreshHash })),
        now ?? timeOf(redis),
      ]);
      const { sessionId, userId, endsAt, expiresAt, mac } = fields;
      if (sessionId === undefined || userId === undefined || endsAt === undefined || expiresAt === undefined) return;
      const owner = { sessionId, userId, endsAt: Number(endsAt) };
      if (!macs.sessions.verify(mac, refreshFields(refreshHash, owner, Number(expiresAt)))) return undefined;
      return at >= Number(expiresAt) ? undefined : { ...owner, leftMs: owner.endsAt - at };
    },

    /**
     * Rotates the refresh token of a session, and sets the current roles of the user. For a short grace period the previous
     * token returns the same successor, as long as the successor is unused. This serves two tabs that refresh at once and a
     * client that lost the response. Any other token of the session means that a token was stolen: the session ends.
     */
    rotate: (
      owner: TokenOwner,
      presentedHash: string,
      successor: Successor,
      { roles, now }: { roles: readonly string[]; now?: number },
    ): Promise<Rotation> => untilUnchanged(() => tryToRotate(tools, { owner, presentedHash, successor, roles, now })),
  };
}

interface RotationAttempt {
  owner: TokenOwner;
  presentedHash: string;
  successor: Successor;
  roles: readonly string[];
  now: number | undefined;
}

async function tryToRotate(tools: SessionTools, attempt: RotationAttempt): Promise<Rotation | undefined> {
  const { redis, records, persons } = tools;
  const { owner, presentedHash, successor, roles, now } = attempt;
  const { sessionId, userId } = owner;
  const [before, person] = await Promise.all([records.readTokens(sessionId, now), persons.read(userId)]);
  const session = validSession(owner, before?.session, person);
  if (before === undefined || session === undefined) return { outcome: 'ended', encrypted: '' };
  const { deviceId, readAt } = session;
  const known = deviceId === undefined ? {} : { deviceId };
  const kind = presentedAs(presentedHash, before.tokens, readAt);
  if (kind === 'previous') return { outcome: 'repeated', encrypted: before.tokens.successor ?? '', ...known };
  if (kind === 'other') {
    await redis.del(keys.session({ sessionId }));
    await publishEnd(redis, { userId, sessionId, reason: 'revoked' });
    return { outcome: 'reused', encrypted: '', ...known };
  }
  if (!(await rotateOnce(tools, owner, { before, presentedHash, successor }))) return undefined;
  if (deviceId !== undefined) await tools.activity.note(userId, deviceId, readAt);
  await persons.change(userId, (state) => state && withRoles(state, roles));
  return { outcome: 'rotated', encrypted: successor.encrypted, ...known };
}

/** Returns which token of a session was presented. Another one was used before. */
function presentedAs(hash: string, { refresh, previous, rotatedAt = 0 }: TokenState, now: number) {
  if (refresh === hash) return 'current';
  return previous === hash && now - rotatedAt <= graceMs ? 'previous' : 'other';
}

/** Makes the successor valid. Returns false if the session has ended or was changed meanwhile. */
async function rotateOnce(
  tools: SessionTools,
  owner: TokenOwner,
  { before, presentedHash, successor }: { before: ReadTokens; presentedHash: string; successor: Successor },
): Promise<boolean> {
  const { readAt, idleMs, endsAt } = before.session;
  // written before it becomes valid, so that a valid token can always be looked up
  await writeRefresh(tools, successor, { owner, now: readAt });
  const isDone = await tools.records.changeTokens(owner.sessionId, before, {
    tokens: {
      refresh: successor.hash,
      previous: presentedHash,
      successor: successor.encrypted,
      rotatedAt: readAt,
    },
    fields: { lastActivityAt: readAt },
    expiresAt: Math.min(readAt + idleMs, endsAt),
  });
  if (!isDone) await tools.redis.del(keys.refresh({ tokenHash: successor.hash }));
  return isDone;
}

type ReadTokens = { session: StoredSession; tokens: TokenState; tokensMac: string };

/** The operations that end sessions, and those on what is common to the sessions of a user. */
export type SessionEnds = ReturnType<typeof createSessionEnds>;

/** Creates the operations for processes that check no session. `mac` authenticates what is common to sessions. */
export function createSessionEnds(redis: Redis, mac: RecordMac) {
  const endEarlier = loadScript(redis, 'session-end-earlier');
  const persons = createPersonStates(redis, mac);
  return {
    /**
     * Ends every session of a user, except `exceptId` if given, and returns how many it ended. Also ends a session that
     * is being written meanwhile. Their refresh tokens stay stored until they expire, but are invalid. Safe to repeat.
     */
    async endAll(
      userId: string,
      { exceptId, reason = 'revoked' }: { exceptId?: string | undefined; reason?: ConnectionEnd } = {},
    ): Promise<number> {
      // first, so that a session that is missing in the list below is not valid either
      const next = await persons.change(userId, (before) => nextGeneration(before, exceptId));
      const ids = (await redis.zrange(keys.sessions({ userId }), '0', '-1')).filter((id) => id !== exceptId);
      const ended: string[] = [];
      for (const id of ids) {
        if ((await endEarlier([keys.session({ sessionId: id })], [next?.generation ?? 0])) === 1) ended.push(id);
      }
      await publishEnd(redis, { userId, reason });
      // last, so that a repeat after an interruption finds the sessions again
      if (ended.length > 0) await redis.zrem(keys.sessions({ userId }), ...ended);
      return ended.length;
    },

    /** Sets the roles of the active sessions of a user. */
    async setRoles(userId: string, roles: readonly string[]): Promise<void> {
      await persons.change(userId, (before) => before && withRoles(before, roles));
    },

    /**
     * Returns when a user last logged in, or was active in a session that still exists or on a device, in milliseconds since
     * the Unix epoch; undefined before the first log-in.
     */
    async lastSeenAt(userId: string): Promise<number | undefined> {
      const now = await timeOf(redis);
      const [loggedInAt, devices, ids] = await Promise.all([
        redis.hget(keys.user({ userId }), 'lastLoginAt'),
        createDeviceActivity(redis).read(userId),
        redis.zrange(keys.sessions({ userId }), String(now), '+inf', 'BYSCORE'),
      ]);
      const active = await Promise.all(
        ids.map((sessionId) => redis.hget(keys.session({ sessionId }), 'lastActivityAt')),
      );
      const times = [loggedInAt, ...active].flatMap((text) => (text === null ? [] : [Number(text)]));
      const known = [...times, ...Object.values(devices)];
      return known.length === 0 ? undefined : Math.max(...known);
    },

    ...createDeviceEnds(redis),

    /** Ends a session of a user; false if the user has no such session. Safe to repeat. */
    async end(userId: string, sessionId: string, reason: ConnectionEnd = 'revoked'): Promise<boolean> {
      if ((await redis.zscore(keys.sessions({ userId }), sessionId)) === null) return false;
      const ended = await redis.del(keys.session({ sessionId }));
      await publishEnd(redis, { userId, sessionId, reason });
      // last, so that a repeat after an interruption publishes it again
      await redis.zrem(keys.sessions({ userId }), sessionId);
      return ended > 0;
    },

    /**
     * Makes a session the only one of its user and returns the previous one, which the caller ends. Parallel calls end
     * each other's sessions: the last one stays.
     */
    takePlace: (userId: string, sessionId: string, lifeMs: number): Promise<string | undefined> =>
      takeKey(redis, keys.sessionPlace({ userId }), sessionId, lifeMs),
  };
}

/** A session that is kept again needs what it needed before, so a repeat changes nothing for it. */
function nextGeneration(before: PersonState | undefined, exceptId: string | undefined): PersonState {
  // without a state there is no valid session that could be kept
  if (before === undefined) return firstState([]);
  const { generation, kept, keptFrom, roles } = before;
  const next = { generation: generation + 1, roles };
  if (exceptId === undefined) return { ...next, keptFrom: 0 };
  return { ...next, kept: exceptId, keptFrom: kept === exceptId ? keptFrom : generation };
}

/** The operations on the sessions of devices. */
function createDeviceEnds(redis: Redis) {
  const endOf = async (userId: string, deviceId: string | null, reason: ConnectionEnd): Promise<string[]> => {
    const ids = await redis.zrange(keys.sessions({ userId }), '0', '-1');
    const devices = await Promise.all(ids.map((id) => redis.hget(keys.session({ sessionId: id }), 'deviceId')));
    const own = ids.filter((_id, index) => devices[index] === deviceId);
    for (const sessionId of own) {
      await redis.del(keys.session({ sessionId }));
      await redis.zrem(keys.sessions({ userId }), sessionId);
    }
    await publishEnd(redis, { userId, reason });
    return own;
  };
  return {
    /** Ends every session of a device of a user, and returns their ids. Safe to repeat. */
    endDevice: (userId: string, deviceId: string, reason: ConnectionEnd = 'revoked'): Promise<string[]> =>
      endOf(userId, deviceId, reason),

    /** Ends every session of a user that belongs to no device, and returns their ids. Safe to repeat. */
    endDeviceless: (userId: string): Promise<string[]> => endOf(userId, null, 'revoked'),

    /** As `takePlace`, among the sessions of a device. */
    takeDevicePlace: (
      { userId, deviceId }: { userId: string; deviceId: string },
      sessionId: string,
      lifeMs: number,
    ): Promise<string | undefined> => takeKey(redis, keys.devicePlace({ userId, deviceId }), sessionId, lifeMs),
  };
}

async function publishEnd(redis: Redis, ended: EndedSessions): Promise<void> {
  await redis.publish(sessionsEndedChannel, JSON.stringify(ended));
}

async function takeKey(redis: Redis, key: string, sessionId: string, lifeMs: number): Promise<string | undefined> {
  const before = await redis.set(key, sessionId, 'PX', lifeMs, 'GET');
  return before === null || before === sessionId ? undefined : before;
}

/** Stores whose a refresh token is, in one step with its life, so that none stays for ever. */
async function writeRefresh(
  { redis, macs }: Pick<SessionTools, 'redis' | 'macs'>,
  { hash, seconds }: RefreshToken,
  { owner, now }: { owner: TokenOwner; now: number },
): Promise<void> {
  const expiresAt = now + seconds * 1000;
  const mac = macs.sessions.sign(refreshFields(hash, owner, expiresAt));
  const key = keys.refresh({ tokenHash: hash });
  const { sessionId, userId, endsAt } = owner;
  await redis.multi().hset(key, { sessionId, userId, endsAt, expiresAt, mac }).expire(key, seconds).exec();
}

function refreshFields(hash: string, { sessionId, userId, endsAt }: TokenOwner, expiresAt: number) {
  return ['refresh', hash, sessionId, userId, endsAt, expiresAt];
}

/** The fields of a new session. */
function fieldsOf(
  { userId, deviceId, idleMs, ip, userAgent, authenticatedAt }: NewAuthSession,
  { createdAt, ...times }: { createdAt: number; endsAt: number; generation: number },
) {
  return {
    userId,
    createdAt,
    lastActivityAt: createdAt,
    idleMs,
    ip,
    userAgent,
    authenticatedAt: authenticatedAt ?? createdAt,
    ...times,
    ...(deviceId !== undefined && { deviceId }),
  };
}
