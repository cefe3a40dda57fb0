import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { Redis } from '../../../adapters/redis/connect.ts';
import { createSessions, type Session, type Sessions } from '../../../adapters/redis/sessions.ts';
import { connectTestRedis, uniqueName } from '../../support/redis.ts';

let redis: Redis;
let sessions: Sessions;

before(() => {
  redis = connectTestRedis();
  sessions = createSessions(redis);
});
after(() => redis.disconnect());

const now = Date.now();

function newSession(given: Partial<Session> = {}): Session {
  return {
    sessionId: uniqueName('session'),
    userId: uniqueName('user'),
    createdAt: now,
    lastActivityAt: now,
    expiresAt: now + 600_000,
    ip: '203.0.113.7',
    userAgent: 'An app, version 1',
    roles: ['user', 'admin'],
    ...given,
  };
}

describe('session-touch.lua', () => {
  it('notes activity of a session, at most once a minute', async () => {
    const session = newSession();
    await sessions.create(session, uniqueName());
    const lastActivity = () => redis.hget(`session:${session.sessionId}`, 'lastActivityAt');
    await sessions.read(session.sessionId, now + 59_999);
    assert.equal(await lastActivity(), String(now));
    assert.equal((await sessions.read(session.sessionId, now + 60_000))?.lastActivityAt, now + 60_000);
    assert.equal(await lastActivity(), String(now + 60_000));
  });

  it('never brings a session back that ended while it was read', async () => {
    const rounds = Array.from({ length: 50 }, () => newSession());
    await Promise.all(rounds.map((session) => sessions.create(session, uniqueName())));
    await Promise.all(
      rounds.map(({ sessionId }) =>
        Promise.all([sessions.read(sessionId, now + 120_000), redis.del(`session:${sessionId}`)]),
      ),
    );
    for (const { sessionId } of rounds) assert.equal(await redis.exists(`session:${sessionId}`), 0);
  });

  it('does not prolong a session', async () => {
    const session = newSession();
    await sessions.create(session, uniqueName());
    await redis.expire(`session:${session.sessionId}`, 50);
    await sessions.read(session.sessionId, now + 120_000);
    assert.ok((await redis.ttl(`session:${session.sessionId}`)) <= 50);
  });
});

describe('createSessions()', () => {
  it('reads what was stored', async () => {
    const session = newSession();
    await sessions.create(session, uniqueName());
    assert.deepEqual(await sessions.read(session.sessionId, now), session);
    const bare = newSession({ roles: [], ip: '', userAgent: '' });
    await sessions.create(bare, uniqueName());
    assert.deepEqual(await sessions.read(bare.sessionId, now), bare);
  });

  it('knows nothing of a session that does not exist', async () => {
    assert.equal(await sessions.read(uniqueName(), now), undefined);
  });

  it('ends a session and its refresh token after their life', async () => {
    const session = newSession();
    const refreshHash = uniqueName();
    await sessions.create(session, refreshHash);
    for (const key of [`session:${session.sessionId}`, `refresh:${refreshHash}`]) {
      const life = await redis.ttl(key);
      assert.ok(life > 590 && life <= 600, `${key} ${life} s`);
    }
    assert.deepEqual(
      { ...(await redis.hgetall(`refresh:${refreshHash}`)) },
      { sessionId: session.sessionId, userId: session.userId, state: 'live' },
    );
  });

  it('may be repeated', async () => {
    const session = newSession();
    const refreshHash = uniqueName();
    await Promise.all([sessions.create(session, refreshHash), sessions.create(session, refreshHash)]);
    assert.deepEqual(await sessions.read(session.sessionId, now), session);
  });

  it('notes the last log-in of the person', async () => {
    const session = newSession();
    await sessions.create(session, uniqueName());
    assert.equal(await redis.hget(`user:${session.userId}`, 'lastLoginAt'), String(now));
  });
});

describe('endAll()', () => {
  it('ends every session of a person with its refresh token, and nobody else’s', async () => {
    const userId = uniqueName('user');
    const own = [newSession({ userId }), newSession({ userId }), newSession({ userId })];
    const other = newSession();
    const hashes = await Promise.all(
      [...own, other].map(async (session) => {
        const refreshHash = uniqueName();
        await sessions.create(session, refreshHash);
        return refreshHash;
      }),
    );
    assert.equal(await sessions.count(userId, now), 3);
    assert.equal(await sessions.endAll(userId), 3);
    assert.equal(await sessions.count(userId, now), 0);
    for (const { sessionId } of own) assert.equal(await sessions.read(sessionId, now), undefined);
    assert.deepEqual(await sessions.read(other.sessionId, now), other);
    const left = await Promise.all(hashes.map((hash) => redis.exists(`refresh:${hash}`)));
    assert.deepEqual(left, [0, 0, 0, 1]);
    assert.equal(await redis.exists(`sessions:${userId}`), 0);
  });

  it('may be repeated, and when there is none', async () => {
    const session = newSession();
    await sessions.create(session, uniqueName());
    assert.deepEqual(await Promise.all([sessions.endAll(session.userId), sessions.endAll(uniqueName())]), [1, 0]);
    assert.equal(await sessions.endAll(session.userId), 0);
  });
});

describe('the list of a person’s sessions', () => {
  it('forgets those that have ended, and lives as long as the longest', async () => {
    const userId = uniqueName('user');
    await sessions.create(newSession({ userId, createdAt: now - 700_000, expiresAt: now - 100_000 }), uniqueName());
    await sessions.create(newSession({ userId, expiresAt: now + 900_000 }), uniqueName());
    await sessions.create(newSession({ userId }), uniqueName());
    assert.equal(await redis.zcard(`sessions:${userId}`), 2);
    const life = await redis.ttl(`sessions:${userId}`);
    assert.ok(life > 890 && life <= 900, `${life} s`);
  });

  it('loses one session that is ended alone', async () => {
    const userId = uniqueName('user');
    const [one, two] = [newSession({ userId }), newSession({ userId })];
    await sessions.create(one, 'hash-of-one');
    await sessions.create(two, uniqueName());
    await sessions.end(userId, one.sessionId, 'hash-of-one');
    assert.equal(await sessions.read(one.sessionId, now), undefined);
    assert.deepEqual(await redis.zrange(`sessions:${userId}`, '0', '-1'), [two.sessionId]);
    assert.equal(await redis.exists('refresh:hash-of-one'), 0);
  });
});
