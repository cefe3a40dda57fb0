import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { providerText, readRetryAfter, wakeUpSeconds } from '../../domain/push.ts';

describe('providerText()', () => {
  it('N1 is one short line without control, format and unpaired characters', () => {
    assert.equal(providerText('{"level":"info"}\r\n\u001b[31mred\u202e'), '{"level":"info"} [31mred');
    assert.equal(providerText('  \n\u200b '), null);
    assert.equal(providerText('x'.repeat(100_000))?.length, 200);
    assert.equal(providerText(`${'x'.repeat(199)}😀`)?.isWellFormed(), true);
    assert.equal(providerText('\ud800')?.isWellFormed(), true);
  });
});

describe('readRetryAfter()', () => {
  it('reads seconds and dates, at most a day', () => {
    const now = Date.parse('2026-03-02T12:00:00Z');
    assert.equal(readRetryAfter('30', now), 30);
    assert.equal(readRetryAfter(' 0 ', now), 0);
    assert.equal(readRetryAfter('Mon, 02 Mar 2026 12:01:00 GMT', now), 60);
    assert.equal(readRetryAfter('Mon, 02 Mar 2026 11:00:00 GMT', now), 0);
    assert.equal(readRetryAfter('9999999999', now), wakeUpSeconds);
    for (const header of [undefined, '', 'soon', '-1', '1e9', '12345678901']) {
      assert.equal(readRetryAfter(header, now), undefined, `${header}`);
    }
  });
});
