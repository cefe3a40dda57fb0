/** How users are named by others: the one reading of a user name, a number or an address, for every look-up. */
import type { Identifier } from './account.ts';
import { usernameKey } from './identity.ts';
import { cleanDirectoryName, isDirectoryName } from './usernames.ts';

/** The parsers of numbers and addresses, which need tables of the outside world. */
interface IdentifierParsers {
  parseEmailAddress: (text: string) => string | undefined;
  parsePhoneNumber: (text: string) => { e164: string } | undefined;
  startsAsPhoneNumber: (text: string) => boolean;
}

/**
 * Reads a typed identifier as what it is: an address, a number with country code, or else a user name. Returns undefined
 * for a text that is none of them. No user can choose a name that is read as an address or a number.
 */
export function identifierOf(typed: string, parsers: IdentifierParsers): Identifier | undefined {
  const text = cleanDirectoryName(typed);
  const email = text.includes('@') ? parsers.parseEmailAddress(text) : undefined;
  if (email !== undefined) return { kind: 'email', value: email };
  if (parsers.startsAsPhoneNumber(text)) {
    const number = parsers.parsePhoneNumber(text);
    return number && { kind: 'phone', value: number.e164 };
  }
  // a list of addresses is not a user name
  if (text.includes(',') || !isDirectoryName(text)) return undefined;
  return { kind: 'username', value: usernameKey(text) };
}
