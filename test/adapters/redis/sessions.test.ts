import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { Redis } from '../../../adapters/redis/connect.ts';
import { type AuthSessions, createAuthSessions, type NewAuthSession } from '../../../adapters/redis/sessions.ts';
import type { AuthSession } from '../../../domain/session.ts';
import { assertLife, connectTestRedis, uniqueName } from '../../support/redis.ts';

let redis: Redis;
let sessions: AuthSessions;

before(() => {
  redis = connectTestRedis();
  sessions = createAuthSessions(redis);
});
after(() => redis.disconnect());

const now = Date.now();

function newSession(given: Partial<NewAuthSession> = {}): NewAuthSession {
  return {
    sessionId: uniqueName('session'),
    userId: uniqueName('user'),
    createdAt: now,
    idleMs: 600_000,
    endsAt: now + 3_600_000,
    ip: '203.0.113.7',
    userAgent: 'An app, version 1',
    roles: ['user', 'admin'],
    ...given,
  };
}

/** The session as it is read right after it was created. */
function asRead({ idleMs, endsAt, ...session }: NewAuthSession): AuthSession {
  const { createdAt } = session;
  return {
    ...session,
    authenticatedAt: createdAt,
    lastActivityAt: createdAt,
    expiresAt: Math.min(createdAt + idleMs, endsAt),
  };
}

const create = (session: NewAuthSession, hash = uniqueName()) => sessions.create(session, { hash, seconds: 600 });

describe('session-touch.lua', () => {
  it('records session activity at most once a minute', async () => {
    const session = newSession();
    await create(session);
    const lastActivity = () => redis.hget(`session:${session.sessionId}`, 'lastActivityAt');
    await sessions.read(session.sessionId, now + 59_999);
    assert.equal(await lastActivity(), String(now));
    assert.equal((await sessions.read(session.sessionId, now + 60_000))?.lastActivityAt, now + 60_000);
    assert.equal(await lastActivity(), String(now + 60_000));
  });

  it('does not recreate a session that ended while it was read', async () => {
    const rounds = Array.from({ length: 50 }, () => newSession());
    await Promise.all(rounds.map((session) => create(session)));
    await Promise.all(
      rounds.map(({ sessionId }) =>
        Promise.all([sessions.read(sessionId, now + 120_000), redis.del(`session:${sessionId}`)]),
      ),
    );
    for (const { sessionId } of rounds) assert.equal(await redis.exists(`session:${sessionId}`), 0);
  });

  it('extends the idle timeout of a session, up to its maximum lifetime', async () => {
    const session = newSession({ idleMs: 600_000, endsAt: now + 900_000 });
    await create(session);
    const key = `session:${session.sessionId}`;
    assert.equal(await redis.pexpiretime(key), now + 600_000);
    assert.equal((await sessions.read(session.sessionId, now + 120_000))?.expiresAt, now + 720_000);
    assert.equal(await redis.pexpiretime(key), now + 720_000);
    assert.equal((await sessions.read(session.sessionId, now + 500_000))?.expiresAt, now + 900_000);
    assert.equal(await redis.pexpiretime(key), now + 900_000);
  });
});

describe('createSessions()', () => {
  it('reads what was stored', async () => {
    const session = newSession();
    await create(session);
    assert.deepEqual(await sessions.read(session.sessionId, now), asRead(session));
    const bare = newSession({ roles: [], ip: '', userAgent: '' });
    await create(bare);
    assert.deepEqual(await sessions.read(bare.sessionId, now), asRead(bare));
  });

  it('returns nothing for an unknown session', async () => {
    assert.equal(await sessions.read(uniqueName(), now), undefined);
  });

  it('expires a session and its refresh token', async () => {
    const session = newSession();
    const refreshHash = uniqueName();
    const key = `refresh:${refreshHash}`;
    await assertLife(redis, { key, seconds: 600 }, () => create(session, refreshHash));
    assert.equal(await redis.pexpiretime(`session:${session.sessionId}`), now + 600_000);
    assert.deepEqual(
      { ...(await redis.hgetall(key)) },
      { sessionId: session.sessionId, userId: session.userId, endsAt: String(session.endsAt) },
    );
  });

  it('can be repeated', async () => {
    const session = newSession();
    const refreshHash = uniqueName();
    await Promise.all([create(session, refreshHash), create(session, refreshHash)]);
    assert.deepEqual(await sessions.read(session.sessionId, now), asRead(session));
  });

  it('records the last log-in of the user', async () => {
    const session = newSession();
    await create(session);
    assert.equal(await redis.hget(`user:${session.userId}`, 'lastLoginAt'), String(now));
  });
});

