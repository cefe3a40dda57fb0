import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer as createHttp2Server, type IncomingHttpHeaders, type ServerHttp2Stream } from 'node:http2';
import { type AddressInfo, createServer } from 'node:net';
import { after, describe, it } from 'node:test';
import { Metadata } from '@grpc/grpc-js';
import type { Client, Connection } from '@temporalio/client';
import { createPayloadCodec } from '../../../adapters/temporal/codec.ts';
import {
  connectTemporal,
  createDataConverter,
  isTaskFailure,
  isTemporalOutage,
  pauseAfterTry,
} from '../../../adapters/temporal/connect.ts';
import { Secret } from '../../../platform/config/secret.ts';
import { createCipher } from '../../../platform/crypto.ts';
import { testEngines } from '../../support/engines.ts';
import { uniqueName } from '../../support/redis.ts';
import { stopTime } from '../../support/stopped-time.ts';
import { eventually, until } from '../../support/until.ts';

/** gRPC status codes. */
const [resourceExhausted, unimplemented, unavailable] = [8, 12, 14];

const open: Client[] = [];
const closing: (() => unknown)[] = [];
after(async () => {
  for (const { connection } of open) await connection.close();
  for (const close of closing) close();
});

function connectTo(address: string): Client {
  const key = new Secret(randomBytes(32).toString('base64'));
  const dataConverter = createDataConverter(createPayloadCodec(createCipher('temporal', key)));
  const traceCipher = createCipher('trace', key);
  const client = connectTemporal({
    address,
    namespace: 'default',
    dataConverter,
    traceCipher,
    record: () => undefined,
  });
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
  it('recognizes an unreachable server', async () => {
    assert.equal(isTemporalOutage(await errorOf(describeIn(connectTo('127.0.0.1:1'), 1000))), true);
  });

  it('recognizes a server that accepts connections and does not respond', async () => {
    const server = createServer((socket) => closing.push(() => socket.destroy()));
    closing.push(() => server.close());
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const address = server.address();
    const port = typeof address === 'object' && address !== null ? address.port : 0;
    assert.equal(isTemporalOutage(await errorOf(describeIn(connectTo(`127.0.0.1:${port}`), 1000))), true);
  });

  it('recognizes a deadline that was exceeded', async () => {
    const client = connectTo(testEngines().temporalAddress);
    assert.equal(isTemporalOutage(await errorOf(describeIn(client, 0))), true);
  });

  it('recognizes an update whose worker lost its workflow task, and updates after it', () => {
    const refused = (details: string) =>
      Object.assign(new Error(details), { code: 9, details, metadata: new Metadata() });
    for (const details of [
      'Workflow Update was aborted because of workflow task failure.',
      'Unable to perform workflow execution update due to Workflow Task in failed state.',
    ]) {
      const err = new Error('Workflow Update failed', { cause: refused(details) });
      assert.equal(isTaskFailure(err), true, details);
      assert.equal(isTemporalOutage(err), true, details);
    }
    assert.equal(isTemporalOutage(refused('Workflow execution already completed.')), false);
  });

  it('is false for a refusal and for a bug', async () => {
    const client = connectTo(testEngines().temporalAddress);
    const unknown = await eventually(async () => {
      const err = await errorOf(describeIn(client, 60_000));
      return isTemporalOutage(err) ? undefined : err;
    });
    assert.equal((unknown as Error).name, 'WorkflowNotFoundError');
    for (const err of [unknown, new TypeError('x is not a function'), 'text', undefined]) {
      assert.equal(isTemporalOutage(err), false);
    }
  });
});

describe('pauseAfterTry()', () => {
  it('returns at most 250 ms, so that a call ends close to its deadline, and 1 s for an overloaded server', () => {
    const longest = (code: number) => {
      const status = { code, details: '', metadata: new Metadata() };
      return Math.max(...Array.from({ length: 100 }, (_, index) => pauseAfterTry(index + 1, status)));
    };
    assert.equal(longest(unavailable), 250);
    assert.equal(longest(resourceExhausted), 1000);
  });
});

describe('connectTemporal()', () => {
  it('retries a call after each pause, until its deadline', async () => {
    let tries = 0;
    const server = createHttp2Server().on(
      'stream',
      (stream: ServerHttp2Stream, { ':path': path }: IncomingHttpHeaders) => {
        const isCall = path?.endsWith('/DescribeWorkflowExecution') === true;
        if (isCall) tries += 1;
        const status = isCall ? unavailable : unimplemented;
        stream.respond({ 'content-type': 'application/grpc', 'grpc-status': String(status) }, { endStream: true });
      },
    );
    closing.push(() => server.close());
    await once(server.listen(0, '127.0.0.1'), 'listening');
    const client = connectTo(`127.0.0.1:${(server.address() as AddressInfo).port}`);
    using time = stopTime(['setTimeout', 'Date']);
    const asking = errorOf(describeIn(client, 3_600_000));
    for (let count = 1; count <= 20; count++) {
      await until(() => tries === count);
      // uses the same connection: once this call is answered, the response to the attempt has arrived
      await errorOf((client.connection as Connection).healthService.check({}));
      await time.pass(250);
    }
    await until(() => tries === 21);
    await time.pass(3_600_000);
    const err = await asking;
    assert.equal(isTemporalOutage(err), true);
    assert.match(String((err as Error).cause), /DEADLINE_EXCEEDED/);
  });

  it('connects on first use', async () => {
    const client = connectTo(testEngines().temporalAddress);
    const { count } = await eventually(() => client.workflow.count(`WorkflowId = '${uniqueName()}'`));
    assert.equal(count, 0);
  });
});
