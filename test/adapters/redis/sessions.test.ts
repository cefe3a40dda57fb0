import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { type Redis, timeOf } from '../../../adapters/redis/connect.ts';
import { type AuthSessions, createAuthSessions, type NewAuthSession } from '../../../adapters/redis/sessions.ts';
import type { AuthSession } from '../../../domain/session.ts';
import { ageRecords } from '../../support/aging.ts';
import { assertLife, connectTestRedis, testSessionMacs, uniqueName } from '../../support/redis.ts';
import { stopTime } from '../../support/stopped-time.ts';

let redis: Redis;
let sessions: AuthSessions;

before(() => {
  redis = connectTestRedis();
  sessions = createAuthSessions(redis, testSessionMacs);
});
after(() => redis.disconnect());

const now = Date.now();

function newSession(given: Partial<NewAuthSession> = {}): NewAuthSession {
  return {
    sessionId: uniqueName('session'),
    userId: uniqueName('user'),
    idleMs: 600_000,
    lifeMs: 3_600_000,
    ip: '203.0.113.7',
    userAgent: 'An app, version 1',
    roles: ['user', 'admin'],
    ...given,
  };
}

/** The session as it is read right after it was created. */
function asRead({ idleMs, lifeMs, ...session }: NewAuthSession): AuthSession {
  return {
    ...session,
    createdAt: now,
    authenticatedAt: now,
    lastActivityAt: now,
    readAt: now,
    expiresAt: now + Math.min(idleMs, lifeMs),
  };
}

/** The owner of the refresh tokens of a session. */
const owner = ({ sessionId, userId, lifeMs }: NewAuthSession) => ({ sessionId, userId, endsAt: now + lifeMs });

const successor = (hash: string) => ({ hash, seconds: 600, encrypted: `encrypted ${hash}` });

const create = (session: NewAuthSession, hash = uniqueName(), at = now) =>
  sessions.create(session, { hash, seconds: 600 }, at);

describe('session-read.lua', () => {
  it('records session activity at most once a minute', async () => {
    const session = newSession();
    await create(session);
    const lastActivity = () => redis.hget(`session:${session.sessionId}`, 'lastActivityAt');
    await sessions.read(session, now + 59_999);
    assert.equal(await lastActivity(), String(now));
    assert.equal((await sessions.read(session, now + 60_000))?.lastActivityAt, now + 60_000);
    assert.equal(await lastActivity(), String(now + 60_000));
  });

  it('does not recreate a session that ended while it was read', async () => {
    const rounds = Array.from({ length: 50 }, () => newSession());
    await Promise.all(rounds.map((session) => create(session)));
    await Promise.all(
      rounds.map((session) =>
        Promise.all([sessions.read(session, now + 120_000), redis.del(`session:${session.sessionId}`)]),
      ),
    );
    for (const { sessionId } of rounds) assert.equal(await redis.exists(`session:${sessionId}`), 0);
  });

  it('extends the idle timeout of a session, up to its maximum lifetime', async () => {
    const session = newSession({ idleMs: 600_000, lifeMs: 900_000 });
    await create(session);
    const key = `session:${session.sessionId}`;
    assert.equal(await redis.pexpiretime(key), now + 600_000);
    assert.equal((await sessions.read(session, now + 120_000))?.expiresAt, now + 720_000);
    assert.equal(await redis.pexpiretime(key), now + 720_000);
    assert.equal((await sessions.read(session, now + 500_000))?.expiresAt, now + 900_000);
    assert.equal(await redis.pexpiretime(key), now + 900_000);
  });
});

