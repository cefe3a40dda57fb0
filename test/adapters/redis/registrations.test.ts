import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { setImmediate as otherWork } from 'node:timers/promises';
import { type ChangeListener, createChangeListener } from '../../../adapters/redis/changes.ts';
import type { Redis } from '../../../adapters/redis/connect.ts';
import { keys } from '../../../adapters/redis/keys.ts';
import {
  createRegistrationStarts,
  createRegistrations,
  type RegistrationStarts,
  type Registrations,
} from '../../../adapters/redis/registrations.ts';
import type { RegistrationStatus } from '../../../domain/registration.ts';
import { Secret } from '../../../platform/config/secret.ts';
import { createCipher } from '../../../platform/crypto.ts';
import { assertLife, atOnce, connectTestRedis, uniqueName } from '../../support/redis.ts';
import { stopTime } from '../../support/stopped-time.ts';
import { until } from '../../support/until.ts';

let redis: Redis;
let subscriber: Redis;
let registrations: Registrations;
let starts: RegistrationStarts;
let listener: ChangeListener;

before(() => {
  redis = connectTestRedis();
  subscriber = connectTestRedis();
  registrations = createRegistrations(redis);
  starts = createRegistrationStarts(redis, createCipher('secret', new Secret(Buffer.alloc(32, 7).toString('base64'))));
  listener = createChangeListener(subscriber);
});
after(() => {
  redis.disconnect();
  subscriber.disconnect();
});

function statusAt(version: number): RegistrationStatus {
  return { version, state: 'pending', steps: [], expiresAt: 1, sends: [], nextSendAt: {} };
}

/** Resolves when the listener's connection has received the next announcement of a registration. */
function hearsOf(id: string): Promise<void> {
  return new Promise((resolve) => {
    subscriber.on('message', function onMessage(channel: string) {
      if (channel !== `registration:{${id}}`) return;
      subscriber.off('message', onMessage);
      resolve();
    });
  });
}

const person = { fullName: 'ada', startedAt: 1 };

function recordOf(expiresAt: number) {
  const status: RegistrationStatus = { ...statusAt(0), expiresAt, nextSendAt: { sms: 1 } };
  return { status, tokenHash: 'token', start: person };
}

/** Longer than any announcement takes. */
const long = 600_000;

const listen = (registrationId: string, timeoutMs: number) =>
  listener.listen(keys.registration({ registrationId }), timeoutMs);
const versionOf = async (id: string) => (await registrations.read(id))?.status.version;

describe('registration-write.lua', () => {
  it('replaces an older status with a newer one', async () => {
    const id = uniqueName();
    for (const version of [0, 1, 2]) await registrations.write(id, statusAt(version), 'token');
    assert.deepEqual(await registrations.read(id), { status: statusAt(2), tokenHash: 'token' });
  });

  it('never replaces a newer status with an older one, in whatever order they arrive', async () => {
    const id = uniqueName();
    await registrations.write(id, statusAt(7), 'token');
    await registrations.write(id, statusAt(6), 'token');
    assert.equal(await versionOf(id), 7);
    const shuffled = Array.from({ length: 50 }, (_, index) => (index * 17) % 50);
    await Promise.all(shuffled.map((version) => registrations.write(id, statusAt(version), 'token')));
    assert.equal(await versionOf(id), 49);
  });

  it('ignores a repeated version', async () => {
    const id = uniqueName();
    await registrations.write(id, { ...statusAt(1), state: 'pending' }, 'token');
    await registrations.write(id, { ...statusAt(1), state: 'cancelled' }, 'token');
    assert.equal((await registrations.read(id))?.status.state, 'pending');
  });

  it('announces new versions only', async () => {
    const id = uniqueName();
    const heard: string[] = [];
    const ear = connectTestRedis();
    ear.on('message', (_channel, version: string) => heard.push(version));
    await ear.subscribe(`registration:{${id}}`);
    for (const version of [3, 2, 3, 5, 4]) await registrations.write(id, statusAt(version), 'token');
    await until(() => heard.length > 1);
    await ear.unsubscribe(`registration:{${id}}`);
    ear.disconnect();
    assert.deepEqual(heard, ['3', '5']);
  });

  it('keeps a status for two days after its last change', async () => {
    const id = uniqueName();
    const key = `registration:{${id}}`;
    await registrations.write(id, statusAt(1), 'token');
    await redis.expire(key, 600);
    await assertLife(redis, { key, seconds: 2 * 86_400 }, () => registrations.write(id, statusAt(2), 'token'));
  });
});

