// @rerun never
/**
 * Messages over two gateways while one of them and Redis are killed: case K20, as the short version of
 * `npm run soak:messages`.
 */
import assert from 'node:assert/strict';
import { after, describe, it } from 'node:test';
import { openTemporaryFolder } from '../../engines/data-folder.ts';
import { testEngines } from '../support/engines.ts';
import { runLoad } from '../support/load/run.ts';
import { connectDevices, startLoadSystem } from '../support/load/system.ts';
import { uniqueName } from '../support/redis.ts';
import { limitsOff } from '../support/system.ts';

const messages = 10_000;

const folder = await openTemporaryFolder();
after(() => folder.close());

describe('10,000 messages between 40 devices on two gateways', () => {
  it('K20: arrive once and in order, although a gateway and Redis are killed meanwhile', async () => {
    const load = await startLoadSystem(folder, {
      databaseUrl: testEngines().databaseUrl,
      gateways: 2,
      devices: 40,
      database: uniqueName(),
      env: limitsOff,
      compileCache: process.env.NODE_COMPILE_CACHE,
    });
    const { devices, tally } = connectDevices(folder, load);
    const { seconds: _, ...result } = await runLoad(devices, {
      messages,
      tally,
      faults: [
        { name: 'a gateway is killed', after: 0.2, happen: () => load.restartGateway(0) },
        { name: 'Redis is killed', after: 0.6, happen: () => load.restartRedis() },
      ],
    });
    const { repeated, ...balance } = result;
    assert.deepEqual(balance, { sent: messages, lost: 0, doubled: 0, disordered: 0, late: 0 });
    assert.ok(tally.retries > 0, 'the kills interrupted sends');
    assert.ok(tally.connections > devices.length, 'the kill of the gateway ended connections');
    assert.ok(repeated <= messages);
  });
});
