import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { userAdministrationWorkflowId } from '../../domain/account.ts';

describe('userAccessWorkflowId()', () => {
  it('is one for each user', () => {
    assert.equal(userAdministrationWorkflowId('user-1'), 'user-administration:user-1');
  });
});
