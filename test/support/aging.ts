/**
 * Makes stored records older, so that an hour-long lifetime or wait passes at once and no test depends on its speed.
 * Nothing may write a record while it is changed.
 */
import { type Redis, scanKeys } from '../../adapters/redis/connect.ts';
import { type SessionMacs, signSession, signTokens } from '../../adapters/redis/session-records.ts';
import type { Secrets } from '../../engines/secrets.ts';
import { readOperatorKeys } from '../../platform/config/config.ts';
import { testSessionMacs } from './redis.ts';

const systemMacs = new Map<string, SessionMacs>();

/** Returns what authenticates the sessions of a system. */
export function sessionMacsOf({ secrets }: { secrets: Secrets }): SessionMacs {
  const known = systemMacs.get(secrets.PAYLOAD_KEY);
  if (known !== undefined) return known;
  const keys = readOperatorKeys(secrets);
  const macs = { sessions: keys.mac('session'), persons: keys.mac('person') };
  systemMacs.set(secrets.PAYLOAD_KEY, macs);
  return macs;
}

/** Changes fields of a session as the api would: with the MACs of a system that this process knows. */
export async function changeSession(redis: Redis, sessionId: string, fields: Record<string, string | number>) {
  const key = `session:${sessionId}`;
  const before = await redis.hgetall(key);
  const after = { ...before, ...fields };
  const macs = [...systemMacs.values(), testSessionMacs].find(
    ({ sessions }) => signedBy(sessions.sign, sessionId, before).mac === before.mac,
  );
  await redis.hset(key, { ...fields, ...(macs && signedBy(macs.sessions.sign, sessionId, after)) });
}

function signedBy(sign: SessionMacs['sessions']['sign'], sessionId: string, record: Record<string, string | number>) {
  const mac = { sign };
  const checked = record as unknown as Parameters<typeof signSession>[2];
  const tokens = record as unknown as Parameters<typeof signTokens>[2];
  return { mac: signSession(mac, sessionId, checked), tokensMac: signTokens(mac, sessionId, tokens) };
}

/**
 * Makes Redis records older: every instant in them, and their expiry, moves this many seconds into the past. A record
 * that has expired by then is gone. A negative number makes records younger.
 *
 * Instants are hash fields whose names end in `At` or `At:<number>`, such fields inside JSON values, and the scores of
 * sorted sets.
 *
 * @param pattern key pattern as for SCAN: `*{registrationId}*` matches everything stored for one registration
 * @throws {Error} no key matches
 */
export async function ageRecords(redis: Redis, pattern: string, seconds: number): Promise<void> {
  const keys = new Set<string>();
  for await (const some of scanKeys(redis, { match: pattern, count: 500 })) for (const key of some) keys.add(key);
  if (keys.size === 0) throw new Error(`No key matches ${pattern}`);
  for (const key of keys) await ageRecord(redis, key, seconds * 1000);
}

async function ageRecord(redis: Redis, key: string, ms: number): Promise<void> {
  const type = await redis.type(key);
  if (type === 'hash') await ageHash(redis, key, ms);
  if (type === 'zset') {
    for (const member of await redis.zrange(key, '0', '-1')) await redis.zincrby(key, -ms, member);
  }
  const endsAt = await redis.pexpiretime(key);
  if (endsAt > 0) await redis.pexpireat(key, endsAt - ms);
}

async function ageHash(redis: Redis, key: string, ms: number): Promise<void> {
  const before = Object.entries(await redis.hgetall(key));
  const changed = before
    .map(([name, value]): [string, string] => [name, olderText(name, value, ms)])
    .filter(([name, value]) => !before.some(([known, was]) => known === name && was === value));
  if (changed.length === 0) return;
  if (key.startsWith('session:')) await changeSession(redis, key.slice('session:'.length), Object.fromEntries(changed));
  else await redis.hset(key, Object.fromEntries(changed));
}

function olderText(name: string, value: string, ms: number): string {
  if (isInstant(name) && /^\d+$/.test(value)) return String(Number(value) - ms);
  return value.startsWith('{') ? JSON.stringify(older(JSON.parse(value), ms, false)) : value;
}

/** Returns a JSON value with older instants. Every number inside an instant is an instant. */
function older(value: unknown, ms: number, isAt: boolean): unknown {
  if (typeof value === 'number') return isAt ? value - ms : value;
  if (Array.isArray(value)) return value.map((item) => older(item, ms, isAt));
  if (typeof value !== 'object' || value === null) return value;
  const items = Object.entries(value).map(([name, item]) => [name, older(item, ms, isAt || isInstant(name))]);
  return Object.fromEntries(items);
}

/** Matches names such as `createdAt` and `sentAt:2`. */
function isInstant(name: string): boolean {
  return /[a-z]At(:\d+)?$/.test(name);
}
