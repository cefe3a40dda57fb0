import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { alerts } from '../../kibana/alerts.ts';
import { builtFiles, dashboards } from '../../kibana/build.ts';
import { structureProblems } from '../../kibana/check-structure.ts';
import { parseKql, queryOf } from '../../kibana/kql.ts';
import type { QueryRule } from '../../kibana/rules.ts';

const committed = (name: string) => readFileSync(new URL(`../../kibana/${name}`, import.meta.url), 'utf8');
const queryRules = JSON.parse(committed('rules.json')) as QueryRule[];
const detectionRules = committed('detection-rules.ndjson')
  .trimEnd()
  .split('\n')
  .map((line) => JSON.parse(line) as Record<string, unknown> & { rule_id: string; enabled: boolean });

describe('The files for Kibana', () => {
  it('match the output of the builder; `npm run kibana:build` updates them', () => {
    for (const [name, text] of Object.entries(builtFiles())) assert.equal(committed(name), text, name);
  });

  it('are valid: versions, references, positions, columns and formulas', () => {
    assert.deepEqual(structureProblems(committed('vyry.ndjson')), []);
  });
});

describe('The rules', () => {
  it('exist in a format that can express them, and are enabled in one format only', () => {
    const on = [
      ...queryRules.filter(({ enabled }) => enabled).map(({ id }) => id),
      ...detectionRules.filter(({ enabled }) => enabled).map(({ rule_id }) => rule_id),
    ];
    assert.deepEqual(on.sort(), alerts.map(({ id }) => id).sort());
  });

  it('have unique ids that Kibana accepts: UUIDs of version 4', () => {
    for (const { id } of alerts)
      assert.match(id, /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    assert.equal(new Set(alerts.map(({ id }) => id)).size, alerts.length);
  });

  it('are equal in both formats', () => {
    const spraying = detectionRules.find(({ name }) => String(name).includes('spraying'));
    assert.deepEqual(spraying?.threshold, {
      field: ['source.ip'],
      value: 10,
      cardinality: [{ field: 'user.hash', value: 10 }],
    });
    const bruteForce = queryRules.find(({ name }) => name.includes('Brute force'));
    const twin = detectionRules.find(({ rule_id }) => rule_id === bruteForce?.id);
    assert.deepEqual(twin?.threshold, { field: ['source.ip'], value: 20 });
    assert.equal(twin?.from, 'now-5m');
    assert.equal(bruteForce?.params.termField, 'source.ip');
    assert.deepEqual(bruteForce?.params.threshold, [20]);
    assert.equal(bruteForce?.params.timeWindowSize, 5);
    assert.equal(bruteForce?.params.esQuery, JSON.stringify({ query: queryOf(parseKql(String(twin?.query))) }));
  });
});

describe('docs/kibana.md', () => {
  it('lists every alert with its window and threshold, and shows a picture of every dashboard', () => {
    const page = readFileSync(new URL('../../docs/kibana.md', import.meta.url), 'utf8');
    for (const { name, severity, windowMinutes, threshold } of alerts) {
      const row = page.split('\n').find((line) => line.startsWith(`| ${name} | ${severity} |`));
      assert.ok(row, name);
      assert.match(
        row,
        new RegExp(`\\b${threshold === 0 ? 'no event' : threshold}\\b.*\\b${windowMinutes} min\\b`),
        name,
      );
    }
    for (const { id, title } of dashboards) {
      assert.ok(page.includes(`images/kibana-${id.replace('vyry-', '')}.png`), id);
      assert.ok(page.includes(`## ${title.replace('Vyry: ', '')}`), title);
    }
  });
});

describe('parseKql()', () => {
  it('binds `and` more tightly than `or`, and parses values in parentheses', () => {
    assert.deepEqual(parseKql('a: 1 or b: (2 or "3 4") and not c: *'), {
      of: 'or',
      parts: [
        { of: 'value', field: 'a', value: '1' },
        {
          of: 'and',
          parts: [
            {
              of: 'or',
              parts: [
                { of: 'value', field: 'b', value: '2' },
                { of: 'value', field: 'b', value: '3 4' },
              ],
            },
            { of: 'not', part: { of: 'exists', field: 'c' } },
          ],
        },
      ],
    });
  });

  it('rejects unknown and incomplete syntax', () => {
    for (const text of ['a', 'a:', 'a: 1 b: 2', '(a: 1', 'a: 1)', 'a > > 1', 'a: (1 or', '"a: 1']) {
      assert.throws(() => parseKql(text), SyntaxError, text);
    }
  });
});
