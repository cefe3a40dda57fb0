/**
 * Errors of Twilio, by what they are about. An error that is not listed is an outage: Twilio adds codes, and advises against
 * logic on their details. Each code is described at https://www.twilio.com/docs/api/errors/<code>; new codes that were split
 * off from older ones are in https://www.twilio.com/en-us/changelog/updates-to-the-error-code-dictionary-to-clarify-number-validatio
 */

/** About the recipient: no other attempt and no other provider could reach them. The reason is for users and operators. */
const recipientErrors: Readonly<Record<number, string>> = {
  13223: 'number-not-valid',
  13224: 'number-not-valid',
  // a premium number
  21202: 'number-not-reachable',
  21211: 'number-not-valid',
  21214: 'number-not-reachable',
  // the account allows no calls to the country, or no messages (21408): operators choose countries so
  21215: 'country-not-enabled',
  21216: 'number-not-reachable',
  21217: 'number-not-valid',
  // a short code
  21265: 'number-not-valid',
  // our own number
  21266: 'number-not-valid',
  21408: 'country-not-enabled',
  21610: 'recipient-opted-out',
  21612: 'number-not-reachable',
  21614: 'number-not-mobile',
  // a landline in a country where Twilio does not try
  21635: 'number-not-mobile',
  30003: 'number-not-reachable',
  30004: 'message-blocked',
  30005: 'number-not-known',
  30006: 'number-not-mobile',
  30007: 'message-blocked',
  30450: 'fraud-suspected',
};

/** About our account, sender or message: an operator has to change something; meanwhile another provider may send. */
const configurationErrors: ReadonlySet<number> = new Set([
  // the account is not active, or suspended
  10_001, 20_005, 30_002,
  // credentials; 20008 are those for tests
  20_003, 20_008, 20_403,
  // the sender: not valid, not ours, not verified, or not able to send
  21_210, 21_212, 21_213, 21_601, 21_603, 21_606, 21_611, 21_659, 21_660, 21_661,
  // a trial account: an alphanumeric sender, or a recipient who is not verified
  21_267, 21_219, 21_608,
  // a messaging service without senders, or not found
  21_701, 21_703, 21_704, 21_705,
  // the message: empty, too long, or with a callback that is not valid
  21_602, 21_617, 21_609, 21_626,
  // a sender that is not registered for its country: toll-free, 10DLC, alphanumeric
  30_024, 30_032, 30_034, 30_035, 30_038,
]);

/** What an error is about. */
export type TwilioVerdict =
  | { about: 'recipient'; reason: string }
  | { about: 'configuration' }
  /** Twilio is unavailable, slow or limits us: also every error that is not known. */
  | { about: 'outage' };

/** Judges an error by the HTTP status and the code of its answer. */
export function verdictOf({ status, code }: { status?: number; code?: number | string }): TwilioVerdict {
  if (typeof code !== 'number' || status === undefined || status >= 500) return { about: 'outage' };
  const reason = recipientErrors[code];
  if (reason !== undefined) return { about: 'recipient', reason };
  return { about: configurationErrors.has(code) ? 'configuration' : 'outage' };
}