describe('createRegistrationStarts()', () => {
  it('keeps the workflow input encrypted until ten minutes after the registration expires', async () => {
    const id = uniqueName();
    const expiresAt = Date.now() + 3_600_000;
    await starts.create(id, recordOf(expiresAt));
    assert.deepEqual(await starts.read(id), { start: person, proofs: {} });
    assert.equal((await registrations.read(id))?.tokenHash, 'token');
    assert.ok(!JSON.stringify(await redis.hgetall(`registration:{${id}}`)).includes('ada'));
    assert.equal(await redis.pexpiretime(`registration:{${id}}`), expiresAt + 600_000);
  });

  it('ignores a repeat, also after the workflow has written a status', async () => {
    const id = uniqueName();
    await starts.create(id, recordOf(Date.now() + 3_600_000));
    await starts.create(id, { ...recordOf(Date.now() + 3_600_000), tokenHash: 'other' });
    assert.equal((await registrations.read(id))?.tokenHash, 'token');
    await registrations.write(id, statusAt(1), 'token');
    await starts.create(id, recordOf(Date.now() + 3_600_000));
    assert.equal(await versionOf(id), 1);
    assert.deepEqual(await starts.read(id), { proofs: {} });
  });

  it('removes the workflow input with the first status of the workflow, which is kept like any other', async () => {
    const id = uniqueName();
    await starts.create(id, recordOf(Date.now() + 3_600_000));
    await registrations.write(id, statusAt(1), 'token');
    assert.deepEqual(await starts.read(id), { proofs: {} });
    assert.ok((await redis.ttl(`registration:{${id}}`)) > 86_400);
  });

  it('returns nothing for an unknown id', async () => {
    assert.deepEqual(await starts.read(uniqueName()), { proofs: {} });
  });
});

describe('createRegistrations()', () => {
  it('returns nothing for an unknown id', async () => {
    assert.equal(await registrations.read(uniqueName()), undefined);
  });

  it('reports a registration without a workflow as expired once its lifetime is over', async () => {
    const [now, open, over] = [Date.now(), uniqueName(), uniqueName()];
    await starts.create(open, recordOf(now + 3_600_000));
    await starts.create(over, recordOf(now));
    assert.equal((await registrations.read(open))?.status.state, 'pending');
    const { status } = (await registrations.read(over)) ?? {};
    assert.equal(status?.state, 'expired');
    assert.deepEqual(status?.nextSendAt, {});
  });

  it('gives one session to 50 parallel calls, and the same one to a repeat', async () => {
    const id = uniqueName();
    await registrations.write(id, statusAt(1), 'token');
    const taken = await atOnce(50, (index) => registrations.takeSession(id, `session ${index}`));
    assert.equal(taken.filter(Boolean).length, 1);
    const winner = taken.indexOf(true);
    assert.equal(await registrations.takeSession(id, `session ${winner}`), true);
    assert.equal(await registrations.takeSession(id, 'session other'), false);
  });

  it('keeps a taken session when a status is written', async () => {
    const id = uniqueName();
    await registrations.write(id, statusAt(1), 'token');
    await registrations.takeSession(id, 'one');
    await registrations.write(id, statusAt(2), 'token');
    assert.equal(await registrations.takeSession(id, 'two'), false);
  });

  it('replaces stored credentials as a whole', async () => {
    const id = uniqueName();
    assert.deepEqual(await registrations.readCredentials(id), {});
    await registrations.saveCredentials(id, { password: 'p1', pin: 'n1' }, 'ref-1');
    await registrations.saveCredentials(id, { password: 'p2' }, 'ref-2');
    assert.deepEqual({ ...(await registrations.readCredentials(id)) }, { password: 'p2', reference: 'ref-2' });
    await registrations.removeCredentials(id);
    assert.deepEqual(await registrations.readCredentials(id), {});
  });

  it('keeps credentials for at most two days', async () => {
    const id = uniqueName();
    await registrations.saveCredentials(id, { pin: 'n1' }, 'ref-1');
    const life = await redis.ttl(`credentials:{${id}}`);
    assert.ok(life > 0 && life <= 2 * 86_400, `${life} s`);
  });
});

