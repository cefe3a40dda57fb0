/**
 * The authenticated parts of sessions: records whose fields have a MAC, so that somebody who can write to Redis, and does not
 * have the key, can delete a session but neither make nor change one.
 *
 * `session:{id}` has two MACs: `mac` over what a check of the session trusts, `tokensMac` over the state of its refresh
 * tokens. `refresh:{hash}` and `user:{userId}` have one each. Each MAC is bound to the key of its record. Not authenticated
 * are the last activity, address and user agent, which are only shown, and by which nobody can outlive `endsAt`.
 *
 * A MAC does not prove that a record is the newest one. What an older record could restore is bounded by other means:
 * - its user has a newer generation, and the check needs the one of the record (`user:{userId}`);
 * - a process that has seen a newer generation of a user refuses an older one;
 * - a missing or changed record of a user begins a generation that is later than all before it;
 * - a session is invalid after its `endsAt`, a refresh token after its own end, which the MAC contains.
 *
 * Consistency: a record is changed only if it is still the one that was read; otherwise it is read again.
 */
import { Failure } from '../../domain/failures.ts';
import type { AuthSession } from '../../domain/session.ts';
import type { RecordMac } from '../../platform/crypto.ts';
import { loadScript, type Redis } from './connect.ts';
import { keys } from './keys.ts';

/** The keys that authenticate sessions, and what is common to the sessions of a user. */
export interface SessionMacs {
  sessions: RecordMac;
  persons: RecordMac;
}

/** What is common to the sessions of a user. */
export interface PersonState {
  /** The valid generation of the sessions, and the session of an earlier one that was kept. */
  generation: number;
  kept?: string | undefined;
  /** The generation that the kept session needs. */
  keptFrom: number;
  roles: readonly string[];
}

/** A session as it is stored, and the generation in which it began. */
export interface StoredSession extends Omit<AuthSession, 'sessionId' | 'roles'> {
  generation: number;
  idleMs: number;
  endsAt: number;
  mac: string;
}

/** The state of the refresh tokens of a session. */
export interface TokenState {
  refresh: string;
  previous?: string | undefined;
  successor?: string | undefined;
  rotatedAt?: number | undefined;
}

/** What the MAC of a session covers. */
interface CheckedFields {
  userId: string;
  generation: number | string;
  createdAt: number | string;
  authenticatedAt: number | string;
  idleMs: number | string;
  endsAt: number | string;
  deviceId?: string | undefined;
}

/** Users whose generation a process remembers. */
const rememberedMax = 50_000;
/** More changes of one record at once than there can be. */
const triesMax = 50;

/** Returns the MAC of what a check of a session trusts. */
export function signSession(mac: Pick<RecordMac, 'sign'>, sessionId: string, fields: CheckedFields): string {
  return mac.sign(checkedOf(sessionId, fields));
}

/** Returns the MAC of the state of its refresh tokens. */
export function signTokens(mac: Pick<RecordMac, 'sign'>, sessionId: string, state: TokenState): string {
  return mac.sign(tokensOf(sessionId, state));
}

function checkedOf(sessionId: string, fields: CheckedFields): (string | number)[] {
  const { userId, generation, createdAt, authenticatedAt, idleMs, endsAt, deviceId = '' } = fields;
  return ['session', sessionId, userId, generation, createdAt, authenticatedAt, idleMs, endsAt, deviceId];
}

function tokensOf(sessionId: string, { refresh, previous, successor, rotatedAt }: TokenState): (string | number)[] {
  return ['tokens', sessionId, refresh, previous ?? '', successor ?? '', rotatedAt ?? ''];
}

function personOf(userId: string, { generation, kept = '', keptFrom, roles }: PersonState): (string | number)[] {
  return ['user', userId, generation, kept, keptFrom, ...roles];
}

