/** Names of people, as they write them: letters of any script, blanks, signs. */

const joined = ['Arabic', 'Syriac', 'Mandaic', 'Mongolian', 'Nko', 'Phags_Pa', 'Adlam', 'Hanifi_Rohingya', 'Sogdian'];
const conjunct = ['Devanagari', 'Bengali', 'Gurmukhi', 'Gujarati', 'Oriya', 'Tamil', 'Telugu', 'Kannada', 'Malayalam'];
const conjunctToo = ['Sinhala', 'Khmer', 'Myanmar', 'Tibetan', 'Balinese', 'Javanese', 'Meetei_Mayek', 'Chakma'];
const scripts = [...joined, ...conjunct, ...conjunctToo].map((script) => `\\p{Script=${script}}`).join('');

/**
 * Where a script needs a default-ignorable code point (UAX #31 section 2.3; UTS #37 for variants of Han characters; UTS
 * #51 for emoji): a joiner between letters of cursive scripts and of scripts with conjuncts, at the end of a Malayalam
 * or Sinhala word, and the selectors of a variant.
 */
const needed = new RegExp(
  [
    `(?<=[${scripts}]\\p{M}*)[\\u200c\\u200d](?=[${scripts}])`,
    '(?<=[\\p{Script=Malayalam}\\p{Script=Sinhala}]\\p{M}+)\\u200d(?![\\p{L}\\p{M}])',
    '(?<=\\p{Script=Han})[\\ufe00-\\ufe02\\u{e0100}-\\u{e01ef}]',
    '(?<=\\p{Extended_Pictographic}\\ufe0f?)\\u200d(?=\\p{Extended_Pictographic})',
    '(?<=\\p{Extended_Pictographic})\\ufe0f',
  ].join('|'),
  'gu',
);

/**
 * Control characters, line and paragraph separators, halves of surrogates, private and unassigned code points; invisible
 * code points, among them direction marks; and angle brackets, with which markup begins.
 */
const refused = /[\p{Cc}\p{Zl}\p{Zp}\p{Cs}\p{Co}\p{Cn}\p{Default_Ignorable_Code_Point}\u2800<>]/u;

/** Normalizes a name: NFC, no blanks at the ends, one blank between words. */
export function cleanName(text: string): string {
  return text
    .normalize('NFC')
    .replace(/\p{Zs}+/gu, ' ')
    .replace(/^ | $/g, '');
}

/**
 * Returns whether a text can be the name of a person: at most 200 characters, at least one of them visible, and
 * invisible ones only where a script needs them.
 */
export function isPersonName(text: string): boolean {
  return text.length <= nameMax && /[\p{L}\p{N}\p{S}\p{P}]/u.test(text) && !refused.test(text.replace(needed, ''));
}

const nameMax = 200;
