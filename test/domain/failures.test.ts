import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Failure, failureCodes, isFailureCode } from '../../domain/failures.ts';
import { limits, refusalSentence } from '../../domain/limits.ts';

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

describe('refusalSentence()', () => {
  it('F30: says in words what every limit refuses, and when to try again', () => {
    const names = Object.keys(limits).filter((name) => name !== 'wrong-code-share');
    for (const name of [...names, 'cost-per-day', 'code-resend', 'directory-tries']) {
      const sentence = refusalSentence(name, 30);
      assert.doesNotMatch(sentence, /^Too many attempts/, name);
      assert.match(sentence, /; try again in 30 seconds$/);
    }
    assert.match(refusalSentence('sends', 5400), /in 90 minutes$/);
    assert.match(refusalSentence('sends', 86_400), /in 24 hours$/);
    assert.match(refusalSentence('credentials-tries-of-registration', undefined), /start again$/);
  });
});
