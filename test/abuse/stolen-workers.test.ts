// @rerun never
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { connectRedis } from '../../adapters/redis/connect.ts';
import { createOneTimeSecrets } from '../../adapters/redis/one-time-secrets.ts';
import { createCodecOf } from '../../adapters/temporal/codec.ts';
import { readConfig } from '../../platform/config/config.ts';
import { type Role, roles, type TemporalRole } from '../../platform/config/roles.ts';
import { newToken, tokenHash } from '../../platform/crypto.ts';
import { boxes, type KeyPurpose, type KeyRing, parseKeyRing } from '../../platform/keyring.ts';
import { startRegistration } from '../support/client.ts';
import { withSystem } from '../support/with-system.ts';

const { system, behind, url, api, person, isAlive } = await withSystem();

/** The keys that a process of a role has. */
const ringOf = (role: Role): KeyRing => parseKeyRing(system.processes.env(role).KEYS ?? '');

/** A connection with the credentials that a process of a role has. */
function connectAs(role: Role) {
  const redis = connectRedis(system.processes.env(role).REDIS_URL ?? '', () => undefined);
  return { redis, [Symbol.asyncDispose]: async () => redis.disconnect() };
}

/** The records of a session and of a refresh token, as the attack of issue 20 wrote them. */
function forgedFor(userId: string) {
  const [sessionId, token, now] = [newToken(), newToken(), Date.now()];
  const endsAt = now + 3_600_000;
  const session = {
    ...{ userId, createdAt: now, lastActivityAt: now, authenticatedAt: now, idleMs: 3_600_000, endsAt },
    ...{ ip: '', userAgent: '', roles: 'user,admin', generation: 0, refresh: tokenHash(token) },
  };
  return { sessionId, token, session, refresh: { sessionId, userId, endsAt, expiresAt: endsAt } };
}

/** Returns whether a key opens an encrypted text. Boxes have other forms. */
function opens(keys: KeyRing, purpose: string, encrypted: string): boolean {
  if (purpose.includes('+')) return false;
  try {
    keys.cipher(purpose as KeyPurpose).decryptText(encrypted);
    return true;
  } catch {
    return false;
  }
}

