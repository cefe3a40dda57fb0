import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Failure, failureCodes, isFailureCode } from '../../domain/failures.ts';

describe('Failure', () => {
  it('has its code as message and nothing else', () => {
    const failure = new Failure('rate-limited', { retryAfterSeconds: 5, message: 'Too many tries (+12025550100)' });
    assert.equal(failure.message, 'rate-limited');
    assert.equal(String(failure), 'Failure: rate-limited');
    assert.equal(failure.code, 'rate-limited');
    assert.equal(failure.context.retryAfterSeconds, 5);
  });
});

describe('isFailureCode()', () => {
  it('accepts every code and nothing else', () => {
    assert.equal(failureCodes.every(isFailureCode), true);
    for (const text of ['Malformed', 'constructor', '', null, undefined]) assert.equal(isFailureCode(text), false);
  });

  it('has each code once, in kebab case', () => {
    assert.equal(new Set(failureCodes).size, failureCodes.length);
    for (const code of failureCodes) assert.match(code, /^[a-z]+(-[a-z]+)*$/);
  });
});
