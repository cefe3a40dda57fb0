import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { Redis } from '../../../adapters/redis/connect.ts';
import {
  createVerificationSessions,
  type VerificationSessions,
} from '../../../adapters/redis/verification-sessions.ts';
import type { Send } from '../../../domain/verification.ts';
import { ageRecords } from '../../support/aging.ts';
import { connectTestRedis, testCipher, uniqueName } from '../../support/redis.ts';

let redis: Redis;
let sessions: VerificationSessions;

before(() => {
  redis = connectTestRedis();
  sessions = createVerificationSessions(redis, testCipher());
});
after(() => redis.disconnect());

const number = '+447700900101';
const createdAt = Date.now();
const keepUntil = createdAt + 3_600_000;
const send: Send = { number: 1, channel: 'sms', requestedAt: createdAt, state: 'sending' };

async function newSession(): Promise<string> {
  const id = uniqueName();
  await sessions.create(id, { number, country: 'GB', createdAt }, keepUntil);
  return id;
}

describe('Verification sessions in Redis', () => {
  it('read back as created, and contain no number in plain text', async () => {
    const id = await newSession();
    assert.deepEqual(await sessions.read(id), { number, country: 'GB', createdAt, sends: [] });
    const record = JSON.stringify(await redis.hgetall(`verification-session:{${id}}`));
    assert.equal(record.includes(number.slice(1)), false);
  });

  it('expire at the given time', async () => {
    const id = await newSession();
    assert.equal(await redis.pexpiretime(`verification-session:{${id}}`), keepUntil);
    await ageRecords(redis, `verification-session:{${id}}`, 3600);
    assert.equal(await sessions.read(id), undefined);
  });

  it('store the newest sends and dependency, whatever the order of the writes', async () => {
    const id = await newSession();
    const sent: Send = { ...send, state: 'sent', sentAt: createdAt };
    await sessions.writeSends(id, { version: 2, sends: [sent] }, keepUntil);
    await sessions.writeSends(id, { version: 1, sends: [send], waitingFor: 'sms' }, keepUntil);
    assert.deepEqual(await sessions.read(id), { number, country: 'GB', createdAt, sends: [sent] });
    await sessions.writeSends(id, { version: 3, sends: [sent], waitingFor: 'voice' }, keepUntil);
    assert.equal((await sessions.read(id))?.waitingFor, 'voice');
  });

  it('are extended by a write, together with their codes', async () => {
    const id = await newSession();
    const codes = `verification:{${id}}:verify`;
    await redis.hset(codes, 'latest', 1);
    await sessions.writeSends(id, { version: 1, sends: [send] }, keepUntil + 600_000);
    for (const key of [`verification-session:{${id}}`, codes]) {
      assert.equal(await redis.pexpiretime(key), keepUntil + 600_000);
    }
  });

  it('are not recreated by a workflow that outlives them', async () => {
    const id = uniqueName();
    await sessions.writeSends(id, { version: 1, sends: [send] }, keepUntil);
    assert.equal(await sessions.read(id), undefined);
  });
});
