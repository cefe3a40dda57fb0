import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { userAdministrationWorkflowId } from '../../domain/workflow-ids.ts';

describe('userAdministrationWorkflowId()', () => {
  it('returns one id per user', () => {
    assert.equal(userAdministrationWorkflowId('user-1'), 'user-administration:user-1');
  });
});
