/**
 * Compares the refusals of new passwords with those of zxcvbn as its package is, without the index of `api/zxcvbn.ts`: for
 * the first 10,000 of a public list of common passwords, for pairs of its words, which are near the bound, for words with
 * substitutions, and for strong ones.
 */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { describe, it } from 'node:test';
import { ZxcvbnFactory } from '@zxcvbn-ts/core';
import { adjacencyGraphs, dictionary as common } from '@zxcvbn-ts/language-common';
import { dictionary as english, translations } from '@zxcvbn-ts/language-en';
import { startEstimator } from '../../api/estimator.ts';

const list = common['passwords-common'].map(String);
const known = ['Ada Lovelace', 'ada.lovelace@example.org', '+447700900123'];
/** Fewer than may wait. */
const atOnce = 50;

/** As the api configures it. */
const zxcvbn = new ZxcvbnFactory({
  dictionary: { ...common, ...english },
  graphs: adjacencyGraphs,
  translations,
  l33tMaxSubstitutions: 10,
});

/** Returns how many of the passwords are accepted; asserts that both decide and warn alike. */
async function acceptedOf(passwords: readonly string[]): Promise<number> {
  await using estimator = startEstimator();
  let accepted = 0;
  for (let at = 0; at < passwords.length; at += atOnce) {
    const some = passwords.slice(at, at + atOnce);
    const estimates = await Promise.all(some.map((password) => estimator.estimate({ password, known })));
    for (const [index, { score, warning }] of estimates.entries()) {
      const expected = zxcvbn.check(some[index] ?? '', known);
      assert.deepEqual({ score, warning }, { score: expected.score, warning: expected.feedback.warning ?? '' });
      if (score >= 3) accepted += 1;
    }
  }
  return accepted;
}

describe('The strength of a new password', () => {
  it('F13: refuses every one of 10,000 common passwords, as zxcvbn does', async () => {
    assert.equal(await acceptedOf(list.slice(0, 10_000)), 0);
  });

  it('F13: decides like zxcvbn on 2,000 pairs of common words', async (t) => {
    const pairs = Array.from({ length: 2000 }, (_, at) => `${list[at * 7]}${list[at * 13 + 5]}`);
    t.diagnostic(`${await acceptedOf(pairs)} of ${pairs.length} pairs are accepted`);
  });

  it('F13: decides like zxcvbn on 500 common passwords with substitutions', async (t) => {
    const signs: Record<string, string> = { a: '@', e: '3', i: '1', o: '0', s: '$', t: '7' };
    const disguised = list
      .slice(0, 500)
      .map((word) => `${word.replace(/[aeiost]/g, (letter) => signs[letter] ?? '')}-${word}!`);
    t.diagnostic(`${await acceptedOf(disguised)} of ${disguised.length} are accepted`);
  });

  it('F13: accepts 2,000 random passwords of 16 characters, as zxcvbn does', async () => {
    const strong = Array.from({ length: 2000 }, () => randomBytes(12).toString('base64'));
    assert.equal(await acceptedOf(strong), strong.length);
  });
});
