/**
 * Limits: what is counted, for whom, and what happens when the counter is away.
 *
 * Terminology
 * - window: so many acts in so many seconds, sliding; a limit has one or more, and all of them hold.
 * - key: what an act is counted for. `name` is what somebody typed to name a person, known or not, `prefix` is a block of 10,000 numbers, `mailbox` an e-mail address without what its
 *   owner may vary, `address` an IPv4 address or the /64 of an IPv6 one: whoever has one address of a /64 has them all.
 * - a refused act is counted nowhere and never moves the time of the next one.
 *
 * Numbers and addresses are counted by keyed hashes; a country by its name.
 */
import { countryOf, emailKey, type Identity, type LimitKeys } from './registration.ts';
import type { Channel } from './verification.ts';

/** So many acts in so many seconds. */
export interface Window {
  max: number;
  windowSeconds: number;
}

/**
 * `check`: a wrong code; a right one is given back. `guess`: the same, but whoever has typed as many right ones in these
 * windows is spared. `slow`: a wrong code while somebody guesses. `watch`: a send; beyond, each needs a captcha of its own.
 * `password`, `pin`: a wrong one, as `check`.
 */
export type LimitedAct =
  | 'send'
  | 'captcha-gate'
  | 'check'
  | 'wrong-code-ratio'
  | 'throttle'
  | 'registration'
  | 'login'
  | 'password'
  | 'pin'
  | 'recovery'
  | 'contact-change'
  | 'export'
  | 'request';

export type LimitKey = 'number' | 'mailbox' | 'prefix' | 'country' | 'name' | 'address' | 'all';

interface LimitRow {
  act: LimitedAct;
  key: LimitKey;
  /** The configuration of its windows. */
  variable: `LIMIT_${string}`;
  /** With Redis away: `closed` refuses with 503, `open` lets through. */
  away: 'open' | 'closed';
}

/** Every limit by the name that a refused caller is told; of one act, the narrow ones first. */
export const limits = {
  // closed: each send costs money and wakes a person up
  'sends-per-number': { act: 'send', key: 'number', variable: 'LIMIT_SENDS_PER_NUMBER', away: 'closed' },
  'sends-per-mailbox': { act: 'send', key: 'mailbox', variable: 'LIMIT_SENDS_PER_MAILBOX', away: 'closed' },
  'unproven-sends-per-prefix': {
    act: 'send',
    key: 'prefix',
    variable: 'LIMIT_UNPROVEN_SENDS_PER_PREFIX',
    away: 'closed',
  },
  'sends-without-captcha-per-prefix': {
    act: 'captcha-gate',
    key: 'prefix',
    variable: 'LIMIT_SENDS_WITHOUT_CAPTCHA_PER_PREFIX',
    away: 'closed',
  },
  'sends-per-address': { act: 'send', key: 'address', variable: 'LIMIT_SENDS_PER_ADDRESS', away: 'closed' },
  'sends-per-prefix': { act: 'send', key: 'prefix', variable: 'LIMIT_SENDS_PER_PREFIX', away: 'closed' },
  'sends-per-country': { act: 'send', key: 'country', variable: 'LIMIT_SENDS_PER_COUNTRY', away: 'closed' },
  sends: { act: 'send', key: 'all', variable: 'LIMIT_SENDS', away: 'closed' },
  // closed: without them six digits can be guessed
  'wrong-codes-per-number': { act: 'check', key: 'number', variable: 'LIMIT_WRONG_CODES_PER_NUMBER', away: 'closed' },
  'wrong-codes-per-mailbox': {
    act: 'check',
    key: 'mailbox',
    variable: 'LIMIT_WRONG_CODES_PER_MAILBOX',
    away: 'closed',
  },
  'wrong-codes-per-address': {
    act: 'check',
    key: 'address',
    variable: 'LIMIT_WRONG_CODES_PER_ADDRESS',
    away: 'closed',
  },
  'wrong-codes-per-prefix': { act: 'check', key: 'prefix', variable: 'LIMIT_WRONG_CODES_PER_PREFIX', away: 'closed' },
  'wrong-codes': { act: 'check', key: 'all', variable: 'LIMIT_WRONG_CODES', away: 'closed' },
  // closed: they find whoever guesses at many people, few times each
  'wrong-code-share-per-address': {
    act: 'wrong-code-ratio',
    key: 'address',
    variable: 'LIMIT_WRONG_CODE_SHARE_PER_ADDRESS',
    away: 'closed',
  },
  'wrong-code-share': { act: 'wrong-code-ratio', key: 'all', variable: 'LIMIT_WRONG_CODE_SHARE', away: 'closed' },
  'wrong-codes-while-guessed': {
    act: 'throttle',
    key: 'address',
    variable: 'LIMIT_WRONG_CODES_WHILE_GUESSED',
    away: 'closed',
  },
  // closed: each starts a workflow; the registration itself needs Redis in any case
  'registrations-per-address': {
    act: 'registration',
    key: 'address',
    variable: 'LIMIT_REGISTRATIONS_PER_ADDRESS',
    away: 'closed',
  },
  // closed: each starts a workflow and, for a person who is known, sends a code
  'logins-per-name': { act: 'login', key: 'name', variable: 'LIMIT_LOGINS_PER_NAME', away: 'closed' },
  'logins-per-address': { act: 'login', key: 'address', variable: 'LIMIT_LOGINS_PER_ADDRESS', away: 'closed' },
  // closed: without them passwords can be guessed
  'wrong-passwords-per-name': {
    act: 'password',
    key: 'name',
    variable: 'LIMIT_WRONG_PASSWORDS_PER_NAME',
    away: 'closed',
  },
  'wrong-passwords-per-address': {
    act: 'password',
    key: 'address',
    variable: 'LIMIT_WRONG_PASSWORDS_PER_ADDRESS',
    away: 'closed',
  },
  'wrong-passwords': { act: 'password', key: 'all', variable: 'LIMIT_WRONG_PASSWORDS', away: 'closed' },
  // closed: each starts a workflow and, for a person who is known, sends a message
  'recoveries-per-name': { act: 'recovery', key: 'name', variable: 'LIMIT_RECOVERIES_PER_NAME', away: 'closed' },
  'recoveries-per-address': {
    act: 'recovery',
    key: 'address',
    variable: 'LIMIT_RECOVERIES_PER_ADDRESS',
    away: 'closed',
  },
  // closed: each sends a code to whatever number or address was typed
  'contact-changes-per-person': {
    act: 'contact-change',
    key: 'name',
    variable: 'LIMIT_CONTACT_CHANGES_PER_PERSON',
    away: 'closed',
  },
  // closed: each reads every store
  'exports-per-person': { act: 'export', key: 'name', variable: 'LIMIT_EXPORTS_PER_PERSON', away: 'closed' },
  // closed: without it a few digits can be guessed
  'wrong-pins-per-person': { act: 'pin', key: 'name', variable: 'LIMIT_WRONG_PINS_PER_PERSON', away: 'closed' },
  // open: it guards neither money nor secrets, and what does has a limit of its own
  'requests-per-address': { act: 'request', key: 'address', variable: 'LIMIT_REQUESTS_PER_ADDRESS', away: 'open' },
} as const satisfies Record<string, LimitRow>;