describe('createSessions()', () => {
  it('reads what was stored', async () => {
    const session = newSession();
    await create(session);
    assert.deepEqual(await sessions.read(session, now), asRead(session));
    const bare = newSession({ roles: [], ip: '', userAgent: '' });
    await create(bare);
    assert.deepEqual(await sessions.read(bare, now), asRead(bare));
  });

  it('returns nothing for an unknown session, or for that of another user', async () => {
    const session = newSession();
    await create(session);
    assert.equal(await sessions.read({ ...session, userId: uniqueName('user') }, now), undefined);
    assert.equal(await sessions.read(newSession(), now), undefined);
  });

  it('expires a session and its refresh token', async () => {
    const session = newSession();
    const refreshHash = uniqueName();
    const key = `refresh:${refreshHash}`;
    await assertLife(redis, { key, seconds: 600 }, () => create(session, refreshHash));
    assert.equal(await redis.pexpiretime(`session:${session.sessionId}`), now + 600_000);
    const { mac: _mac, ...stored } = await redis.hgetall(key);
    const { sessionId, userId, lifeMs } = session;
    const times = { endsAt: String(now + lifeMs), expiresAt: String(now + 600_000) };
    assert.deepEqual(stored, { sessionId, userId, ...times });
  });

  it('can be repeated', async () => {
    const session = newSession();
    const refreshHash = uniqueName();
    await Promise.all([create(session, refreshHash), create(session, refreshHash)]);
    assert.deepEqual(await sessions.read(session, now), asRead(session));
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
    for (const session of own) assert.equal(await sessions.read(session, now), undefined);
    assert.deepEqual(await sessions.read(other, now), asRead(other));
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
    return createAuthSessions(slow, testSessionMacs);
  }

  it('F23 is not valid, neither listed nor counted, and cannot be refreshed', async () => {
    const session = newSession();
    const { sessionId, userId } = session;
    const refresh = { hash: uniqueName(), seconds: 600 };
    await storeInterruptedBy(() => sessions.endAll(userId)).create(session, refresh, now);
    assert.equal(await redis.exists(`session:${sessionId}`), 1);
    assert.equal(await sessions.read(session, now), undefined);
    assert.deepEqual([await sessions.list(userId, now), await sessions.count(userId, now)], [[], 0]);
    const rotation = await sessions.rotate(owner(session), refresh.hash, successor(uniqueName()), { roles: [], now });
    assert.equal(rotation.outcome, 'ended');
  });

  it('F23 is not valid either when another session was kept, which stays valid however often that is repeated', async () => {
    const userId = uniqueName('user');
    const [kept, late] = [newSession({ userId }), newSession({ userId })];
    await create(kept);
    const keepTwice = async () => {
      for (let turn = 0; turn < 2; turn++) await sessions.endAll(userId, { exceptId: kept.sessionId });
    };
    await storeInterruptedBy(keepTwice).create(late, { hash: uniqueName(), seconds: 600 }, now);
    assert.equal(await sessions.read(late, now), undefined);
    assert.deepEqual(await sessions.read(kept, now), asRead(kept));
    const next = newSession({ userId });
    await create(next);
    assert.deepEqual(await sessions.read(next, now), asRead(next));
    await sessions.endAll(userId, { exceptId: next.sessionId });
    assert.equal(await sessions.read(kept, now), undefined);
    assert.deepEqual(await sessions.read(next, now), asRead(next));
  });
});

describe('the list of sessions of a user', () => {
  it('drops ended sessions, and is kept as long as the longest one', async () => {
    const userId = uniqueName('user');
    await create(newSession({ userId, lifeMs: 600_000 }), uniqueName(), now - 700_000);
    await create(newSession({ userId, lifeMs: 7_200_000 }));
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
    assert.equal(await sessions.read(one, now), undefined);
    assert.deepEqual(await redis.zrange(`sessions:${userId}`, '0', '-1'), [two.sessionId]);
  });
});

describe('session-rotate.lua', () => {
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
      assert.equal(await sessions.read(session, now), undefined);
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
    const read = await sessions.read(session, now + 100_000);
    assert.deepEqual([read?.roles, read?.expiresAt], [['auditor'], now + 700_000]);
  });
});

describe('the time of a session', () => {
  const hourMs = 3_600_000;

  it('F16: is that of Redis: a process whose clock is ahead or behind neither shortens nor lengthens anything', async () => {
    for (const aheadMs of [hourMs, -hourMs]) {
      const session = newSession({ idleMs: hourMs, lifeMs: 2 * hourMs });
      const { sessionId, userId } = session;
      const [first, second] = [uniqueName('a'), uniqueName('b')];
      const device = uniqueName('device');
      const earliest = await timeOf(redis);
      using _wrong = stopTime(['Date'], { aheadMs });
      await sessions.create(session, { hash: first, seconds: 600 });
      await sessions.noteDevice(userId, device);
      assert.equal(await sessions.isKnownDevice(userId, device), true);
      const rotated = await sessions.rotate(owner(session), first, successor(second), { roles: [] });
      const repeated = await sessions.rotate(owner(session), first, successor(uniqueName()), { roles: [] });
      assert.deepEqual([rotated.outcome, repeated.outcome], ['rotated', 'repeated']);
      await sessions.confirm(sessionId);
      await sessions.takePlace(userId, sessionId, session.lifeMs);
      const read = await sessions.read(session);
      const found = await sessions.findByRefresh(first);
      const [listed] = await sessions.list(userId);
      const latest = await timeOf(redis);
      const instants = {
        createdAt: read?.createdAt,
        authenticatedAt: read?.authenticatedAt,
        lastActivityAt: read?.lastActivityAt,
        readAt: read?.readAt,
        listedAt: listed?.readAt,
        idleFrom: (await redis.pexpiretime(`session:${sessionId}`)) - hourMs,
        refreshFrom: (await redis.pexpiretime(`refresh:${first}`)) - 600_000,
        placeFrom: (await redis.pexpiretime(`session-place:${userId}`)) - session.lifeMs,
        endsFrom: (found?.endsAt ?? 0) - session.lifeMs,
        leftFrom: (found?.endsAt ?? 0) - (found?.leftMs ?? 0),
        knownFrom: Number(await redis.zscore(`known-devices:${userId}`, device)),
      };
      for (const [name, at] of Object.entries(instants)) {
        assert.ok(at !== undefined && at >= earliest && at <= latest, `${name} is ${at}, not ${earliest} to ${latest}`);
      }
    }
  });

  it('F16: decides about activity, the grace period and the end, whatever the clock of a process says', async () => {
    const session = newSession({ idleMs: hourMs, lifeMs: 2 * hourMs });
    const [first, second] = [uniqueName('a'), uniqueName('b')];
    await sessions.create(session, { hash: first, seconds: 600 });
    await sessions.rotate(owner(session), first, successor(second), { roles: [] });
    const key = `session:${session.sessionId}`;
    await ageRecords(redis, key, 61);
    using _behind = stopTime(['Date'], { aheadMs: -hourMs });
    const { lastActivityAt = 0, readAt } = (await sessions.read(session)) ?? {};
    assert.equal(lastActivityAt, readAt, 'activity is recorded, though the process takes it for recent');
    assert.equal(await redis.pexpiretime(key), lastActivityAt + hourMs);
    const late = await sessions.rotate(owner(session), first, successor(uniqueName()), { roles: [] });
    assert.equal(late.outcome, 'reused', 'the grace period is over, though the process takes the rotation for recent');
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
    assert.deepEqual((await sessions.read(one, now))?.roles, ['user']);
    assert.equal(await redis.exists(`session:${two.sessionId}`), 0);
  });
});