/** Reads sessions. What is not authentic is as if it were not there. */
export function createSessionRecords(redis: Redis, mac: RecordMac) {
  const script = loadScript(redis, 'session-read');
  const change = createChange(redis);

  /** Reads a session. Records activity, if what is recorded is at least so many milliseconds old. */
  async function read(
    sessionId: string,
    { now, recordMs }: { now?: number | undefined; recordMs?: number } = {},
  ): Promise<StoredSession | undefined> {
    const reply = await script([keys.session({ sessionId })], [now ?? '', recordMs ?? '', '']);
    return sessionIn(mac, sessionId, reply as Reply);
  }

  return {
    read,

    /** Reads a session with the state of its refresh tokens. */
    async readTokens(
      sessionId: string,
      now?: number,
    ): Promise<{ session: StoredSession; tokens: TokenState; tokensMac: string } | undefined> {
      const reply = (await script([keys.session({ sessionId })], [now ?? '', '', '1'])) as [number?, Texts?, Texts?];
      const [readAt, fields = [], tokens = []] = reply;
      const session = readAt === undefined ? undefined : sessionIn(mac, sessionId, [readAt, ...fields]);
      const [refresh, previous, successor, rotatedAt, tokensMac] = tokens.map((text) => text ?? undefined);
      const state = { refresh: refresh ?? '', previous, successor, rotatedAt: numberIn(rotatedAt) };
      if (session === undefined || !mac.verify(tokensMac, tokensOf(sessionId, state))) return undefined;
      return { session, tokens: state, tokensMac: tokensMac ?? '' };
    },

    /** Changes the fields that the MAC covers. Returns false if the session has ended or is another one by now. */
    change: (sessionId: string, before: StoredSession, fields: Partial<CheckedFields>): Promise<boolean> =>
      change(keys.session({ sessionId }), {
        mac: before.mac,
        fields: { ...fields, mac: signSession(mac, sessionId, { ...before, ...fields }) },
      }),

    /** Changes the state of the refresh tokens, and other fields with it. Returns false as `change` does. */
    changeTokens: (
      sessionId: string,
      before: { session: StoredSession; tokensMac: string },
      { tokens, fields = {}, expiresAt }: { tokens: TokenState; fields?: Partial<SessionFields>; expiresAt?: number },
    ): Promise<boolean> =>
      change(keys.session({ sessionId }), {
        mac: before.session.mac,
        tokensMac: before.tokensMac,
        expiresAt,
        fields: {
          ...fields,
          ...tokens,
          mac: signSession(mac, sessionId, { ...before.session, ...fields }),
          tokensMac: signTokens(mac, sessionId, tokens),
        },
      }),
  };
}

/** Fields that are changed together with the refresh tokens. */
interface SessionFields extends Pick<CheckedFields, 'deviceId'> {
  lastActivityAt: number;
}

/** The store of what is common to the sessions of a user. */
export type PersonStates = ReturnType<typeof createPersonStates>;

/** Creates the store of what is common to the sessions of a user. */
export function createPersonStates(redis: Redis, mac: RecordMac) {
  const change = createChange(redis);
  const newest = new Map<string, number>();

  /** Returns whether a generation is the newest one that this process has seen of a user. */
  function isNewest(userId: string, generation: number): boolean {
    const known = newest.get(userId);
    if (known !== undefined && known > generation) return false;
    if (known === generation) return true;
    newest.set(userId, generation);
    const [oldest] = newest.keys();
    if (newest.size > rememberedMax && oldest !== undefined) newest.delete(oldest);
    return true;
  }

  async function readRecord(userId: string): Promise<{ state: PersonState | undefined; mac: string }> {
    const fields = await redis.hmget(keys.user({ userId }), 'generation', 'kept', 'keptFrom', 'roles', 'mac');
    const [generation, kept, keptFrom, roles, found] = fields.map((text) => text ?? '');
    const state: PersonState = {
      generation: Number(generation),
      kept: kept || undefined,
      keptFrom: Number(keptFrom),
      roles: roles ? roles.split(',') : [],
    };
    const isAuthentic = mac.verify(found, personOf(userId, state)) && isNewest(userId, state.generation);
    return { state: isAuthentic ? state : undefined, mac: found ?? '' };
  }

  return {
    /** Returns the state, or undefined if there is none that is authentic: the user has no valid session then. */
    read: async (userId: string): Promise<PersonState | undefined> => (await readRecord(userId)).state,

    /**
     * Changes the state. `next` may be called several times; it returns the state before to leave it, which then has a MAC of the
     * current key.
     *
     * @throws {Failure} unavailable: it is changed by others all the time
     */
    async change(
      userId: string,
      next: (before: PersonState | undefined) => PersonState | undefined,
    ): Promise<PersonState | undefined> {
      for (let tries = 0; tries < triesMax; tries++) {
        const { state: before, mac: read } = await readRecord(userId);
        const state = next(before);
        // what an earlier key authenticates gets the current one, so that the earlier key can be removed
        const isUnchanged = state === before && mac.isCurrent(read);
        if (state === undefined || isUnchanged) return state;
        const { generation, kept = '', keptFrom, roles } = state;
        const fields = { generation, kept, keptFrom, roles: roles.join(','), mac: mac.sign(personOf(userId, state)) };
        if (await change(keys.user({ userId }), { mac: read, fields })) {
          isNewest(userId, generation);
          return state;
        }
      }
      throw new Failure('unavailable', { reason: 'changed-meanwhile' });
    },
  };
}

