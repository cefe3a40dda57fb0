import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createPreKeys } from '../../adapters/mongo/prekeys.ts';
import { eventually } from '../support/until.ts';
import { withSystem } from '../support/with-system.ts';

const { system, behind } = await withSystem();

describe('The schedule purge', () => {
  it('exists once a worker runs, has a note, and is not duplicated when workers restart', async () => {
    await system.restart('registration');
    const schedules = [];
    for await (const { scheduleId } of behind.temporal.schedule.list()) schedules.push(scheduleId);
    assert.deepEqual(schedules.sort(), ['directory-sync', 'inbox-care', 'purge']);
    const { state, spec, policies } = await behind.temporal.schedule.getHandle('purge').describe();
    assert.match(state.note ?? '', /Removes expired claims/);
    assert.equal(spec.intervals?.[0]?.every, 86_400_000);
    assert.equal(policies.overlap, 'SKIP');
  });

  it('removes old claims without an account and old key sets without a device, and records one event', async () => {
    const claims = behind.database.collection<{ _id: string; userId: string; createdAt: Date }>('claims');
    await claims.insertOne({
      _id: 'username:orphan',
      userId: 'nobody',
      createdAt: new Date(Date.now() - 11 * 86_400_000),
    });
    await claims.insertOne({ _id: 'username:young', userId: 'somebody', createdAt: new Date() });
    const preKeys = createPreKeys(behind.database);
    const sets = behind.database.collection('prekeySets');
    await preKeys.store('nobody', 'preKeys', [{ keyId: 1, publicKey: 'orphan' }]);
    await sets.updateMany({}, { $set: { createdAt: new Date(Date.now() - 2 * 86_400_000) } });
    await preKeys.store('somebody', 'preKeys', [{ keyId: 1, publicKey: 'young' }]);
    await behind.temporal.schedule.getHandle('purge').trigger();
    const events = await untilPurged();
    assert.deepEqual(await claims.distinct('_id'), ['username:young']);
    assert.deepEqual(await sets.distinct('userId'), ['somebody']);
    assert.equal(events.length, 1);
    assert.deepEqual(events[0].metadata, { claims: 1, keySets: 1 });
    assert.equal(events[0].status, 'success');
  });
});

// biome-ignore lint/suspicious/noExplicitAny: events are under test; assertions check their shape
async function untilPurged(): Promise<any[]> {
  return await eventually(async () => {
    const entries = await behind.redis.xrange('audit', '-', '+');
    const events = entries.map(([, [, event = '{}']]) => JSON.parse(event));
    const purges = events.filter(({ action }) => action === 'purge');
    return purges.length > 0 ? purges : undefined;
  });
}