describe('endAll()', () => {
  it('ends every session of one user only, and keeps the hashes of their refresh tokens', async () => {
    const userId = uniqueName('user');
    const own = [newSession({ userId }), newSession({ userId }), newSession({ userId })];
    const other = newSession();
    const hashes = await Promise.all(
      [...own, other].map(async (session) => {
        const refreshHash = uniqueName();
        await create(session, refreshHash);
        return refreshHash;
      }),
    );
    assert.equal(await sessions.count(userId, now), 3);
    assert.equal(await sessions.endAll(userId), 3);
    assert.equal(await sessions.count(userId, now), 0);
    for (const { sessionId } of own) assert.equal(await sessions.read(sessionId, now), undefined);
    assert.deepEqual(await sessions.read(other.sessionId, now), asRead(other));
    const left = await Promise.all(hashes.map((hash) => redis.exists(`refresh:${hash}`)));
    assert.deepEqual(left, [1, 1, 1, 1]);
    assert.equal(await redis.exists(`sessions:${userId}`), 0);
  });

  it('can be repeated, and does nothing when there are no sessions', async () => {
    const session = newSession();
    await create(session);
    assert.deepEqual(await Promise.all([sessions.endAll(session.userId), sessions.endAll(uniqueName())]), [1, 0]);
    assert.equal(await sessions.endAll(session.userId), 0);
  });
});

describe('a session that is written after endAll()', () => {
  /** Opens a second store whose sessions are written only after all sessions of the user were ended. */
  function storeInterruptedBy(act: () => Promise<unknown>) {
    let transactions = 0;
    const slow = new Proxy(redis, {
      get(target, name) {
        if (name !== 'multi') return Reflect.get(target, name, target);
        return () => {
          const multi = target.multi();
          // the first transaction lists the session, the second writes it
          if (++transactions !== 2) return multi;
          const exec = multi.exec.bind(multi);
          return Object.assign(multi, {
            exec: async () => {
              await act();
              return exec();
            },
          });
        };
      },
    });
    return createAuthSessions(slow);
  }

  it('F23 is not valid, neither listed nor counted, and cannot be refreshed', async () => {
    const session = newSession();
    const { sessionId, userId, endsAt } = session;
    const refresh = { hash: uniqueName(), seconds: 600 };
    await storeInterruptedBy(() => sessions.endAll(userId)).create(session, refresh);
    assert.equal(await redis.exists(`session:${sessionId}`), 1);
    assert.equal(await sessions.read(sessionId, now), undefined);
    assert.equal(await sessions.read(sessionId, now, { userId }), undefined);
    assert.deepEqual([await sessions.list(userId, now), await sessions.count(userId, now)], [[], 0]);
    const successor = { hash: uniqueName(), seconds: 600, encrypted: 'x' };
    const rotation = await sessions.rotate({ sessionId, userId, endsAt }, refresh.hash, successor, { roles: [], now });
    assert.equal(rotation.outcome, 'ended');
  });

  it('F23 is not valid either when another session was kept, which stays valid however often that is repeated', async () => {
    const userId = uniqueName('user');
    const [kept, late] = [newSession({ userId }), newSession({ userId })];
    await create(kept);
    const keepTwice = async () => {
      for (let turn = 0; turn < 2; turn++) await sessions.endAll(userId, kept.sessionId);
    };
    await storeInterruptedBy(keepTwice).create(late, { hash: uniqueName(), seconds: 600 });
    assert.equal(await sessions.read(late.sessionId, now), undefined);
    assert.deepEqual(await sessions.read(kept.sessionId, now, { userId }), asRead(kept));
    const next = newSession({ userId });
    await create(next);
    assert.deepEqual(await sessions.read(next.sessionId, now, { userId }), asRead(next));
    await sessions.endAll(userId, next.sessionId);
    assert.equal(await sessions.read(kept.sessionId, now, { userId }), undefined);
    assert.deepEqual(await sessions.read(next.sessionId, now, { userId }), asRead(next));
  });
});