export type LimitName = keyof typeof limits;
export type LimitVariable = (typeof limits)[LimitName]['variable'];

/** The limit that every request takes a try of, whatever it asks for. */
export const requestLimit = 'requests-per-address' satisfies LimitName;

/** The limits of an act, for the keys that are given, narrow ones first. */
export function limitsOf(act: LimitedAct, keys: Partial<Record<LimitKey, string>>): { name: LimitName; key: string }[] {
  return (limitsByAct.get(act) ?? []).flatMap(([name, row]) => {
    const key = keys[row.key];
    return key === undefined ? [] : [{ name, key }];
  });
}

const limitsByAct = Map.groupBy(Object.entries(limits) as [LimitName, LimitRow][], ([, { act }]) => act);

/** What acts on an identity are counted under; `hash` is keyed and tells kinds apart. */
export function limitKeysOf(identity: Identity, hash: (kind: string, text: string) => string): LimitKeys {
  const { phone, email } = identity;
  const country = countryOf(identity);
  return {
    ...(phone !== undefined && { number: hash('number', phone), prefix: hash('prefix', blockOf(phone)) }),
    ...(country !== undefined && { country }),
    ...(email !== undefined && { mailbox: hash('mailbox', mailboxOf(email)) }),
  };
}

/** The keys that a channel uses: an act by e-mail never counts against the number. */
export function keysOfChannels(keys: LimitKeys, channels: readonly (Channel | 'voice')[]): LimitKeys {
  const { mailbox, ...telephone } = keys;
  return {
    ...(channels.some((channel) => channel !== 'email') && telephone),
    ...(channels.includes('email') && mailbox !== undefined && { mailbox }),
  };
}

/** The block of 10,000 numbers that an E.164 number is of. */
export function blockOf(e164: string): string {
  return e164.slice(0, -4);
}

/** The mailbox behind an address: lower case, without what follows a plus sign, and without dots where Gmail ignores them. */
export function mailboxOf(email: string): string {
  const [local = '', domain = ''] = emailKey(email).split('@');
  const cipher = local.split('+')[0] || local;
  const isGmail = ['gmail.com', 'googlemail.com'].includes(domain);
  return isGmail ? `${cipher.replaceAll('.', '')}@gmail.com` : `${cipher}@${domain}`;
}

/**
 * The network that an address is counted as: an IPv4 address, also one mapped into IPv6 (RFC 4291 section 2.5.5.2), or
 * the /64 of an IPv6 one.
 */
export function networkOf(address: string): string {
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1];
  if (mapped !== undefined) return mapped;
  if (!address.includes(':')) return address;
  const [head = '', tail] = (address.split('%')[0] ?? '').toLowerCase().split('::');
  const left = head === '' ? [] : head.split(':');
  const right = tail ? tail.split(':') : [];
  const zeros = tail === undefined ? 0 : Math.max(0, 8 - left.length - right.length);
  const groups = [...left, ...Array<string>(zeros).fill('0'), ...right].slice(0, 4);
  return `${groups.map((group) => group.replace(/^0+(?=.)/, '')).join(':')}::/64`;
}
