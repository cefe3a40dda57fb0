/** Phone numbers: ITU-T E.164, with the full metadata of libphonenumber. Pure functions without network access. */
import { type CountryCode, type NumberType, parsePhoneNumberWithError } from 'libphonenumber-js/max';
import { currentNumber } from '../domain/renumbered-numbers.ts';
import { asciiDigits, cleanText } from '../domain/text.ts';

/** A phone number in the canonical form that is stored and compared. */
export interface PhoneNumber {
  /** E.164: a plus sign and up to 15 digits. */
  e164: string;
  /** ISO 3166 country; absent for numbers that belong to no country. */
  country?: string;
  /** Country calling code, digits only. */
  callingCode: string;
}

/** Why codes are not sent to a valid number. */
export type PhoneRefusal = 'number-not-supported' | 'country-not-allowed';

/** Number types that are expensive or not personal phones. */
const typesRefused: readonly NumberType[] = [
  'PREMIUM_RATE',
  'SHARED_COST',
  'PERSONAL_NUMBER',
  'UAN',
  'VOICEMAIL',
  'PAGER',
];
/** Calling codes of no country (ITU-T E.164): toll-free, shared-cost, ships, personal, satellites, networks, relief. */
const callingCodesRefused = ['800', '808', '870', '878', '881', '882', '883', '888', '979'];
/** Premium-rate and personal-number ranges, including unassigned numbers. */
const rangesRefused = ['+1900', '+4470'];

/** Letters and parameters (RFC 3966), such as an extension. */
const notInNumber = /[\p{L};=]/u;

/**
 * Parses a phone number in the usual notations, as typed, pasted or stored in a directory. A number of before a change
 * of its country's numbering plan becomes the one of today. Returns undefined if such a number cannot exist.
 *
 * @param region country of numbers without a country code; without it, such numbers are refused
 */
export function parsePhoneNumber(text: string, region?: string): PhoneNumber | undefined {
  const plain = plainNumber(text);
  if (notInNumber.test(plain)) return undefined;
  try {
    const typed = parsePhoneNumberWithError(plain, {
      extract: false,
      ...(region && { defaultCountry: region as CountryCode }),
    });
    const number = parsePhoneNumberWithError(currentNumber(typed.number), { extract: false });
    if (!number.isPossible() || typed.ext !== undefined) return undefined;
    return {
      e164: number.number,
      callingCode: number.countryCallingCode,
      ...(number.country && { country: number.country }),
    };
  } catch {
    return undefined;
  }
}

/** Returns whether a text begins as a number with a country code, so that it is nothing else. */
export function startsAsPhoneNumber(text: string): boolean {
  return plainNumber(text).startsWith('+');
}

/** Without what copying adds: invisible marks, the scheme of a link (RFC 3966), brackets around the country code. */
function plainNumber(text: string): string {
  return asciiDigits(cleanText(text))
    .replace(/^tel:\s*/i, '')
    .replace(/^([(（]?)\s*[+＋]/u, '$1+')
    .replace(/^[(（]\s*(\+\s*\d{1,3})\s*[)）]/u, '$1 ');
}

/**
 * Returns why codes are not sent to a number, or undefined if they are. If `countriesAllowed` is not empty, the number
 * must belong to one of them: numbers of +1 are distinguished by area code, and numbers of no country are refused.
 */
export function phoneRefusal(number: PhoneNumber, countriesAllowed: readonly string[]): PhoneRefusal | undefined {
  const type = parsePhoneNumberWithError(number.e164, { extract: false }).getType();
  const isRefused =
    (type !== undefined && typesRefused.includes(type)) ||
    callingCodesRefused.includes(number.callingCode) ||
    rangesRefused.some((range) => number.e164.startsWith(range));
  if (isRefused) return 'number-not-supported';
  const isAllowed = countriesAllowed.length === 0 || countriesAllowed.includes(number.country ?? '');
  return isAllowed ? undefined : 'country-not-allowed';
}
