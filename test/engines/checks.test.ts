import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { checkDocstrings } from '../../engines/checks/docstrings.ts';
import { unusedIn } from '../../engines/checks/exports.ts';
import type { Finding } from '../../engines/checks/finding.ts';
import { checkLengths } from '../../engines/checks/lengths.ts';
import { checkCounts, checkFences, readFences } from '../../engines/checks/stated.ts';
import { checkWords } from '../../engines/checks/words.ts';

const places = (findings: readonly Finding[]) => findings.map(({ file, line }) => `${file}:${line}`);

/** Returns the forbidden words of a text, in their order. */
const wordsOf = (text: string, file = 'api/a.ts') =>
  checkWords([{ file, text }]).map(({ line, message }) => `${line} ${/"(.*)"/.exec(message)?.[1]}`);

describe('unused exports', () => {
  it('are the exports, types, files and second names of a report of knip', () => {
    const none = { files: [], exports: [], types: [], duplicates: [] };
    const findings = unusedIn({
      issues: [
        { ...none, file: 'api/a.ts', exports: [{ name: 'one', line: 3 }], types: [{ name: 'Two', line: 7 }] },
        { ...none, file: 'api/b.ts', files: [{ name: 'api/b.ts' }] },
        { ...none, file: 'api/c.ts', duplicates: [[{ name: 'three', line: 9 }, { name: 'four' }]] },
      ],
    });
    assert.deepEqual(places(findings), ['api/a.ts:3', 'api/a.ts:7', 'api/b.ts:1', 'api/c.ts:9']);
    assert.match(findings[0]?.message ?? '', /\bone\b/);
    assert.match(findings[3]?.message ?? '', /three, four/);
  });
});

describe('file lengths', () => {
  const lines = (count: number) => 'x\n'.repeat(count);

  it('warn above 400 lines and fail above 600', () => {
    const levelOf = (count: number, file = 'api/a.ts') =>
      checkLengths([{ file, text: lines(count) }]).map(({ isWarning }) => isWarning ?? false);
    assert.deepEqual(levelOf(400), []);
    assert.deepEqual(levelOf(401), [true]);
    assert.deepEqual(levelOf(600), [true]);
    assert.deepEqual(levelOf(601), [false]);
    assert.deepEqual(levelOf(601, 'docs/operate.md'), []);
  });
});

describe('docstrings', () => {
  const findingsOf = (text: string, file = 'domain/a.ts') => places(checkDocstrings([{ file, text }]));

  it('are needed by every kind of export', () => {
    const kinds = [
      'export const one = 1;',
      'export function two() {}',
      'export class Three {}',
      'export interface Four {}',
      'export type Five = string;',
    ];
    for (const kind of kinds) {
      assert.deepEqual(findingsOf(kind), ['domain/a.ts:1'], kind);
      assert.deepEqual(findingsOf(`/** A promise. */\n${kind}`), [], kind);
      assert.deepEqual(findingsOf(kind.replace('export ', '')), [], kind);
      assert.deepEqual(findingsOf(kind, 'test/a.ts'), [], kind);
    }
  });

  it('of a schema are those of the type with its name', () => {
    assert.deepEqual(
      findingsOf('/** A name. */\nexport const Name = text();\nexport type Name = Of<typeof Name>;'),
      [],
    );
  });

  it('of an operation are its summary, a sentence without a full stop', () => {
    const rowOf = (summary: string) => findingsOf(`const rows = { a: operation({ ${summary} }) };`, 'contract/a.ts');
    assert.deepEqual(rowOf("summary: 'Send a code'"), []);
    for (const bad of ["path: '/'", "summary: ''", "summary: 'send a code'", "summary: 'Send a code.'"]) {
      assert.deepEqual(rowOf(bad), ['contract/a.ts:1'], bad);
    }
  });
});

describe('forbidden words', () => {
  it('are found in sentences, identifiers and file names, with their lines', () => {
    assert.deepEqual(wordsOf('// a\n// The door is open; the step was Parked.'), ['2 Parked', '2 door']);
    assert.deepEqual(wordsOf('const handOver = parkedSteps;'), ['1 parked', '1 hand Over']);
    assert.deepEqual(wordsOf('const AUDIT_TRAIL = orderFirst(proveAddress);'), [
      '1 TRAIL',
      '1 orderFirst',
      '1 proveAddress',
    ]);
    assert.deepEqual(wordsOf('', 'test/support/stand-ins.ts'), ['1 stand-ins']);
  });

  it('are not found in other words, names of the protocol, or the past', () => {
    const allowed = [
      'indoor handoverflow trailing sealant every order of the park',
      'a sealed sender, numbers set aside for fiction, giveUpMs, sealedProvision',
      'trusts a number of hops of proxies',
      'the receipt of a deletion; what users notice',
      '[decision 006](decisions/006-parking.md), metric.observe(1)',
    ];
    for (const text of allowed) assert.deepEqual(wordsOf(text), [], text);
    assert.deepEqual(wordsOf('the door', 'docs/decisions/001-a.md'), []);
    assert.deepEqual(wordsOf('the door', 'CHANGELOG.md'), []);
  });
});

describe('stated numbers and fences', () => {
  it('fail when CONTRIBUTING.md or the place in force has another number, or none', () => {
    const sources = [
      { file: 'CONTRIBUTING.md', text: '# Rules\n\nFunctions fail the check at 50; complexity fails above 12.' },
      { file: 'biome.json', text: '"maxAllowedComplexity": 12, "maxLines": 60' },
    ];
    const messages = checkCounts(sources).map(({ line, message }) => `${line} ${message}`);
    assert.ok(messages.includes('3 "fail the check at 50", and biome.json has 60'), messages.join('\n'));
    assert.ok(!messages.some((message) => message.includes('complexity')), messages.join('\n'));
    assert.ok(
      messages.some((message) => /nothing matches .*Node/.test(message)),
      messages.join('\n'),
    );
  });

  it('fail when no file of a home imports its package, except as types', async () => {
    const fence = (await readFences()).find(({ name }) => name === 'fence-jose');
    assert.ok(fence);
    const rules = { file: '.dependency-cruiser.mjs', text: "const a = 1;\nfence('jose', 'api/tokens')" };
    const importing = (code: string) => [
      rules,
      ...['api/tokens.ts', 'adapters/http/fcm.ts', 'adapters/http/apns.ts'].map((file) => ({
        file,
        text: "import { sign } from 'jose';",
      })),
      { file: 'api/grpc/callers.ts', text: code },
    ];
    assert.deepEqual(checkFences(importing("import {\n  verify,\n} from 'jose/jwt';"), [fence]), []);
    assert.deepEqual(checkFences(importing("const { verify } = await import('jose');"), [fence]), []);
    for (const code of ['', "import type { Key } from 'jose';", "import { verify } from 'joseph';"]) {
      assert.deepEqual(places(checkFences(importing(code), [fence])), ['.dependency-cruiser.mjs:2'], code);
    }
  });
});
