// @rerun never
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { describe, it } from 'node:test';
import type { AuditEvent } from '../../domain/audit.ts';
import { withEcsFields } from '../../domain/audit-ecs.ts';
import { auditKeysFrom, withoutPerson } from '../../platform/audit.ts';
import {
  type AuditCheckpoint,
  type AuditPosition,
  completeFrom,
  readCheckpoint,
  signCheckpoint,
  verifyAuditLog,
} from '../../platform/audit-verification.ts';
import { Secret } from '../../platform/config/secret.ts';
import { chainedEvents } from '../support/audit-events.ts';

const keys = auditKeysFrom(new Secret(randomBytes(32).toString('base64')));
const macKeys = [keys.macKey];
const dayMs = 86_400_000;

const positionOf = (event: AuditEvent | undefined): AuditPosition => ({
  sequence: event?.vyry.audit?.sequence ?? 0,
  chain: event?.vyry.audit?.chain ?? '',
});

async function* inOrder(events: AuditEvent[]): AsyncGenerator<AuditEvent> {
  yield* events;
}

async function faultsOf(events: AuditEvent[], known: { start?: AuditPosition; end: AuditPosition | undefined }) {
  return (await verifyAuditLog(inOrder(events), { macKeys, ...known })).faults;
}

const log = chainedEvents(keys, 110);
const end = positionOf(log.at(-1));
const beginning = { sequence: 0, chain: '' };

describe('verifyAuditLog()', () => {
  it('finds any deleted range, from a checkpoint to the end, and says exactly what is missing', async () => {
    for (const [from, to] of [
      [1, 60],
      [1, 1],
      [31, 50],
      [110, 110],
      [80, 110],
      [1, 110],
    ] as const) {
      const left = log.filter((_event, at) => at + 1 < from || at + 1 > to);
      const [after, before] = [log[from - 2]?.timestamp, log[to]?.timestamp];
      assert.deepEqual(await faultsOf(left, { start: beginning, end }), [
        { fault: 'missing', from, to, ...(after && { after }), ...(before && { before }) },
      ]);
    }
    assert.deepEqual(await faultsOf(log, { start: beginning, end }), []);
  });

  it('takes what retention removed for no fault, and what was removed beyond it for one', async () => {
    const start = positionOf(log[39]);
    for (const removed of [0, 20, 40]) assert.deepEqual(await faultsOf(log.slice(removed), { start, end }), []);
    // a day ends in the middle of the events of two processes
    assert.deepEqual(await faultsOf(log.toSpliced(30, 2), { start, end }), []);
    const [fault] = await faultsOf(log.slice(45), { start, end });
    assert.deepEqual(fault, { fault: 'missing', from: 41, to: 45, before: log[45]?.timestamp });
  });

  it('cannot tell at the beginning without a checkpoint, nor at the end that Redis has lost', async () => {
    assert.deepEqual(await faultsOf(log.slice(60), { end }), []);
    assert.deepEqual(await faultsOf(log.slice(0, 60), { start: beginning, end: undefined }), []);
    assert.equal((await faultsOf(log.toSpliced(60, 2), { end: undefined })).length, 1);
  });

  it('verifies the end by the first event that waits to be stored', async () => {
    const stored = log.slice(0, 100);
    const waiting = log[100];
    const next = { ...positionOf(waiting), mac: waiting?.vyry.audit?.mac ?? '' };
    const known = { macKeys, start: beginning, end, next };
    assert.deepEqual((await verifyAuditLog(inOrder(stored), known)).faults, []);
    const { faults } = await verifyAuditLog(inOrder(stored.slice(0, 90)), known);
    assert.deepEqual(faults, [{ fault: 'missing', from: 91, to: 100, after: log[89]?.timestamp }]);
  });

  it('finds a second event with the number of another', async () => {
    const again = chainedEvents(keys, 3);
    const merged = [...log, ...again].sort(
      (a, b) => (a.vyry.audit?.sequence ?? 0) - (b.vyry.audit?.sequence ?? 0) || a.event.id.localeCompare(b.event.id),
    );
    const kinds = (await faultsOf(merged, { start: beginning, end })).map(({ fault }) => fault);
    assert.equal(kinds.filter((kind) => kind === 'repeated').length, 3);
  });

  it('finds a value under its ECS name that is not that of the event', async () => {
    const stored = log.map((event) =>
      withEcsFields(event, { originOf: () => ({ as: { number: 64496 } }), programOf: () => ({ name: 'curl' }) }),
    );
    assert.deepEqual(await faultsOf(stored, { start: beginning, end }), []);
    for (const forge of [
      (event: AuditEvent) => Object.assign(event.event, { action: 'logout' }),
      (event: AuditEvent) => Object.assign(event.user ?? {}, { id: 'eve' }),
      (event: AuditEvent) => Object.assign(event, { source: { ip: '192.0.2.1' } }),
    ]) {
      const forged = structuredClone(stored);
      forge(forged[7] as AuditEvent);
      assert.deepEqual(await faultsOf(forged, { start: beginning, end }), [
        { fault: 'changed', id: log[7]?.event.id, sequence: 8 },
      ]);
    }
    // erased events keep their place in the chain, and name nobody
    const erased = stored.map((event) => withoutPerson(event, { userId: 'ada', alias: 'erased-1' }, keys.macKey));
    assert.deepEqual(await faultsOf(erased, { start: beginning, end }), []);
    assert.doesNotMatch(JSON.stringify(erased), /"ada"|"hash":/);
    assert.equal(erased[0]?.user?.id, 'erased-1');
  });
});

describe('a checkpoint', () => {
  const checkpoint: AuditCheckpoint = { at: Date.UTC(2026, 2, 5), sequence: 12, chain: 'abc', retentionDays: 90 };

  it('is read only as it was signed', () => {
    const text = signCheckpoint(checkpoint, keys.macKey);
    assert.deepEqual(readCheckpoint(text, [randomBytes(32), keys.macKey]), checkpoint);
    for (const forged of [text.replace(' 12 ', ' 13 '), text.replace(' 90 ', ' 9 '), `${text}x`, '', 'a b'])
      assert.equal(readCheckpoint(forged, macKeys), undefined, forged);
  });

  it('anchors the log at the first instant after the last removed day, by the shortest retention that was ever set', () => {
    const begin = Date.UTC(2026, 0, 1);
    const daily = (retentionOf: (day: number) => number) =>
      Array.from({ length: 100 }, (_, day) => ({
        at: begin + day * dayMs + 2 * 3_600_000,
        sequence: day * 10,
        chain: `${day}`,
        retentionDays: retentionOf(day),
      }));
    const now = begin + 100 * dayMs;
    assert.equal(
      completeFrom(
        daily(() => 1000),
        { retentionDays: 1000, now },
      )?.sequence,
      0,
    );
    assert.equal(
      completeFrom(
        daily(() => 30),
        { retentionDays: 30, now },
      )?.sequence,
      700,
    );
    // once it was ten days; what was removed then is gone, although 90 are kept now
    assert.equal(
      completeFrom(
        daily((day) => (day === 50 ? 10 : 90)),
        { retentionDays: 90, now },
      )?.sequence,
      400,
    );
    assert.equal(completeFrom([], { retentionDays: 30, now }), undefined);
    assert.equal(completeFrom(daily(() => 30).slice(0, 20), { retentionDays: 30, now }), undefined);
  });
});
