/** Phone numbers: ITU-T E.164, with the full metadata of libphonenumber. Pure functions without network access. */
import { type CountryCode, type NumberType, parsePhoneNumberWithError } from 'libphonenumber-js/max';

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
 * Parses a phone number in the usual notations. Returns undefined if such a number cannot exist.
 *
 * @param region country of numbers without a country code; without it, such numbers are refused
 */
export function parsePhoneNumber(text: string, region?: string): PhoneNumber | undefined {
  if (notInNumber.test(text)) return undefined;
  try {
    const number = parsePhoneNumberWithError(text, {
      extract: false,
      ...(region && { defaultCountry: region as CountryCode }),
    });
    if (!number.isPossible() || number.ext !== undefined) return undefined;
    return {
      e164: number.number,
      callingCode: number.countryCallingCode,
      ...(number.country && { country: number.country }),
    };
  } catch {
    return undefined;
  }
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
