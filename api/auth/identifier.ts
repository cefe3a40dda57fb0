/** How people name themselves at a log-in, read once, without asking whether there is such a person. */
import { parseEmailAddress } from '../../adapters/email-addresses.ts';
import { parsePhoneNumber } from '../../adapters/phone-numbers.ts';
import type { Identifier } from '../../domain/account.ts';
import { emailKey, isUsername, usernameKey } from '../../domain/registration.ts';
import type { Channel } from '../../domain/verification.ts';
import type { ApiDeps } from '../deps.ts';
import { malformed } from '../parse.ts';

/**
 * Reads a user name, a number with country code or an e-mail address, in any spelling.
 *
 * @throws {Failure} malformed: it is none of the three
 */
export function readIdentifier(typed: string): Identifier {
  const email = typed.includes('@') ? parseEmailAddress(typed) : undefined;
  if (email !== undefined) return { kind: 'email', value: email };
  const number = /^[+＋]/u.test(typed.trim()) ? parsePhoneNumber(typed) : undefined;
  if (number !== undefined) return { kind: 'phone', value: number.e164 };
  // a list of addresses is no name
  if (!typed.includes(',') && isUsername(typed)) return { kind: 'username', value: usernameKey(typed) };
  throw malformed('identifier', 'must be a user name, a telephone number with country code or an e-mail address');
}

/** What tries with an identifier count under, whoever is behind it. */
export function nameKeyOf({ limitHash }: Pick<ApiDeps, 'limitHash'>, { kind, value }: Identifier): string {
  return limitHash('name', `${kind} ${kind === 'email' ? emailKey(value) : value}`);
}

/** The channel of a code when none is asked for: by what was typed, not by what is known of the person. */
export function usualChannel({ kind }: Identifier): Channel {
  return kind === 'email' ? 'email' : 'sms';
}
