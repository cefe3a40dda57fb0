// @rerun never
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { type AddressInfo, connect, createServer } from 'node:net';
import { after, before, beforeEach, describe, it } from 'node:test';
import { type AuditLog, auditKeys, createAuditLog } from '../../../adapters/redis/audit.ts';
import {
  type AuditEntry,
  createAuditStream,
  isAuditShipped,
  readAuditDepth,
  readAuditHead,
} from '../../../adapters/redis/audit-stream.ts';
import { connectRedis, type Redis } from '../../../adapters/redis/connect.ts';
import type { AuditEvent } from '../../../domain/audit.ts';
import { type DataFolder, openTemporaryFolder } from '../../../engines/data-folder.ts';
import type { Engine } from '../../../engines/engine.ts';
import { startRedis } from '../../../engines/redis.ts';
import { auditKeysFrom, auditMacKey, createRecorder, type Recorder, withoutPerson } from '../../../platform/audit.ts';
import { verifyAuditLog } from '../../../platform/audit-verification.ts';
import { Secret } from '../../../platform/config/secret.ts';

const key = new Secret(randomBytes(32).toString('base64'));

// a server of its own: the keys of the audit log are fixed, and a test kills the server
let folder: DataFolder;
let server: Engine;
let redis: Redis;
const open: { auditLogs: AuditLog[]; connections: Redis[] } = { auditLogs: [], connections: [] };

before(async () => {
  folder = await openTemporaryFolder();
  server = await startRedis({ folder, appendfsync: 'always' });
  redis = connectPatiently(server.url);
});
beforeEach(() => redis.flushall());
after(async () => {
  for (const auditLog of open.auditLogs) await auditLog[Symbol.asyncDispose]();
  for (const connection of [redis, ...open.connections]) connection.disconnect();
  await folder.close();
});

/** Connects with a timeout longer than any response takes. */
function connectPatiently(url: string): Redis {
  return connectRedis(url, () => undefined, { timeoutMs: 600_000 });
}

/** One process with its own audit log client. */
function startProcess(
  streamMax = 1000,
  connection = redis,
): { record: Recorder; auditLog: AuditLog; dropped: number[]; gaps: number[] } {
  const dropped: number[] = [];
  const gaps: number[] = [];
  const auditLog = createAuditLog(connection, {
    streamMax,
    onDropped: (count) => void dropped.push(count),
    onGap: (count) => void gaps.push(count),
    onAway: () => undefined,
  });
  open.auditLogs.push(auditLog);
  const service = { role: 'api', version: '0', environment: 'development' } as const;
  return { record: createRecorder(service, auditKeysFrom(key), auditLog.append), auditLog, dropped, gaps };
}

const said = (message: string) => ({ status: 'success', message }) as const;
const readerOf = (name: string, options = {}) => {
  const connection = connectPatiently(server.url);
  open.connections.push(connection);
  return createAuditStream(connection, name, options);
};

async function readAll(): Promise<AuditEntry[]> {
  const stream = readerOf('a');
  await stream.prepare();
  return stream.read(10_000, 10);
}

async function* inOrder(entries: AuditEntry[]): AsyncGenerator<AuditEvent> {
  for (const { event } of entries) yield event;
}

const checkAll = async (entries: AuditEntry[]) =>
  verifyAuditLog(inOrder(entries), { macKeys: [auditMacKey(key)], end: await readAuditHead(redis) });

