/** Telephone numbers, e-mail addresses and user names that users give, in their normal form. */
import { parseEmailAddress } from '../adapters/email-addresses.ts';
import { type PhoneNumber, parsePhoneNumber, phoneRefusal } from '../adapters/phone-numbers.ts';
import { usernameKey } from '../domain/identity.ts';
import { isReserved } from '../domain/usernames.ts';
import { malformed } from './parse.ts';

/** Parses a number that codes can be sent to. @throws {Failure} malformed */
export function phoneOf(text: string, countriesAllowed: readonly string[]): PhoneNumber {
  const number = parsePhoneNumber(text);
  const refusal = number && phoneRefusal(number, countriesAllowed);
  if (refusal === 'country-not-allowed')
    throw malformed('phone', 'country-not-allowed: codes are not sent to this country');
  if (refusal) throw malformed('phone', 'number-not-supported: codes are not sent to this type of number');
  if (number !== undefined) return number;
  throw malformed('phone', 'must be a telephone number with country code, such as +447700900101');
}

/** Parses one e-mail address. @throws {Failure} malformed */
export function emailOf(text: string): string {
  const email = parseEmailAddress(text);
  if (email !== undefined) return email;
  throw malformed('email', 'must be one e-mail address');
}

/** Returns the form of a chosen user name that is stored. @throws {Failure} malformed, when it is reserved */
export function usernameOf(text: string): string {
  if (!isReserved(text)) return usernameKey(text);
  throw malformed('username', 'is reserved, or looks like a reserved name; choose another');
}
