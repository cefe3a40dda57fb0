/** The languages of messages, and language negotiation. */
import { arabic } from './ar.ts';
import { bengali } from './bn.ts';
import { german } from './de.ts';
import { english } from './en.ts';
import { spanish } from './es.ts';
import { persian } from './fa.ts';
import { french } from './fr.ts';
import { hindi } from './hi.ts';
import { italian } from './it.ts';
import { japanese } from './ja.ts';
import { korean } from './ko.ts';
import { dutch } from './nl.ts';
import { polish } from './pl.ts';
import { portuguese } from './pt.ts';
import { russian } from './ru.ts';
import type { Templates } from './template.ts';
import { turkish } from './tr.ts';
import { ukrainian } from './uk.ts';
import { vietnamese } from './vi.ts';
import { chineseSimplified } from './zh-hans.ts';
import { chineseTraditional } from './zh-hant.ts';

/** All languages, the default first. */
export const languages: readonly Templates[] = [
  english,
  german,
  french,
  spanish,
  portuguese,
  italian,
  dutch,
  polish,
  turkish,
  russian,
  ukrainian,
  arabic,
  persian,
  hindi,
  bengali,
  chineseSimplified,
  chineseTraditional,
  japanese,
  korean,
  vietnamese,
];

/** Tags that imply a script by region or by convention. */
const otherTags: Record<string, string> = { zh: 'zh-hans', 'zh-tw': 'zh-hant', 'zh-hk': 'zh-hant', 'zh-mo': 'zh-hant' };

/** Returns the texts of a language; English for an unknown tag. */
export function templatesOf(tag: string | undefined): Templates {
  return languages.find((language) => language.tag === tag) ?? english;
}

/**
 * Returns the best matching language by RFC 4647 section 3.4 (lookup): each range in order of preference, truncated
 * from its end until a language matches. Undefined when none matches.
 *
 * @param locale the client's explicit choice, which takes precedence
 * @param acceptLanguage the header value (RFC 9110 section 12.5.4); malformed items are ignored
 */
export function languageFor(locale: string | undefined, acceptLanguage = ''): string | undefined {
  for (const range of [...(locale === undefined ? [] : [locale]), ...rangesOf(acceptLanguage)]) {
    const found = lookUp(range);
    if (found !== undefined) return found;
  }
  return undefined;
}

function lookUp(range: string): string | undefined {
  let subtags = range.toLowerCase().split('-');
  while (subtags.length > 0) {
    const cut = subtags.join('-');
    const wanted = otherTags[cut] ?? cut;
    const found = languages.find(({ tag }) => tag.toLowerCase() === wanted);
    if (found !== undefined) return found.tag;
    // a single-character subtag introduces the next one, so both are removed together
    subtags = subtags.slice(0, subtags.at(-2)?.length === 1 ? -2 : -1);
  }
  return undefined;
}

/** Maximum number of ranges, more than any browser sends: bounds the work for a hostile header. */
const rangesMax = 20;

function rangesOf(acceptLanguage: string): string[] {
  return acceptLanguage
    .slice(0, 500)
    .split(',', rangesMax)
    .flatMap((item) => {
      const [, range, quality = '1'] =
        /^\s*([a-z]{1,8}(?:-[a-z0-9]{1,8})*)\s*(?:;\s*q=([01](?:\.\d{1,3})?)\s*)?$/i.exec(item) ?? [];
      return range === undefined || Number(quality) === 0 ? [] : [{ range, quality: Number(quality) }];
    })
    .sort((one, other) => other.quality - one.quality)
    .map(({ range }) => range);
}