describe('createAuditLog()', () => {
  it('numbers the events of all processes in one sequence, each once', async () => {
    const processes = [startProcess(), startProcess(), startProcess()];
    for (let turn = 0; turn < 300; turn++) {
      for (const [number, { record }] of processes.entries()) record('login', said(`${number} ${turn}`));
    }
    for (const { auditLog } of processes) await auditLog.flushed();
    const entries = await readAll();
    assert.equal(entries.length, 900);
    assert.deepEqual(
      entries.map(({ event }) => event.vyry.audit?.sequence),
      Array.from({ length: 900 }, (_, index) => index + 1),
    );
    for (const number of ['0', '1', '2']) {
      const own = entries.map(({ event }) => event.message.split(' ')).filter(([process]) => process === number);
      assert.deepEqual(
        own.map(([, turn]) => Number(turn)),
        Array.from({ length: 300 }, (_, index) => index),
      );
    }
    assert.deepEqual(await checkAll(entries), { events: 900, dropped: 0, faults: [] });
  });

  it('stores an event that may happen only once a single time, whichever process reports it', async () => {
    const [first, second] = [startProcess(), startProcess()];
    for (const { record, auditLog } of [first, second, first]) {
      record('session-start', { ...said('A session began'), once: 's-1' });
      await auditLog.flushed();
    }
    assert.equal((await readAll()).length, 1);
  });

  it('keeps events in order while Redis is unavailable, and stores none twice', async () => {
    const { record, auditLog } = startProcess();
    record('login', said('before'));
    await auditLog.flushed();
    await server.process?.kill();
    for (let turn = 0; turn < 50; turn++) record('login', said(`${turn}`));
    await server.process?.start();
    await auditLog.flushed();
    const entries = await readAll();
    assert.deepEqual(
      entries.map(({ event }) => event.message),
      ['before', ...Array.from({ length: 50 }, (_, turn) => `${turn}`)],
    );
    assert.deepEqual((await checkAll(entries)).faults, []);
  });

  it('stores a batch once when the response was lost', async () => {
    await using gate = await startAnswerGate(server.url);
    const connection = connectPatiently(gate.url);
    open.connections.push(connection);
    const { record, auditLog } = startProcess(1000, connection);
    record('login', said('loads the script'));
    await auditLog.flushed();
    gate.loseNextAnswer();
    record('login', said('once'));
    await auditLog.flushed();
    assert.equal(gate.lost, 1);
    const entries = await readAll();
    assert.deepEqual(
      entries.map(({ event }) => event.message),
      ['loads the script', 'once'],
    );
  });

  it('drops events at the limit, minor ones first, counts them, and records the gap when there is room again', async () => {
    const { record, auditLog, dropped, gaps } = startProcess(10);
    for (let turn = 0; turn < 12; turn++) record('api-request', { ...said(`minor ${turn}`), isMinor: true });
    for (let turn = 0; turn < 5; turn++) record('login', said(`major ${turn}`));
    await auditLog.flushed();
    const sum = (counts: number[]) => counts.reduce((total, count) => total + count, 0);
    const stream = readerOf('a');
    await stream.prepare();
    const entries = await stream.read(100, 10);
    const kinds = entries.map(({ event }) => event.message.split(' ')[0]);
    assert.deepEqual([kinds.filter((kind) => kind === 'minor').length, kinds.length], [8, 10]);
    assert.equal(sum(dropped), 7);
    assert.deepEqual(gaps, []);
    await stream.finish(entries);
    record('login', said('room again'));
    await auditLog.flushed();
    assert.deepEqual(gaps, [7]);
    const rest = await stream.read(100, 10);
    const report = await checkAll([...entries, ...rest]);
    assert.deepEqual(report, { events: 11, dropped: 7, faults: [] });
  });
});

describe('verifyAuditLog()', () => {
  const timeOf = (entry?: AuditEntry) => entry?.event.timestamp;

  async function written(): Promise<AuditEntry[]> {
    const { record, auditLog } = startProcess();
    for (let turn = 0; turn < 20; turn++) record('login', { ...said(`${turn}`), identity: 'ada', reason: 'r' });
    await auditLog.flushed();
    return readAll();
  }

  it('detects a missing event at the beginning, in the middle and at the end', async () => {
    const entries = await written();
    for (const at of [5, 18]) {
      const report = await checkAll(entries.toSpliced(at, 1));
      const [after, before] = [timeOf(entries[at - 1]), timeOf(entries[at + 1])];
      assert.deepEqual(report.faults, [{ fault: 'missing', from: at + 1, to: at + 1, after, before }]);
    }
    const end = { fault: 'missing', from: 19, to: 20, after: timeOf(entries[17]) };
    assert.deepEqual((await checkAll(entries.slice(0, -2))).faults, [end]);
    // retention removes the oldest events
    assert.deepEqual((await checkAll(entries.slice(3))).faults, []);
  });

  it('accepts anonymized events, and detects a change made after the anonymization', async () => {
    const { record, auditLog } = startProcess();
    const [userId, admin] = ['u-ada', 'u-admin'];
    record('login', { ...said('ada'), userId, identity: 'ada' });
    record('user-disable', { ...said('admin'), userId: admin, targetUserId: userId });
    record('login', { ...said('eve'), userId: 'u-eve' });
    await auditLog.flushed();
    const entries = (await readAll()).map(({ event, ...entry }) => ({
      ...entry,
      event: event.userId === 'u-eve' ? event : withoutPerson(event, { userId, alias: 'erased-1' }, auditMacKey(key)),
    }));
    assert.doesNotMatch(JSON.stringify(entries), /u-ada|"hash"/);
    assert.deepEqual(
      entries.map(({ event }) => [event.userId, event.user?.target?.id]),
      [
        ['erased-1', undefined],
        [admin, 'erased-1'],
        ['u-eve', undefined],
      ],
    );
    assert.deepEqual((await checkAll(entries)).faults, []);
    for (const at of [0, 1]) {
      const forged = structuredClone(entries);
      Object.assign(forged[at]?.event ?? {}, { status: 'failure' });
      assert.equal((await checkAll(forged)).faults.length, 1);
    }
  });

  it('detects every changed event, and an added one', async () => {
    const entries = await written();
    const changes: ((event: AuditEvent) => void)[] = [
      (event) => Object.assign(event, { status: 'failure' }),
      (event) => Object.assign(event, { timestamp: '2020-01-01T00:00:00.000Z' }),
      (event) => Object.assign(event.metadata, { added: 1 }),
      (event) => Object.assign(event.event, { reason: 'other' }),
      (event) => Object.assign(event, { userId: 'somebody' }),
    ];
    for (const change of changes) {
      const copy = structuredClone(entries);
      const changed = copy[7]?.event;
      assert.ok(changed);
      change(changed);
      assert.deepEqual((await checkAll(copy)).faults, [{ fault: 'changed', id: changed.event.id, sequence: 8 }]);
    }
    const added = structuredClone(entries);
    const forged = structuredClone(entries[9]) as AuditEntry;
    forged.event.message = 'nothing happened';
    added.splice(10, 0, forged);
    assert.notDeepEqual((await checkAll(added)).faults, []);
  });

  it('ignores the order in which a store returns the fields', async () => {
    const entries = await written();
    const reversed = entries.map(({ entryId, event }) => ({ entryId, event: reverse(event) }));
    assert.deepEqual((await checkAll(reversed)).faults, []);
  });
});