describe('takePlace()', () => {
  it('returns the previous session, so that of parallel log-ins all but the last are ended', async () => {
    const userId = uniqueName('user');
    const ids = Array.from({ length: 50 }, () => uniqueName('session'));
    const before = await Promise.all(ids.map((id) => sessions.takePlace(userId, id, 600_000)));
    assert.equal(before.filter((id) => id === undefined).length, 1);
    assert.equal(new Set(before).size, 50);
    assert.equal(await sessions.takePlace(userId, ids.at(-1) ?? '', 600_000), undefined, 'a repeat replaces nothing');
  });
});

describe('session-device.lua', () => {
  const bind = (session: NewAuthSession, deviceId: string, hash = uniqueName()) =>
    sessions.bindDevice({ ...owner(session), deviceId }, { token: () => successor(hash) });

  it('makes a session one of a device, once, whatever is asked at the same time', async () => {
    for (let round = 0; round < 20; round++) {
      const session = newSession();
      await create(session);
      const asked = Array.from({ length: 6 }, (_, index) => String((index % 3) + 1));
      const results = await Promise.all(asked.map((deviceId) => bind(session, deviceId)));
      const { deviceId } = (await sessions.read(session)) ?? {};
      const expected = asked.map((each) => (each === deviceId ? 'bound' : 'other'));
      assert.deepEqual(
        results.map(({ outcome }) => outcome),
        expected,
        `round ${round}`,
      );
    }
  });

  it('replaces the refresh token; the former one returns the same successor for a moment', async () => {
    const session = newSession();
    const [first, second] = [uniqueName('a'), uniqueName('b')];
    await create(session, first);
    assert.equal((await bind(session, '1', second)).outcome, 'bound');
    const repeated = await sessions.rotate(owner(session), first, successor(uniqueName()), { roles: [] });
    assert.deepEqual([repeated.outcome, repeated.deviceId], ['repeated', '1']);
    assert.equal(repeated.encrypted, successor(second).encrypted);
    const rotated = await sessions.rotate(owner(session), second, successor(uniqueName()), { roles: [] });
    assert.equal(rotated.outcome, 'rotated');
  });

  it('does not recreate a session that ended, and leaves no refresh token', async () => {
    const rounds = Array.from({ length: 30 }, () => newSession());
    await Promise.all(rounds.map((session) => create(session)));
    const hashes = await Promise.all(
      rounds.map(async (session) => {
        const hash = uniqueName();
        const [{ outcome }] = await Promise.all([
          bind(session, '1', hash),
          sessions.end(session.userId, session.sessionId),
        ]);
        return { hash, outcome };
      }),
    );
    for (const [index, { hash, outcome }] of hashes.entries()) {
      assert.equal(await redis.exists(`session:${rounds[index]?.sessionId}`), 0);
      if (outcome === 'ended') assert.equal(await redis.exists(`refresh:${hash}`), 0);
    }
  });
});

describe('endDevice()', () => {
  it('ends the sessions of one device of one user, and returns them', async () => {
    const userId = uniqueName('user');
    const [one, two, bare] = [
      newSession({ userId, deviceId: '1' }),
      newSession({ userId, deviceId: '2' }),
      newSession({ userId }),
    ];
    const theirs = newSession({ deviceId: '2' });
    for (const session of [one, two, bare, theirs]) await create(session);
    assert.deepEqual(await sessions.endDevice(userId, '2'), [two.sessionId]);
    assert.deepEqual(await sessions.endDevice(userId, '2'), []);
    assert.equal(await sessions.read(two), undefined);
    for (const session of [one, bare, theirs])
      assert.equal((await sessions.read(session))?.sessionId, session.sessionId);
  });
});