/** The state of a user who has none: its generation is later than all before. */
export function firstState(roles: readonly string[]): PersonState {
  return { generation: Date.now(), keptFrom: 0, roles };
}

/** A change of an authenticated record: the MACs that were read, and the new fields. */
interface RecordChange {
  mac: string;
  tokensMac?: string;
  fields: object;
  expiresAt?: number | undefined;
}

function createChange(redis: Redis): (key: string, change: RecordChange) => Promise<boolean> {
  const script = loadScript(redis, 'record-change');
  return async (key, { mac, tokensMac = '*', fields, expiresAt }) => {
    const given = Object.entries(fields).filter(([, value]) => value !== undefined);
    const pairs = given.flatMap(([field, value]) => [field, String(value)]);
    return (await script([key], [mac, tokensMac, expiresAt ?? '', ...pairs])) === 1;
  };
}

/**
 * Returns a session if it is valid: authentic, of this user and generation, and not past its end. A session never has a
 * later generation than its user.
 */
export function validSession(
  { sessionId, userId }: Pick<AuthSession, 'sessionId' | 'userId'>,
  stored: StoredSession | undefined,
  person: PersonState | undefined,
): AuthSession | undefined {
  if (stored === undefined || person === undefined || stored.userId !== userId) return undefined;
  const { generation: own, idleMs: _idle, endsAt, mac: _mac, ...session } = stored;
  const isKept = sessionId === person.kept && own >= person.keptFrom && own <= person.generation;
  if (!isKept && own !== person.generation) return undefined;
  if (session.readAt >= endsAt) return undefined;
  return { sessionId, ...session, roles: [...person.roles] };
}

type Texts = (string | null | undefined)[];
/** The fields of a session in the order of `session-read.lua`; numbers are texts, except those that the script made. */
type Reply = [readAt?: number, ...fields: Texts];

function sessionIn(mac: RecordMac, sessionId: string, reply: Reply): StoredSession | undefined {
  const [readAt, userId, generation, createdAt, authenticatedAt, lastActivityAt, ...rest] = reply;
  if (readAt === undefined || !userId) return undefined;
  const [idleMs, endsAt, ip, userAgent, deviceId, found] = rest.map((text) => text ?? undefined);
  const fields = {
    userId,
    generation: Number(generation),
    createdAt: Number(createdAt),
    authenticatedAt: Number(authenticatedAt),
    idleMs: Number(idleMs),
    endsAt: Number(endsAt),
    deviceId,
  };
  if (!mac.verify(found, checkedOf(sessionId, fields))) return undefined;
  const { deviceId: _device, ...checked } = fields;
  return {
    ...checked,
    ...(deviceId && { deviceId }),
    lastActivityAt: Number(lastActivityAt),
    readAt,
    expiresAt: Math.min(Number(lastActivityAt) + checked.idleMs, checked.endsAt),
    ip: ip ?? '',
    userAgent: userAgent ?? '',
    mac: found ?? '',
  };
}

function numberIn(text: string | undefined): number | undefined {
  return text === undefined ? undefined : Number(text);
}
