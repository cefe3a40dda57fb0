import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { projectFolder } from '../../engines/processes.ts';
import { problemsOf, readSightings } from './flaky.ts';

const head = 'date\tfile\ttest\tabout\n';
const row = (test: string, file = 'test/a.test.ts') => ({ date: '2026-01-02', file, test, about: 'idle 3 %' });
const textOf = (file: string) => (file === 'test/a.test.ts' ? "it('sends once'); it('waits'); it('ends');" : undefined);

describe('test/flaky.tsv', () => {
  it('has rows of four columns', () => {
    assert.deepEqual(readSightings(head), []);
    assert.deepEqual(readSightings(`${head}2026-01-02\ttest/a.test.ts\twaits\tidle 3 %\n`), [row('waits')]);
    assert.throws(
      () => readSightings(`${head}2026-01-02\ttest/a.test.ts\twaits\n`),
      /Row 1 does not have four columns/,
    );
    assert.throws(() => readSightings('file\ttest\n'), /The first line must be/);
    assert.ok(readSightings(readFileSync(join(projectFolder, 'test/flaky.tsv'), 'utf8')).length <= 5);
  });

  it('is refused with more than five rows, at the third sighting of a test, and for an unknown test', () => {
    const five = ['waits', 'waits', 'ends', 'ends', 'sends once'].map((test) => row(test));
    assert.deepEqual(problemsOf(five, textOf), []);
    assert.match(problemsOf([...five, row('sends once')], textOf).join(), /^6 rows, 5 at most/);
    assert.match(
      problemsOf([row('waits'), row('waits'), row('waits')], textOf).join(),
      /seen more than 2 times.*a\.test\.ts > waits/,
    );
    assert.match(problemsOf([row('sleeps')], textOf).join(), /no such test: test\/a\.test\.ts > sleeps/);
    assert.match(problemsOf([row('waits', 'test/b.test.ts')], textOf).join(), /no such test: test\/b\.test\.ts/);
  });
});
