/**
 * zxcvbn with the common and English dictionaries, in one index.
 *
 * The package looks every part of a password up in each of its twenty dictionaries, for every way to undo substitutions,
 * which is four fifths of its time. It offers no other way to search, so the search of its matchers of words is replaced
 * here by one that looks a part up once. It finds the same matches in the same order:
 * test/nightly/password-strength.test.ts compares the decisions.
 */
import { createRequire } from 'node:module';
import { type DictionaryMatch, Options, type UserInputsOptions, ZxcvbnFactory } from '@zxcvbn-ts/core';
import { adjacencyGraphs, dictionary as common } from '@zxcvbn-ts/language-common';
import { dictionary as english, translations } from '@zxcvbn-ts/language-en';

/**
 * Maximum number of ways to undo substitutions of letters by digits and signs. The default of the package, 100, takes
 * ten times as long; 10 accepts 4 more of 515 weak passwords with substitutions.
 */
const l33tMaxSubstitutions = 10;

/** A dictionary that has a word, and how frequent the word is in it: 1 is the most frequent. */
interface Entry {
  dictionaryName: string;
  rank: number;
}

interface WordIndex {
  words: Map<string, Entry[]>;
  /** Length of the longest word. */
  longest: number;
}

/** The matcher of words of the package, whose search is replaced. Another one searches only words that form sequences. */
interface DictionaryMatcher {
  readonly wordSequenceCheck?: boolean;
  match(options: { password: string; userInputsOptions?: UserInputsOptions }): DictionaryMatch[];
}

function indexOf(dictionaries: [name: string, words: readonly (string | number)[]][]): WordIndex {
  const index: WordIndex = { words: new Map(), longest: 0 };
  for (const [dictionaryName, listed] of dictionaries) {
    for (const [at, given] of listed.entries()) {
      const word = String(given);
      const entries = index.words.get(word);
      const entry = { dictionaryName, rank: at + 1 };
      if (entries === undefined) index.words.set(word, [entry]);
      // of a word that a dictionary lists twice, the package knows the last place
      else if (entries.at(-1)?.dictionaryName === dictionaryName) entries.splice(-1, 1, entry);
      else entries.push(entry);
      index.longest = Math.max(index.longest, word.length);
    }
  }
  return index;
}

const dictionaries = Object.entries({ ...common, ...english });
const options = new Options();
const all = indexOf(dictionaries);
const sequences = indexOf(dictionaries.filter(([name]) => options.isWordSequence(name)));

const { prototype: matcher } = createRequire(import.meta.url)(
  '@zxcvbn-ts/core/dist/matcher/dictionary/matching.cjs',
) as { prototype: DictionaryMatcher };

matcher.match = function search({ password, userInputsOptions }): DictionaryMatch[] {
  const { words, longest } = this.wordSequenceCheck ? sequences : all;
  const known = this.wordSequenceCheck ? undefined : userInputsOptions;
  const lengthMax = Math.max(longest, known?.rankedDictionaryMaxWordSize ?? 0);
  const lower = password.toLowerCase();
  const matches: DictionaryMatch[] = [];
  for (let i = 0; i < password.length; i++) {
    for (let j = i; j < password.length && j - i < lengthMax; j++) {
      const word = lower.slice(i, j + 1);
      const found = [...(words.get(word) ?? []), ...entriesOf(word, known)];
      const token = password.slice(i, j + 1);
      for (const entry of found) {
        matches.push({ pattern: 'dictionary', i, j, token, matchedWord: word, ...entry, reversed: false, l33t: false });
      }
    }
  }
  return matches;
};

/** Returns the entry of a word that others know of the user, if it is one. */
function entriesOf(word: string, known: UserInputsOptions | undefined): Entry[] {
  const ranks = known?.rankedDictionary ?? {};
  return Object.hasOwn(ranks, word) ? [{ dictionaryName: 'userInputs', rank: Number(ranks[word]) }] : [];
}

/** Estimates how hard passwords are to guess. */
export const zxcvbn: ZxcvbnFactory = new ZxcvbnFactory({ graphs: adjacencyGraphs, translations, l33tMaxSubstitutions });
