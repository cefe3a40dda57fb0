import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { Redis } from '../../../adapters/redis/connect.ts';
import { createDeliveryReports, reportLifeSeconds } from '../../../adapters/redis/delivery-reports.ts';
import type { DeliveryReportOrigin, DeliveryReportOutcome } from '../../../domain/providers.ts';
import { assertLife, atOnce, connectTestRedis, uniqueName } from '../../support/redis.ts';

let redis: Redis;

before(() => {
  redis = connectTestRedis();
});
after(() => redis.disconnect());

function scene() {
  const reports = createDeliveryReports(redis);
  const subject = uniqueName();
  const origin: DeliveryReportOrigin = { subject, purpose: 'register', send: 1, channel: 'sms', provider: 'twilio' };
  const note = (outcome: DeliveryReportOutcome, given: Partial<DeliveryReportOrigin> = {}) =>
    reports.note({ ...origin, ...given }, outcome);
  const failed = async () => [...(await reports.failedProviders(origin))].toSorted();
  return { subject, note, failed };
}

describe('createDeliveryReports()', () => {
  it('keeps the first final state of a message and marks later reports as repeats', async () => {
    const { note } = scene();
    assert.deepEqual(await note('delivered'), { outcome: 'delivered', isRepeat: false });
    assert.deepEqual(await note('undelivered'), { outcome: 'delivered', isRepeat: true });
    assert.deepEqual(await note('undelivered', { send: 2 }), { outcome: 'undelivered', isRepeat: false });
    assert.deepEqual(await note('failed', { provider: 'infobip' }), { outcome: 'failed', isRepeat: false });
  });

  it('accepts one of many parallel reports', async () => {
    const { note } = scene();
    const noted = await atOnce(20, () => note('delivered'));
    assert.equal(noted.filter(({ isRepeat }) => !isRepeat).length, 1);
  });

  it('returns the providers that failed a subject (undelivered or failed), but not unanswered calls', async () => {
    const { note, failed } = scene();
    assert.deepEqual(await failed(), []);
    await note('delivered');
    await note('unanswered', { send: 2 });
    assert.deepEqual(await failed(), []);
    await note('undelivered', { send: 3 });
    await note('failed', { send: 4, provider: 'infobip' });
    assert.deepEqual(await failed(), ['infobip', 'twilio']);
  });

  it('expires the reports', async () => {
    const { subject, note } = scene();
    const key = `reports:{${subject}}:register`;
    await assertLife(redis, { key, seconds: reportLifeSeconds }, () => note('delivered'));
  });
});
