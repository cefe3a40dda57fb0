import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { createServer } from 'node:net';
import { after, describe, it } from 'node:test';
import type { Client } from '@temporalio/client';
import { connectTemporal, createDataConverter, isTemporalOutage } from '../../../adapters/temporal/connect.ts';
import { createTraceBox } from '../../../adapters/temporal/trace.ts';
import { Secret } from '../../../platform/config.ts';
import { testEngines } from '../../support/engines.ts';
import { uniqueName } from '../../support/redis.ts';

const open: Client[] = [];
const closing: (() => unknown)[] = [];
after(async () => {
  for (const { connection } of open) await connection.close();
  for (const close of closing) close();
});

function connectTo(address: string): Client {
  const key = new Secret(randomBytes(32).toString('base64'));
  const dataConverter = createDataConverter(key, []);
  const traceBox = createTraceBox(key, []);
  const client = connectTemporal({ address, namespace: 'default', dataConverter, traceBox, record: () => undefined });
  open.push(client);
  return client;
}

async function errorOf(job: Promise<unknown>): Promise<unknown> {
  try {
    await job;
  } catch (err) {
    return err;
  }
  throw new Error('Nothing was thrown');
}

const describeIn = (client: Client, ms: number) =>
  client.withDeadline(Date.now() + ms, () => client.workflow.getHandle(uniqueName()).describe());

describe('isTemporalOutage()', () => {
  it('knows a server that is not there', async () => {
    assert.equal(isTemporalOutage(await errorOf(describeIn(connectTo('127.0.0.1:1'), 1000))), true);
  });

  it('is told of it hardly later than the deadline', async () => {
    const client = connectTo('127.0.0.1:1');
    await errorOf(describeIn(client, 1000));
    const begin = performance.now();
    await errorOf(describeIn(client, 4000));
    const tookMs = performance.now() - begin;
    assert.ok(tookMs > 3500 && tookMs < 5000, `${tookMs} ms`);
  });

  it('knows a server that accepts and says nothing', async () => {
    const server = createServer((socket) => closing.push(() => socket.destroy()));
    closing.push(() => server.close());
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const address = server.address();
    const port = typeof address === 'object' && address !== null ? address.port : 0;
    assert.equal(isTemporalOutage(await errorOf(describeIn(connectTo(`127.0.0.1:${port}`), 1000))), true);
  });

  it('knows an answer that did not come in time', async () => {
    const client = connectTo(testEngines().temporalAddress);
    assert.equal(isTemporalOutage(await errorOf(describeIn(client, 0))), true);
  });

  it('takes a refusal and a bug for none', async () => {
    const client = connectTo(testEngines().temporalAddress);
    const unknown = await errorOf(describeIn(client, 10_000));
    assert.equal((unknown as Error).name, 'WorkflowNotFoundError');
    for (const err of [unknown, new TypeError('x is not a function'), 'text', undefined]) {
      assert.equal(isTemporalOutage(err), false);
    }
  });
});

describe('connectTemporal()', () => {
  it('connects when it is first used, and works', async () => {
    const client = connectTo(testEngines().temporalAddress);
    const { count } = await client.workflow.count(`WorkflowId = '${uniqueName()}'`);
    assert.equal(count, 0);
  });
});
