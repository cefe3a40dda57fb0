import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Entry } from 'ldapts';
import { withWholeRanges } from '../../adapters/ldap/ranges.ts';

const dn = 'cn=ada,dc=example,dc=org';
const groups = Array.from({ length: 3200 }, (_, index) => `cn=group-${index},dc=example,dc=org`);

/** Answers as Active Directory does: at most 1500 values at once. */
function answersOf(asked: string[]) {
  return async (of: string, [attribute = '']: string[]): Promise<Entry> => {
    asked.push(attribute);
    const [, begin = ''] = /^memberOf;range=(\d+)-\*$/.exec(attribute) ?? [];
    const [first, end] = [Number(begin), Number(begin) + 1500];
    return { dn: of, [`memberOf;range=${first}-${end < groups.length ? end - 1 : '*'}`]: groups.slice(first, end) };
  };
}

describe('withWholeRanges()', () => {
  it('F3: reads a ranged attribute to its end, under its plain name', async () => {
    const asked: string[] = [];
    const entry = { dn, uid: 'ada', 'memberOf;range=0-1499': groups.slice(0, 1500) };
    const whole = await withWholeRanges(entry, answersOf(asked));
    assert.deepEqual(whole, { dn, uid: 'ada', memberOf: groups });
    assert.deepEqual(asked, ['memberOf;range=1500-*', 'memberOf;range=3000-*']);
  });

  it('F3: asks nothing for an entry without ranges, and ends when a server returns no more values', async () => {
    const entry = { dn, memberOf: ['cn=staff'] };
    assert.deepEqual(await withWholeRanges(entry, assert.fail), entry);
    const cut = { dn, 'memberOf;range=0-1': ['cn=a', 'cn=b'] };
    assert.deepEqual(await withWholeRanges(cut, async () => ({ dn })), { dn, memberOf: ['cn=a', 'cn=b'] });
  });
});
