/** Telephone numbers: ITU-T E.164 by libphonenumber's full metadata. Pure; nothing is asked. */
import { type CountryCode, parsePhoneNumberWithError } from 'libphonenumber-js/max';

/** A number in the one form that is stored and compared. */
export interface PhoneNumber {
  /** E.164: a plus sign and up to 15 digits. */
  e164: string;
  /** ISO 3166 country; absent for numbers of no country. */
  country?: string;
  /** Digits of the country code. */
  callingCode: string;
}

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
