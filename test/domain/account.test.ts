import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { isUserId } from '../../domain/account.ts';
import { userAdministrationWorkflowId } from '../../domain/workflow-ids.ts';

describe('userAdministrationWorkflowId()', () => {
  it('returns one id per user', () => {
    assert.equal(userAdministrationWorkflowId('user-1'), 'user-administration:user-1');
  });
});

describe('isUserId()', () => {
  it('knows the ids that registrations make, with and without hyphens', () => {
    assert.ok(isUserId('fd206bce-ef72-4a69-8fd5-bca35aa8062d'));
    assert.ok(isUserId('fd206bceef724a698fd5bca35aa8062d'));
  });

  it('refuses other texts', () => {
    for (const text of ['', 'ada', 'fd206bce-ef724a698fd5bca35aa8062d', 'FD206BCE-EF72-4A69-8FD5-BCA35AA8062D', '{*}'])
      assert.ok(!isUserId(text), text);
  });
});
