/** The identifier that a user types at a log-in, parsed without a look-up. */
import { parseEmailAddress } from '../../adapters/email-addresses.ts';
import { parsePhoneNumber, startsAsPhoneNumber } from '../../adapters/phone-numbers.ts';
import type { Identifier } from '../../domain/account.ts';
import { identifierOf } from '../../domain/identifiers.ts';
import { emailKey } from '../../domain/identity.ts';
import type { Channel } from '../../domain/verification.ts';
import { notePerson } from '../../platform/log.ts';
import type { ApiDeps } from '../deps.ts';
import { malformed } from '../parse.ts';

/**
 * Parses a user name, a number with country code or an e-mail address, in any spelling.
 *
 * @throws {Failure} malformed
 */
export function readIdentifier(typed: string): Identifier {
  const identifier = identifierOf(typed, { parseEmailAddress, parsePhoneNumber, startsAsPhoneNumber });
  if (identifier !== undefined) {
    const country = identifier.kind === 'phone' ? parsePhoneNumber(identifier.value)?.country : undefined;
    notePerson({ identity: identifier.value, country });
    return identifier;
  }
  throw malformed('identifier', 'must be a user name, a telephone number with country code or an e-mail address');
}

/** Returns the limit key of attempts with an identifier, whether or not it has an account. */
export function nameKeyOf({ limitHash }: Pick<ApiDeps, 'limitHash'>, { kind, value }: Identifier): string {
  return limitHash('name', `${kind} ${kind === 'email' ? emailKey(value) : value}`);
}

/** Returns the default channel of a code: by the typed identifier, so that it reveals nothing about the account. */
export function usualChannel({ kind }: Identifier): Channel {
  return kind === 'email' ? 'email' : 'sms';
}