describe('a stolen worker', () => {
  it('has no root key, and the address of Redis with the user of its role', () => {
    for (const role of roles) {
      const env = system.processes.env(role);
      const secrets = [system.secrets.PAYLOAD_KEY, system.secrets.DATA_KEY, system.secrets.AUDIT_KEY];
      for (const secret of [...secrets, system.secrets.REDIS_ACL_KEY])
        assert.equal(
          Object.values(env).some((value) => value.includes(secret)),
          false,
          role,
        );
      assert.equal(new URL(env.REDIS_URL ?? '').username, role);
      const isSigning = role === 'api' || role === 'gateway';
      assert.deepEqual(['JWT_SECRET' in env, env.KEYS?.includes('session.')], [isSigning, isSigning], role);
    }
  });

  it('of the role audit gets no access token for an admin, not even where it could write to Redis', async () => {
    const admin = await person(701);
    const { sessionId, token, session, refresh } = forgedFor(admin.userId);
    await using audit = connectAs('audit');
    await audit.redis.ping();
    await assert.rejects(audit.redis.hset(`session:${sessionId}`, session), /NOPERM/);
    await assert.rejects(audit.redis.hset(`refresh:${tokenHash(token)}`, refresh), /NOPERM/);
    // as the administrator of Redis
    await behind.redis.hset(`session:${sessionId}`, session);
    await behind.redis.hset(`refresh:${tokenHash(token)}`, refresh);
    const forged = await api.refreshTokens({ body: { refreshToken: token } });
    assert.equal(forged.status, 401);
    // with the records of a session of its own, and the user changed
    const own = await person(702);
    const ownKey = `refresh:${tokenHash(own.refreshToken)}`;
    await behind.redis.hset(`session:${await behind.redis.hget(ownKey, 'sessionId')}`, 'userId', admin.userId);
    await behind.redis.hset(ownKey, 'userId', admin.userId);
    assert.equal((await api.refreshTokens({ body: { refreshToken: own.refreshToken } })).status, 401);
    assert.equal(await isAlive(admin.token), true);
  });

  it('of another role opens no password of the directory in flight, in Redis or in Temporal', async () => {
    const secrets = createOneTimeSecrets(behind.redis, ringOf('api').box('secret-directory'));
    const reference = await secrets.put('her directory password');
    const sealed = (await behind.redis.get(`secret:${reference}`)) ?? '';
    for (const role of roles.filter((one) => one !== 'directory')) {
      const keys = ringOf(role);
      for (const name of Object.keys(boxes) as (keyof typeof boxes)[])
        assert.throws(() => keys.box(name).openText(sealed, `secret:${reference}`), Error, `${role} ${name}`);
      if (['api', 'registration'].includes(role)) continue;
      await using stolen = connectAs(role);
      await assert.rejects(stolen.redis.get(`secret:${reference}`), /NOPERM/, role);
    }
    await using directory = connectAs('directory');
    const read = createOneTimeSecrets(directory.redis, ringOf('directory').box('secret-directory'));
    assert.equal(await read.read(reference), 'her directory password');
    await assert.rejects(directory.redis.set(`secret:${reference}`, 'x'), /NOPERM/);
  });

  it('reads no input of an activity of another queue', async () => {
    const registration = await startRegistration(url, {});
    const answer = await registration.call('PUT', '/directory', { username: 'person077', password: 'person-077' });
    assert.equal(answer.status, 200);
    const { events } = await behind.temporal.workflow.getHandle(`registration:${registration.id}`).fetchHistory();
    const scheduled = (events ?? []).flatMap((event) => event.activityTaskScheduledEventAttributes ?? []);
    const input = scheduled.find(({ taskQueue }) => taskQueue?.name === 'directory')?.input?.payloads ?? [];
    assert.equal(input.length, 1);
    const decodedBy = async (role: TemporalRole | 'api') => {
      const [payload] = await createCodecOf(role, ringOf(role)).decode(input);
      return Buffer.from(payload?.data ?? []).toString();
    };
    assert.match(await decodedBy('directory'), /^\{.*"username":"person077"/);
    for (const role of ['api', 'registration', 'delivery', 'signal'] as const)
      await assert.rejects(decodedBy(role), /does not open|No key/, role);
    const results = (events ?? []).flatMap(
      (event) => event.activityTaskCompletedEventAttributes?.result?.payloads ?? [],
    );
    const [result] = await createCodecOf('api', ringOf('api')).decode(results.slice(0, 1));
    assert.match(Buffer.from(result?.data ?? []).toString(), /"outcome":"ok"/);
    await assert.rejects(
      createCodecOf('delivery', ringOf('delivery')).decode(results.slice(0, 1)),
      /does not open|No key/,
    );
  });

  it('finds, reads and guesses nothing of accounts in MongoDB unless it owns them', async () => {
    const ada = await person({ username: 'ada.stolen', email: 'ada.stolen@example.org', phone: '+447911000777' });
    const user = await behind.database.collection('users').findOne({ _id: ada.userId as never });
    const claims = await behind.claimsOf(ada.userId);
    assert.ok(user && claims.length > 0);
    const stored = JSON.stringify([user, claims]);
    for (const known of [ada.mail, ada.phone]) assert.equal(stored.includes(known), false);
    const owners = ['api', 'registration'];
    for (const role of roles) {
      const isOwner = owners.includes(role);
      assert.equal('DATABASE_URL' in system.processes.env(role), isOwner || role === 'gateway', role);
      const keys = ringOf(role);
      for (const purpose of ['field', 'identity', 'pepper', 'push'])
        assert.equal(keys.purposes.includes(purpose), isOwner, `${role} ${purpose}`);
      // with every key that it has
      const opening: readonly string[] = keys.purposes.filter((purpose) =>
        opens(keys, purpose, String(user.emailEncrypted)),
      );
      assert.deepEqual(opening, isOwner ? ['field'] : [], role);
    }
  });

  it('starts with the keys of its own role only', () => {
    const { KEYS: ofApi } = system.processes.env('api');
    for (const role of ['delivery', 'audit'] as const) {
      const env = { ...system.processes.env(role), KEYS: ofApi };
      assert.throws(() => readConfig(role, env), /KEYS (lacks keys of|has keys that)/);
    }
  });
});