describe('createAuditStream()', () => {
  it('delivers each entry to one of several readers, and to another one when that reader died', async () => {
    const { record, auditLog } = startProcess();
    for (let turn = 0; turn < 40; turn++) record('login', said(`${turn}`));
    await auditLog.flushed();
    const [one, two] = [readerOf('one'), readerOf('two')];
    await one.prepare();
    await two.prepare();
    const [first, second] = [await one.read(30, 10), await two.read(30, 10)];
    assert.deepEqual([first.length, second.length], [30, 10]);
    const patient = readerOf('two', { takeOverMs: 600_000 });
    assert.deepEqual(await patient.takeOver(100), [], 'not while it may still work on them');
    await two.finish(second);
    assert.equal((await readAuditDepth(redis, 0)).entries, 30);
    // as if the entries had been read long ago
    await redis.xclaim(
      ...([auditKeys.stream, 'audit', 'one', 0, ...first.map(({ entryId }) => entryId), 'IDLE', 60_000] as const),
    );
    const taken = await two.takeOver(100);
    assert.deepEqual(
      taken.map(({ event }) => event.event.id),
      first.map(({ event }) => event.event.id),
    );
    await two.finish(taken);
    assert.equal((await readAuditDepth(redis, 0)).entries, 0);
  });

  it('moves a dead letter off the stream and keeps its reason', async () => {
    const { record, auditLog } = startProcess();
    record('login', said('poison'));
    await auditLog.flushed();
    const stream = readerOf('a');
    await stream.prepare();
    const [entry] = await stream.read(1, 10);
    assert.ok(entry);
    await stream.deadLetters(entry, '400 strict_dynamic_mapping_exception');
    const { entries, deadLetters } = await stream.depth(0);
    assert.deepEqual([entries, deadLetters], [0, 1]);
    const [[, fields = []] = []] = await redis.xrange(auditKeys.deadLetters, '-', '+');
    assert.ok(fields.includes('400 strict_dynamic_mapping_exception'));
  });

  it('returns the number of pending entries, the age of the oldest, and whether any reader ever shipped', async () => {
    assert.equal(await isAuditShipped(redis), false);
    const { record, auditLog } = startProcess();
    record('login', said('one'));
    await auditLog.flushed();
    assert.equal(await isAuditShipped(redis), false);
    const [[entryId = ''] = []] = await redis.xrange(auditKeys.stream, '-', '+');
    const { entries, oldestMs } = await readAuditDepth(redis, Number(entryId.split('-')[0]) + 5000);
    assert.deepEqual([entries, oldestMs], [1, 5000]);
    await readerOf('a').prepare();
    assert.equal(await isAuditShipped(redis), true);
  });
});

/** A TCP proxy to Redis that cuts the connection at the next response once it is armed. */
async function startAnswerGate(url: string) {
  const upstreamPort = Number(new URL(url).port);
  const gate = { lost: 0, isArmed: false };
  const server = createServer((socket) => {
    const upstream = connect(upstreamPort, '127.0.0.1');
    for (const end of [socket, upstream]) {
      end.on('error', () => undefined);
      end.on('close', () => {
        socket.destroy();
        upstream.destroy();
      });
    }
    socket.pipe(upstream);
    upstream.on('data', (answer) => {
      if (!gate.isArmed) return void socket.write(answer);
      gate.isArmed = false;
      gate.lost++;
      socket.destroy();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `redis://127.0.0.1:${(server.address() as AddressInfo).port}`,
    get lost() {
      return gate.lost;
    },
    loseNextAnswer: () => {
      gate.isArmed = true;
    },
    async [Symbol.asyncDispose]() {
      server.close();
    },
  };
}

function reverse<T>(value: T): T {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  const entries = Object.entries(value).map(([name, item]) => [name, reverse(item)]);
  return Object.fromEntries(entries.reverse()) as T;
}
