import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { createUsedCaptchas, type UsedCaptchas } from '../../../adapters/redis/captchas.ts';
import type { Redis } from '../../../adapters/redis/connect.ts';
import { tokenHash } from '../../../platform/crypto.ts';
import { assertLife, atOnce, connectTestRedis, uniqueName } from '../../support/redis.ts';

let redis: Redis;
let captchas: UsedCaptchas;

before(() => {
  redis = connectTestRedis();
  captchas = createUsedCaptchas(redis);
});
after(() => redis.disconnect());

describe('createUsedCaptchas()', () => {
  it('lets one of 50 parallel registrations take a token', async () => {
    const token = uniqueName('token');
    const taken = await atOnce(50, (index) => captchas.take(token, `registration ${index}`));
    assert.equal(taken.filter((outcome) => outcome === 'taken').length, 1);
    assert.equal(taken.filter((outcome) => outcome === 'used').length, 49);
  });

  it('lets the same registration repeat its request, before and after the captcha was verified', async () => {
    const token = uniqueName('token');
    assert.equal(await captchas.take(token, 'one'), 'taken');
    assert.equal(await captchas.take(token, 'one'), 'taken');
    await captchas.pass(token, 'one');
    assert.equal(await captchas.take(token, 'one'), 'passed');
    assert.equal(await captchas.take(token, 'one'), 'passed');
    assert.equal(await captchas.take(token, 'other'), 'used');
  });

  it('refuses other registrations a token that failed verification', async () => {
    const token = uniqueName('token');
    await captchas.take(token, 'one');
    assert.equal(await captchas.take(token, 'other'), 'used');
  });

  it('releases a token whose provider was unavailable', async () => {
    const token = uniqueName('token');
    await captchas.take(token, 'one');
    await captchas.refund(token);
    assert.equal(await captchas.take(token, 'other'), 'taken');
  });

  it('stores the hash of a token for longer than the token is valid', async () => {
    const token = uniqueName('token');
    await captchas.take(token, 'one');
    const key = `captcha:${tokenHash(token)}`;
    await assertLife(redis, { key, seconds: 3600 }, () => captchas.pass(token, 'one'));
    assert.equal(await redis.exists(`captcha:${token}`), 0);
  });
});
