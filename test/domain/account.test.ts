import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { userAccessWorkflowId } from '../../domain/account.ts';

describe('userAccessWorkflowId()', () => {
  it('is one for each user', () => {
    assert.equal(userAccessWorkflowId('user-1'), 'user-access:user-1');
  });
});
