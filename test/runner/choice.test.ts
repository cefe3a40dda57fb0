import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { chooseFiles } from './choice.ts';
import { readImportGraph } from './import-graph.ts';

const everything = { given: [], changedSince: undefined, nightly: false };
const all = ({ files, units }: { files: string[]; units: string[] }) => [...files, ...units].sort();

describe('chooseFiles()', () => {
  it('selects every test except the nightly ones, each once', () => {
    const chosen = all(chooseFiles(everything));
    assert.equal(new Set(chosen).size, chosen.length);
    assert.ok(chosen.includes('test/architecture.test.ts') && chosen.includes('test/runner/choice.test.ts'));
    assert.deepEqual(
      chosen.filter((file) => file.startsWith('test/nightly/')),
      [],
    );
  });

  it('selects the nightly tests only, in an order that depends on the random numbers', () => {
    const nightly = chooseFiles({ ...everything, nightly: true });
    assert.ok(all(nightly).length > 0 && all(nightly).every((file) => file.startsWith('test/nightly/')));
    const orders = [0, 0.99].map((number) => chooseFiles({ ...everything, nightly: true }, () => number).files);
    assert.notDeepEqual(orders[0], orders[1]);
    assert.deepEqual(orders[0]?.toSorted(), orders[1]?.toSorted());
  });

  it('accepts files, folders, patterns and parts of test names', () => {
    const { files, units, names } = chooseFiles({ ...everything, given: ['test/domain/*.test.ts', 'answers 409'] });
    assert.ok(all({ files, units }).every((file) => file.startsWith('test/domain/')));
    assert.deepEqual(names, ['answers 409']);
    const folder = chooseFiles({ ...everything, given: ['test/domain/'] });
    assert.deepEqual(all(folder), all(chooseFiles({ ...everything, given: ['test/domain/**/*.test.ts'] })));
    assert.throws(() => chooseFiles({ ...everything, given: ['test/domain/none.test.ts'] }), /no test file .*none/);
  });

  it('puts files into a shared process only if they need no engine, and never a single file', () => {
    const { units } = chooseFiles(everything);
    assert.ok(units.includes('test/domain/verification.test.ts'));
    assert.deepEqual(
      units.filter((file) => /test\/(api|abuse|journeys)\//.test(file)),
      ['test/api/device-signatures.test.ts', 'test/api/update-queue.test.ts'],
    );
    assert.deepEqual(chooseFiles({ ...everything, given: ['test/domain/verification.test.ts'] }).units, []);
  });
});

describe('readImportGraph()', () => {
  const needs = readImportGraph();

  it('follows imports, started processes and files read by name', () => {
    const journey = needs('test/journeys/delivery.test.ts');
    for (const file of [
      'test/support/journey.ts',
      'api/main.ts',
      'workers/delivery.ts',
      'workflows/registration.ts',
      'adapters/twilio.ts',
    ])
      assert.ok(journey.has(file), file);
    assert.ok(needs('test/adapters/redis/codes.test.ts').has('adapters/redis/codes.ts'));
    assert.ok([...needs('test/adapters/redis/codes.test.ts')].some((file) => file.endsWith('.lua')));
    assert.ok(needs('test/compose.test.ts').has('docker-compose.yml'));
  });

  it('does not include unrelated files', () => {
    assert.ok(!needs('test/domain/verification.test.ts').has('api/main.ts'));
    assert.ok(!needs('test/adapters/redis/codes.test.ts').has('adapters/twilio.ts'));
  });
});
