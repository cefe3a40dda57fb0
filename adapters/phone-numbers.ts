/** Telephone numbers: ITU-T E.164 by libphonenumber's full metadata. Pure; nothing is asked. */
import { type CountryCode, type NumberType, parsePhoneNumberWithError } from 'libphonenumber-js/max';

/** A number in the one form that is stored and compared. */
export interface PhoneNumber {
  /** E.164: a plus sign and up to 15 digits. */
  e164: string;
  /** ISO 3166 country; absent for numbers of no country. */
  country?: string;
  /** Digits of the country code. */
  callingCode: string;
}

/** Why no code is sent to a number that exists. */
export type PhoneRefusal = 'number-not-supported' | 'country-not-allowed';

/** Kinds of numbers that cost more than a message, or that no person carries along. */
const typesRefused: readonly NumberType[] = [
  'PREMIUM_RATE',
  'SHARED_COST',
  'PERSONAL_NUMBER',
  'UAN',
  'VOICEMAIL',
  'PAGER',
];
/** Codes of no country: free and shared-cost lines, ships, personal numbers, satellites, networks, relief (ITU-T E.164). */
const callingCodesRefused = ['800', '808', '870', '878', '881', '882', '883', '888', '979'];
/** Premium and personal ranges, also where a number in them was never given out. */
const rangesRefused = ['+1900', '+4470'];

/** Words and parameters (RFC 3966), such as an extension: they say more than a number. */
const notInNumber = /[\p{L};=]/u;

/**
 * Normalises a number as people write it, in digits and marks; undefined when it is none that can exist.
 *
 * @param region country of numbers without a country code; without it they are refused
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
 * Why a number gets no codes; undefined when it may. Where countries are listed, a number has to be of one of them: +1 is
 * told apart by area code, and a number of no country is of none of them.
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
