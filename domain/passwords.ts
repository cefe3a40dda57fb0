/** Passwords as text: how they are prepared, and which repeat what others know about the user. */

/**
 * Prepares a password by the profile OpaqueString (RFC 8265 section 4.2): every blank is U+0020, and the text is in NFC.
 * Case, width and everything else stay as typed.
 */
export function preparePassword(password: string): string {
  return password.replace(/\p{Zs}/gu, ' ').normalize('NFC');
}

/** Most letters and digits around the own word that do not make a password of it. */
const paddingMax = 3;
/** Shorter words are parts of too many passwords. */
const wordMin = 4;

/**
 * Returns whether a password is a word of its user, such as the name, the address or the number, or a part of one, also
 * with other case, other signs between the letters, in reverse order, or with up to three more letters or digits.
 */
export function isOwnWord(password: string, words: readonly string[]): boolean {
  const bare = bareOf(password);
  return words
    .flatMap(formsOf)
    .map(bareOf)
    .some((word) => {
      if (word.length < wordMin) return false;
      return [word, [...word].reverse().join('')].some((own) => {
        const isPart = bare.includes(own) && bare.length - own.length <= paddingMax;
        // the number as it is dialled at home has no country code
        const isNational = /^\d{7,}$/.test(own) && /^\d{7,}$/.test(bare) && own.endsWith(bare.replace(/^0+/, ''));
        return isPart || isNational;
      });
    });
}

/** Most spellings that are compared with a hash: each costs as much as a log-in. */
const spellingsMax = 24;
/** The minimum of a new password. */
const passwordMin = 8;

/**
 * Returns how a user would write the own name, address or number as a password, for a password that is known only by its
 * hash: the words and their parts, also in small letters and without other signs, and the number as it is dialled at
 * home. `isOwnWord` finds more, but needs the password.
 */
export function ownSpellings(words: readonly string[]): string[] {
  const forms = words.flatMap((word) => [...formsOf(word), ...nationalFormsOf(word)]);
  const spellings = forms.flatMap((form) => [form, form.toLowerCase(), bareOf(form)]);
  return [...new Set(spellings.map(preparePassword))]
    .filter((spelling) => spelling.length >= passwordMin)
    .slice(0, spellingsMax);
}

/** A number without its country code of one to three digits, also with the zero that many countries dial before it. */
function nationalFormsOf(word: string): string[] {
  if (!/^\+\d+$/.test(word)) return [];
  return [2, 3, 4].flatMap((start) => [`0${word.slice(start)}`, word.slice(start)]);
}

/** A name or address, its parts, and its parts from the last to the first; of an address without the domain. */
function formsOf(word: string): string[] {
  const own = word.includes('@') ? word.slice(0, word.lastIndexOf('@')) : word;
  const parts = own.split(/[^\p{L}\p{M}\p{N}]+/u);
  return [word, own, ...parts, parts.toReversed().join('')];
}

function bareOf(text: string): string {
  return text
    .normalize('NFKC')
    .toLowerCase()
    .replace(/[^\p{L}\p{N}]/gu, '');
}