describe('registration-proof.lua and registration-take.lua', () => {
  const steps: RegistrationStatus['steps'] = [
    { name: 'captcha', status: 'done' },
    { name: 'code', status: 'open' },
    { name: 'credentials', status: 'open' },
  ];

  it('keep the first proof of a step, which is read with the status and given to the next update', async () => {
    const id = uniqueName();
    await registrations.write(id, { ...statusAt(1), steps }, 'token');
    assert.equal(await registrations.carryProof(id, 'code', { at: 5, send: 1 }), true);
    assert.equal(await registrations.carryProof(id, 'code', { at: 6, send: 2 }), true);
    assert.deepEqual((await registrations.read(id))?.status.steps[1], { name: 'code', status: 'done' });
    assert.deepEqual((await starts.read(id)).proofs, { code: { at: 5, send: 1 } });
    assert.deepEqual(await registrations.takeProofs(id), { code: { at: 5, send: 1 } });
  });

  it('give each of parallel proofs to the workflow or refuse it', async () => {
    await atOnce(50, async () => {
      const id = uniqueName();
      await registrations.write(id, { ...statusAt(1), steps }, 'token');
      const proof = { at: 5, send: 1 };
      const [isCarried, taken] = await Promise.all([
        registrations.carryProof(id, 'code', proof),
        registrations.takeProofs(id),
      ]);
      assert.deepEqual(taken, isCarried ? { code: proof } : {});
      assert.equal(await registrations.carryProof(id, 'captcha', { at: 6 }), false, 'told at once from then on');
    });
  });

  it('keep nothing of a registration that is not stored', async () => {
    const id = uniqueName();
    assert.equal(await registrations.carryProof(id, 'captcha', { at: 5 }), false);
    assert.deepEqual(await registrations.takeProofs(id), {});
    await registrations.write(id, statusAt(1));
    assert.equal(await redis.exists(`registration:{${id}}`), 0);
  });

  it('announce a proof', async () => {
    const id = uniqueName();
    await registrations.write(id, statusAt(1), 'token');
    const heard = hearsOf(id);
    await using _listening = await listen(id, long);
    await registrations.carryProof(id, 'captcha', { at: 5 });
    await heard;
  });
});

describe('createChangeListener()', () => {
  it('receives a change', async () => {
    const id = uniqueName();
    await using listening = await listen(id, long);
    const change = listening.changed();
    await registrations.write(id, statusAt(1), 'token');
    assert.equal(await change, true);
  });

  it('does not miss a change between listen() and changed()', async () => {
    const id = uniqueName();
    await using listening = await listen(id, long);
    const change = hearsOf(id);
    await registrations.write(id, statusAt(1), 'token');
    await change;
    assert.equal(await listening.changed(), true);
  });

  it('misses none of 100 changes', async () => {
    const id = uniqueName();
    await using listening = await listen(id, long);
    const writing = (async () => {
      for (let version = 1; version <= 100; version++) await registrations.write(id, statusAt(version), 'token');
    })();
    let seen = -1;
    while (seen < 100) {
      assert.equal(await listening.changed(), true);
      seen = (await versionOf(id)) ?? -1;
    }
    await writing;
    assert.equal(seen, 100);
  });

  it('gives up when the timeout is over', async () => {
    using time = stopTime(['setTimeout', 'Date']);
    await using listening = await listen(uniqueName(), 1000);
    let hasChanged: boolean | undefined;
    const waiting = listening.changed().then((answer) => {
      hasChanged = answer;
    });
    await time.pass(999);
    assert.equal(hasChanged, undefined);
    await time.pass(1);
    await waiting;
    assert.equal(hasChanged, false);
    const again = listening.changed();
    await time.pass(1);
    assert.equal(await again, false);
  });

  it('ignores other registrations', async () => {
    const [one, other] = [uniqueName(), uniqueName()];
    await using listening = await listen(one, long);
    await using others = await listen(other, long);
    let hasChanged = false;
    const change = listening.changed().then((answer) => {
      hasChanged = answer;
    });
    await registrations.write(other, statusAt(1), 'token');
    assert.equal(await others.changed(), true);
    await otherWork();
    assert.equal(hasChanged, false);
    await registrations.write(one, statusAt(1), 'token');
    await change;
    assert.equal(hasChanged, true);
  });

  it('serves many listeners of one registration, and continues when one of them closes', async () => {
    const id = uniqueName();
    const first = await listen(id, long);
    await using second = await listen(id, long);
    await first[Symbol.asyncDispose]();
    await using third = await listen(id, long);
    await registrations.write(id, statusAt(1), 'token');
    assert.deepEqual(await Promise.all([second.changed(), third.changed()]), [true, true]);
  });

  it('keeps working when the last listener closes while a new one opens', async () => {
    const id = uniqueName();
    for (let round = 1; round <= 20; round++) {
      const leaving = await listen(id, long);
      const [, coming] = await Promise.all([leaving[Symbol.asyncDispose](), listen(id, long)]);
      await registrations.write(id, statusAt(round), 'token');
      assert.equal(await coming.changed(), true, `round ${round}`);
      await coming[Symbol.asyncDispose]();
    }
  });

  it('leaves no subscription behind', async () => {
    const id = uniqueName();
    await (await listen(id, long))[Symbol.asyncDispose]();
    assert.deepEqual(await redis.pubsub('NUMSUB', `registration:{${id}}`), [`registration:{${id}}`, 0]);
  });
});
