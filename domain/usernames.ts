/**
 * User names: which are valid, which look alike and which are reserved.
 *
 * Terminology
 * - user part: characters of the IdentifierClass of PRECIS (RFC 8264 section 4.2). A user chooses one.
 * - directory name: user parts separated by single blanks (RFC 8265 section 3.1), as the directory gives it.
 * - skeleton: the form in which names that look alike are equal (UTS #39 section 4).
 */
import { prototypeOf } from './confusables.ts';
import { cleanText } from './text.ts';

/** RFC 8264 section 9.6: valid although, or not valid because, their properties say otherwise. */
const exceptionsValid = /^[\u00df\u03c2\u06fd\u06fe\u0f0b\u3007]$/u;
const exceptionsRefused = /^[\u0640\u07fa\u302e\u302f\u3031-\u3035\u303b]$/u;
/** RFC 8264 section 9.9. */
const oldHangulJamo = /^[\u1100-\u11ff\ua960-\ua97c\ud7b0-\ud7fb]$/u;
/** RFC 8264 section 9.1. */
const letterDigits = /^[\p{Ll}\p{Lu}\p{Lo}\p{Nd}\p{Lm}\p{Mn}\p{Mc}]$/u;
/** RFC 5892 appendix A.3 to A.7: signs that are valid only beside certain letters. */
const inContext: Readonly<Record<string, RegExp>> = {
  '\u00b7': /l\u00b7(?=l)/gu,
  '\u0375': /\u0375(?=\p{Script=Greek})/gu,
  '\u05f3': /(?<=\p{Script=Hebrew})\u05f3/gu,
  '\u05f4': /(?<=\p{Script=Hebrew})\u05f4/gu,
  '\u30fb': /\u30fb(?=.*[\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Han}])/gu,
};
/** RFC 5892 appendix A.8 and A.9: the two sets of Arabic digits are not mixed. */
const arabicDigits = [/[\u0660-\u0669]/u, /[\u06f0-\u06f9]/u];

const notMixed = ['Latin', 'Cyrillic', 'Greek'].map((script) => new RegExp(`\\p{Script=${script}}`, 'u'));
const rightToLeft = /[\p{Script=Hebrew}\p{Script=Arabic}\p{Script=Syriac}\p{Script=Thaana}\p{Script=Nko}]/u;
const leftToRight = /(?![\p{Script=Hebrew}\p{Script=Arabic}\p{Script=Syriac}\p{Script=Thaana}\p{Script=Nko}])\p{L}/u;

/** What other look-ups read: ids of users, and beginnings of numbers and of options of the command line. */
const readsAsOther = [/[@,:]/u, /^[+(-]/u, /^[0-9a-f]{32}$/iu, /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/iu];

/** Names of mailboxes (RFC 2142) and roles that people trust, and words that programs read as something else. */
const reserved = [
  ...[
    'abuse',
    'hostmaster',
    'info',
    'marketing',
    'news',
    'noc',
    'postmaster',
    'sales',
    'security',
    'support',
    'usenet',
  ],
  ...[
    'webmaster',
    'www',
    'admin',
    'administrator',
    'administration',
    'root',
    'sysadmin',
    'system',
    'superuser',
    'sudo',
  ],
  ...['moderator', 'operator', 'owner', 'staff', 'team', 'official', 'service', 'services', 'helpdesk', 'help', 'vyry'],
  ...['contact', 'billing', 'noreply', 'no-reply', 'mailer-daemon', 'daemon', 'bot', 'guest', 'anonymous', 'nobody'],
  ...['everyone', 'everybody', 'all', 'here', 'me', 'self', 'null', 'undefined', 'nil', 'none', 'unknown', 'deleted'],
];

/**
 * Returns whether a user may choose a text as user name: a user part with a letter, with at most one of the scripts
 * Latin, Cyrillic and Greek, not mixed with right-to-left letters (RFC 8265 section 3.1, UTS #39 section 5), and
 * nothing that a look-up reads as an address, a number, an id or an option.
 */
export function isUsername(text: string): boolean {
  const name = text.normalize('NFC');
  return (
    isUserPart(text) &&
    /\p{L}/u.test(name) &&
    !readsAsOther.some((form) => form.test(name)) &&
    notMixed.filter((script) => script.test(name)).length <= 1 &&
    (!rightToLeft.test(name) || !leftToRight.test(name))
  );
}

/** Returns whether a text can be the user name of an account: what a user chooses, or a directory gives. */
export function isDirectoryName(text: string): boolean {
  return text.length <= directoryNameMax && text.split(' ').every(isUserPart);
}

/** Returns a directory name with single blanks between its parts: more are the same name (RFC 4518 section 2.6.1). */
export function cleanDirectoryName(text: string): string {
  return cleanText(text).replace(/\p{Zs}+/gu, ' ');
}

/** As many as a log-in accepts. */
const directoryNameMax = 256;

/** Judges the text as it was typed: normalization would turn the Kelvin sign into a letter K. */
function isUserPart(name: string): boolean {
  if (name === '' || /^\p{M}/u.test(name) || arabicDigits.every((digits) => digits.test(name))) return false;
  const others = Object.entries(inContext).reduce((rest, [sign, context]) => {
    return rest.includes(sign) ? rest.replace(context, '') : rest;
  }, name);
  return [...others].every(isValid);
}

/** The decision of RFC 8264 section 8, without the code points that need a context. */
function isValid(character: string): boolean {
  if (exceptionsValid.test(character)) return true;
  if (exceptionsRefused.test(character)) return false;
  if (/^[\x21-\x7e]$/.test(character)) return true;
  if (oldHangulJamo.test(character) || /\p{Default_Ignorable_Code_Point}/u.test(character)) return false;
  return letterDigits.test(character) && character.normalize('NFKC') === character;
}

/**
 * Returns the skeleton of a user name: names with the same skeleton look alike. Upper and lower case are equal, as in
 * every comparison of user names.
 */
export function skeletonOf(username: string): string {
  const letters = [...username.normalize('NFC').toLowerCase().normalize('NFD')];
  return letters.map(prototypeOf).join('').normalize('NFD');
}

const reservedSkeletons = new Set(reserved.map(skeletonOf));

/** Returns whether a user name is, or looks like, one that only operators may give. */
export function isReserved(username: string): boolean {
  return reservedSkeletons.has(skeletonOf(username));
}