describe('the list of sessions of a user', () => {
  it('drops ended sessions, and is kept as long as the longest one', async () => {
    const userId = uniqueName('user');
    await create(newSession({ userId, createdAt: now - 700_000, endsAt: now - 100_000 }));
    await create(newSession({ userId, endsAt: now + 7_200_000 }));
    await create(newSession({ userId }));
    assert.equal(await redis.zcard(`sessions:${userId}`), 2);
    assert.equal(await redis.pexpiretime(`sessions:${userId}`), now + 7_200_000);
  });

  it('drops a session that is ended alone', async () => {
    const userId = uniqueName('user');
    const [one, two] = [newSession({ userId }), newSession({ userId })];
    await create(one);
    await create(two);
    assert.equal(await sessions.end(userId, one.sessionId), true);
    assert.equal(await sessions.end(userId, one.sessionId), false);
    assert.equal(await sessions.end(uniqueName('user'), two.sessionId), false, 'the session of another user');
    assert.equal(await sessions.read(one.sessionId, now), undefined);
    assert.deepEqual(await redis.zrange(`sessions:${userId}`, '0', '-1'), [two.sessionId]);
  });
});

describe('session-rotate.lua', () => {
  const owner = ({ sessionId, userId, endsAt }: NewAuthSession) => ({ sessionId, userId, endsAt });
  const successor = (hash: string) => ({ hash, seconds: 600, encrypted: `encrypted ${hash}` });

  it('rotates one of 1,000 parallel refreshes; the others get the same successor', async () => {
    const session = newSession();
    await create(session, 'parallel');
    const names = Array.from({ length: 1000 }, () => uniqueName('successor'));
    const rotations = await Promise.all(
      names.map((name) => sessions.rotate(owner(session), 'parallel', successor(name), { roles: ['user'], now })),
    );
    const rotated = rotations.filter(({ outcome }) => outcome === 'rotated');
    assert.equal(rotated.length, 1);
    assert.equal(rotations.filter(({ outcome }) => outcome === 'repeated').length, 999);
    assert.deepEqual([...new Set(rotations.map(({ encrypted }) => encrypted))], [rotated[0]?.encrypted]);
    const known = await Promise.all(names.map((name) => redis.exists(`refresh:${name}`)));
    assert.equal(
      known.reduce((sum, isKnown) => sum + isKnown, 0),
      1,
      'one family, one live token',
    );
  });

  it('ends the session when a token is reused after its successor was used, or after the grace period', async () => {
    for (const [laterMs, isUsed] of [
      [1000, true],
      [10_001, false],
    ] as const) {
      const session = newSession();
      const [first, second, third] = [uniqueName('a'), uniqueName('b'), uniqueName('c')];
      await create(session, first);
      const rotate = (presented: string, name: string, at: number) =>
        sessions.rotate(owner(session), presented, successor(name), { roles: [], now: at });
      assert.equal((await rotate(first, second, now)).outcome, 'rotated');
      assert.equal((await rotate(first, uniqueName(), now + 10_000)).outcome, 'repeated');
      if (isUsed) assert.equal((await rotate(second, third, now + 500)).outcome, 'rotated');
      assert.equal((await rotate(first, uniqueName(), now + laterMs)).outcome, 'reused');
      assert.equal(await sessions.read(session.sessionId, now), undefined);
      assert.equal((await rotate(isUsed ? third : second, uniqueName(), now + laterMs)).outcome, 'ended');
    }
  });

  it('updates the roles of the session and extends its idle timeout', async () => {
    const session = newSession();
    await create(session, 'with-roles');
    await sessions.rotate(owner(session), 'with-roles', successor(uniqueName()), {
      roles: ['auditor'],
      now: now + 100_000,
    });
    const read = await sessions.read(session.sessionId, now + 100_000);
    assert.deepEqual([read?.roles, read?.expiresAt], [['auditor'], now + 700_000]);
  });
});

describe('setRoles()', () => {
  it('updates live sessions and recreates none', async () => {
    const userId = uniqueName('user');
    const [one, two] = [newSession({ userId }), newSession({ userId })];
    await create(one);
    await create(two);
    await redis.del(`session:${two.sessionId}`);
    await sessions.setRoles(userId, ['user']);
    assert.deepEqual((await sessions.read(one.sessionId, now))?.roles, ['user']);
    assert.equal(await redis.exists(`session:${two.sessionId}`), 0);
  });
});

describe('takePlace()', () => {
  it('returns the previous session, so that of parallel log-ins all but the last are ended', async () => {
    const userId = uniqueName('user');
    const ids = Array.from({ length: 50 }, () => uniqueName('session'));
    const before = await Promise.all(ids.map((id) => sessions.takePlace(userId, id, now + 600_000)));
    assert.equal(before.filter((id) => id === undefined).length, 1);
    assert.equal(new Set(before).size, 50);
    assert.equal(
      await sessions.takePlace(userId, ids.at(-1) ?? '', now + 600_000),
      undefined,
      'a repeat replaces nothing',
    );
  });
});
