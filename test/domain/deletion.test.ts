// @rerun never
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { refuseDeletionUpdate } from '../../domain/deletion.ts';

describe('refuseDeletionUpdate()', () => {
  it('accepts to plan or stop a deletion until it is over', () => {
    const planned = { deletionId: 'd1', effectiveAt: 1 };
    assert.equal(refuseDeletionUpdate({ phase: 'planning', planned: null }), undefined);
    assert.equal(refuseDeletionUpdate({ phase: 'planned', planned }), undefined);
    assert.equal(refuseDeletionUpdate({ phase: 'stopping', planned }), undefined);
  });

  it('refuses it afterwards', () => {
    assert.deepEqual(refuseDeletionUpdate({ phase: 'over', planned: null }), { code: 'not-found' });
  });
});
