import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Failure } from '../../domain/failures.ts';
import { type Trace, traces } from '../../platform/log.ts';
import { beginTrace, childOf, failureName, inSpan, partsOf, type Span } from '../../platform/spans.ts';

const traceId = '0af7651916cd43dd8448eb211c80319c';
const given = `00-${traceId}-b7ad6b7169203331-01`;
const isSampled = (traceparent: string) => partsOf(traceparent).flags === '01';

describe('beginTrace()', () => {
  it('continues the trace of the caller below its span, and keeps its sampling decision', () => {
    for (const flags of ['00', '01']) {
      const { traceparent, parentId } = beginTrace(`00-${traceId}-b7ad6b7169203331-${flags}`, 0.5);
      assert.equal(parentId, 'b7ad6b7169203331');
      assert.match(traceparent, new RegExp(`^00-${traceId}-[0-9a-f]{16}-${flags}$`));
      assert.notEqual(partsOf(traceparent).spanId, parentId);
    }
  });

  it('starts a new trace when the caller sends no valid one', () => {
    const bad = ['', 'x', `01-${traceId}-b7ad6b7169203331-01`, `${given}-x`, given.toUpperCase()];
    const zero = [`00-${'0'.repeat(32)}-b7ad6b7169203331-01`, `00-${traceId}-${'0'.repeat(16)}-01`];
    for (const header of [undefined, ...bad, ...zero]) {
      const { traceparent, parentId } = beginTrace(header, 1);
      assert.match(traceparent, /^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/);
      assert.notEqual(partsOf(traceparent).traceId, traceId);
      assert.equal(parentId, undefined);
    }
  });

  it('samples the configured share of its own traces', () => {
    const recorded = (share: number) =>
      Array.from({ length: 1000 }, () => beginTrace(undefined, share).traceparent).filter(isSampled).length;
    assert.equal(recorded(0), 0);
    assert.equal(recorded(1), 1000);
    const some = recorded(0.3);
    assert.ok(some > 200 && some < 400, `${some} of 1000 are not about 30 %`);
  });
});

describe('inSpan()', () => {
  const trace: Trace = { requestId: 'r', traceparent: given };

  it('runs a job in a span of the current trace and returns its result', async () => {
    const spans: Span[] = [];
    const inside = await traces.run(trace, () =>
      inSpan(
        (span) => spans.push(span),
        { name: 'part', kind: 'client' },
        async () => traces.getStore(),
      ),
    );
    assert.equal(inside?.requestId, 'r');
    assert.equal(inside?.traceparent, spans[0]?.traceparent);
    assert.equal(spans[0]?.parentId, 'b7ad6b7169203331');
    assert.equal(partsOf(spans[0]?.traceparent ?? '').traceId, traceId);
    assert.equal(spans[0]?.failure, undefined);
  });

  it('records the name of an error, without its message, and rethrows it', async () => {
    const spans: Span[] = [];
    const fail = () =>
      inSpan(
        (span) => spans.push(span),
        { name: 'part', kind: 'client' },
        () => Promise.reject(new TypeError('canary')),
      );
    await assert.rejects(traces.run(trace, fail), /canary/);
    assert.equal(spans[0]?.failure, 'TypeError');
    assert.equal(JSON.stringify(spans).includes('canary'), false);
    assert.equal(failureName(new Failure('rate-limited', { message: 'canary' })), 'rate-limited');
  });

  it('records nothing without a trace', async () => {
    const spans: Span[] = [];
    assert.equal(
      await inSpan(
        (span) => spans.push(span),
        { name: 'part', kind: 'client' },
        async () => 7,
      ),
      7,
    );
    assert.deepEqual(spans, []);
  });
});

describe('childOf()', () => {
  it('keeps trace and flags', () => {
    assert.equal(childOf(given, 'f'.repeat(16)), `00-${traceId}-${'f'.repeat(16)}-01`);
  });
});
