/**
 * Rate limits: what is counted, by which key, and what happens when Redis is unavailable.
 *
 * Terminology
 * - window: a maximum number of actions in a sliding number of seconds. A limit has one or more windows; all of them
 *   apply.
 * - key: what an action is counted by. `name` is the account or, without one, the identifier that was typed. `prefix` is a
 *   block of 10,000 numbers. `mailbox` is an e-mail address without the parts that its owner can vary. `address` is an
 *   IPv4 address or the /64 of an IPv6 address, because one host usually controls a whole /64. `pair` is a caller and the
 *   account that the call is about.
 * - refused actions are not counted and do not delay the next allowed one.
 *
 * Numbers and addresses are counted by keyed hashes, countries by their code.
 */
import { type ContactIdentity, countryOf, emailKey, type LimitKeys } from './identity.ts';
import type { Channel } from './verification.ts';

/** A maximum number of actions in a sliding window. */
export interface Window {
  max: number;
  windowSeconds: number;
}

/** Returns how long after one action the next one becomes possible, in milliseconds, where they become so one by one. */
export function spacingMs({ max, windowSeconds }: Window): number {
  return (windowSeconds * 1000) / max;
}

/**
 * An action that limits count. `check`: a wrong code; a right one is refunded. `wrong-code-ratio`: as `check`, but the
 * limit applies only to keys with fewer right codes than its maximum in these windows. `throttle`: a wrong code while
 * `wrong-code-ratio` is exceeded globally. `captcha-gate`: a send; beyond the limit each send requires a captcha of its
 * own. `login-captcha-gate`: a log-in by code; beyond the limit each one requires a captcha. `password`, `pin`: a wrong
 * one; a right one is refunded. `key-hand-out`: as `key-fetch`, but beyond the limit the answer has no one-time keys.
 */
export type LimitedAct =
  | 'send'
  | 'captcha-gate'
  | 'check'
  | 'wrong-code-ratio'
  | 'throttle'
  | 'registration'
  | 'login'
  | 'login-captcha-gate'
  | 'password'
  | 'pin'
  | 'recovery'
  | 'contact-change'
  | 'export'
  | 'key-upload'
  | 'key-fetch'
  | 'key-hand-out'
  | 'link'
  | 'approval'
  | 'push-test'
  | 'request';

/** What a limit counts by. */
export type LimitKey = 'number' | 'mailbox' | 'prefix' | 'country' | 'name' | 'device' | 'pair' | 'address' | 'all';

/** What a limit counts, and how. */
export interface LimitRow {
  act: LimitedAct;
  key: LimitKey;
  /** Environment variable that configures its windows. */
  variable: `LIMIT_${string}`;
  /** When Redis is unavailable: `closed` refuses with 503, `open` allows the action. */
  away: 'open' | 'closed';
  /**
   * Used-up actions become possible again one by one, each after its part of the window, as in a leaky bucket. For a
   * limit with one window.
   */
  isGradual?: true;
}

/** All limits by the name that refused callers see. Within an action, narrower limits come first. */
export const limits = {
  // closed: each send costs money and disturbs its recipient
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
  // closed: without these limits six digits can be guessed
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
  // closed: these limits detect guessing of many users' codes with few attempts each
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
  // closed: each registration starts a workflow and needs Redis anyway
  'registrations-per-address': {
    act: 'registration',
    key: 'address',
    variable: 'LIMIT_REGISTRATIONS_PER_ADDRESS',
    away: 'closed',
  },
  // closed: each log-in starts a workflow and, for a known user, sends a code
  'logins-per-name': { act: 'login', key: 'name', variable: 'LIMIT_LOGINS_PER_NAME', away: 'closed' },
  'logins-per-address': { act: 'login', key: 'address', variable: 'LIMIT_LOGINS_PER_ADDRESS', away: 'closed' },
  // closed: beyond it only a captcha keeps strangers from sending codes in somebody's name
  'logins-without-captcha-per-name': {
    act: 'login-captcha-gate',
    key: 'name',
    variable: 'LIMIT_LOGINS_WITHOUT_CAPTCHA_PER_NAME',
    away: 'closed',
  },
  // closed: without these limits passwords can be guessed
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
  // closed: each recovery starts a workflow and, for a known user, sends a message
  'recoveries-per-name': { act: 'recovery', key: 'name', variable: 'LIMIT_RECOVERIES_PER_NAME', away: 'closed' },
  'recoveries-per-address': {
    act: 'recovery',
    key: 'address',
    variable: 'LIMIT_RECOVERIES_PER_ADDRESS',
    away: 'closed',
  },
  // closed: each change sends a code to the number or address that was typed
  'contact-changes-per-person': {
    act: 'contact-change',
    key: 'name',
    variable: 'LIMIT_CONTACT_CHANGES_PER_PERSON',
    away: 'closed',
  },
  // closed: each export reads every store
  'exports-per-person': { act: 'export', key: 'name', variable: 'LIMIT_EXPORTS_PER_PERSON', away: 'closed' },
  // closed: each link is a chance to show somebody a QR code; one that has ended is refunded
  'links-per-address': { act: 'link', key: 'address', variable: 'LIMIT_LINKS_PER_ADDRESS', away: 'closed' },
  // closed: each approval disturbs every device of a user
  'approvals-per-person': { act: 'approval', key: 'name', variable: 'LIMIT_APPROVALS_PER_PERSON', away: 'closed' },
  // closed: each test calls a push provider, whose server the caller may have chosen
  'push-tests-per-device': {
    act: 'push-test',
    key: 'name',
    variable: 'LIMIT_PUSH_TESTS_PER_DEVICE',
    away: 'closed',
  },
  // closed: without this limit the few digits of a PIN can be guessed
  'wrong-pins-per-person': { act: 'pin', key: 'name', variable: 'LIMIT_WRONG_PINS_PER_PERSON', away: 'closed' },
  // closed: each upload verifies up to 102 signatures
  'key-uploads': { act: 'key-upload', key: 'device', variable: 'LIMIT_KEY_UPLOADS', away: 'closed' },
  // closed: without these limits one-time keys can be drained
  'keys-per-pair': {
    act: 'key-fetch',
    key: 'pair',
    variable: 'LIMIT_KEYS_PER_PAIR',
    away: 'closed',
    isGradual: true,
  },
  'keys-per-caller': { act: 'key-fetch', key: 'name', variable: 'LIMIT_KEYS_PER_CALLER', away: 'closed' },
  'keys-per-target': { act: 'key-hand-out', key: 'name', variable: 'LIMIT_KEYS_PER_TARGET', away: 'closed' },
  // open: it protects neither money nor secrets; actions that cost money or check secrets have limits of their own
  'requests-per-address': { act: 'request', key: 'address', variable: 'LIMIT_REQUESTS_PER_ADDRESS', away: 'open' },
} as const satisfies Record<string, LimitRow>;

/** The name of a limit. */
export type LimitName = keyof typeof limits;
/** The environment variable of a limit. */
export type LimitVariable = (typeof limits)[LimitName]['variable'];

/** The limit that every request consumes. */
export const requestLimit = 'requests-per-address' satisfies LimitName;

/** Returns the limits of an action for the given keys, narrower ones first. */
export function limitsOf(act: LimitedAct, keys: Partial<Record<LimitKey, string>>): { name: LimitName; key: string }[] {
  return (limitsByAct.get(act) ?? []).flatMap(([name, row]) => {
    const key = keys[row.key];
    return key === undefined ? [] : [{ name, key }];
  });
}

const limitsByAct = Map.groupBy(Object.entries(limits) as [LimitName, LimitRow][], ([, { act }]) => act);

/** The name of the limit of wrong passwords by directory entry. */
export const directoryTriesLimit = 'directory-tries';

/**
 * Returns the limit of wrong passwords at the directory: of a user name, in the form in which directories compare it, and
 * of the entry that was found, whose user names may be several.
 */
export function directoryTries(config: { DIRECTORY_TRIES: number; DIRECTORY_WINDOW: number }): {
  name: string;
  windows: Window[];
} {
  return {
    name: directoryTriesLimit,
    windows: [{ max: config.DIRECTORY_TRIES, windowSeconds: config.DIRECTORY_WINDOW }],
  };
}

/** Returns the keys that actions on an identity are counted by. `hash` is keyed and separates the kinds. */
export function limitKeysOf(identity: ContactIdentity, hash: (kind: string, text: string) => string): LimitKeys {
  const { phone, email } = identity;
  const country = countryOf(identity);
  return {
    ...(phone !== undefined && { number: hash('number', phone), prefix: hash('prefix', blockOf(phone)) }),
    ...(country !== undefined && { country }),
    ...(email !== undefined && { mailbox: hash('mailbox', mailboxOf(email)) }),
  };
}

/** Returns the keys that apply to the given channels: an action by e-mail does not count against the number. */
export function keysOfChannels(keys: LimitKeys, channels: readonly (Channel | 'voice')[]): LimitKeys {
  const { mailbox, ...telephone } = keys;
  return {
    ...(channels.some((channel) => channel !== 'email') && telephone),
    ...(channels.includes('email') && mailbox !== undefined && { mailbox }),
  };
}

/** Returns the prefix of an E.164 number: its block of 10,000 numbers. */
function blockOf(e164: string): string {
  return e164.slice(0, -4);
}

/**
 * Returns the mailbox of an address: lower case, without the plus suffix, and without dots for Gmail, which ignores
 * them.
 */
function mailboxOf(email: string): string {
  const [local = '', domain = ''] = emailKey(email).split('@');
  const cipher = local.split('+')[0] || local;
  const isGmail = ['gmail.com', 'googlemail.com'].includes(domain);
  return isGmail ? `${cipher.replaceAll('.', '')}@gmail.com` : `${cipher}@${domain}`;
}

/** What limits tell a caller, who may not have caused them: no limit of many people says "too many attempts". */
const sentences: Record<string, string> = {
  'sends-per-number': 'Too many codes were requested for this number',
  'sends-per-mailbox': 'Too many codes were requested for this address',
  'unproven-sends-per-prefix': 'No codes can be sent to this number at the moment',
  'sends-without-captcha-per-prefix': 'Solve a captcha and send it with the request, or wait',
  'sends-per-address': 'Too many codes were requested from your network',
  'sends-per-prefix': 'No codes can be sent to this number at the moment',
  'sends-per-country': 'No codes can be sent to this number at the moment',
  sends: 'No codes can be sent at the moment',
  'cost-per-day': 'No more codes can be sent by SMS or call today; use e-mail if you can',
  'code-resend': 'A code was sent a moment ago; wait for it to arrive',
  'wrong-codes-per-number': 'Too many wrong codes were entered for this number',
  'wrong-codes-per-mailbox': 'Too many wrong codes were entered for this address',
  'wrong-codes-per-address': 'Too many wrong codes were entered from your network',
  'wrong-codes-per-prefix': 'Codes for this number cannot be checked at the moment',
  'wrong-codes': 'Codes cannot be checked at the moment',
  'wrong-code-share-per-address': 'Too many wrong codes were entered from your network',
  'wrong-codes-while-guessed': 'Codes from your network cannot be checked at the moment',
  'registrations-per-address': 'Too many registrations were started from your network',
  'logins-per-name': 'Too many log-ins by code were begun with this name',
  'logins-without-captcha-per-name': 'Solve a captcha and send it with the request, or wait',
  'logins-per-address': 'Too many log-ins by code were begun from your network',
  'wrong-passwords-per-name': 'Too many wrong passwords were entered; a log-in by code may still work',
  'wrong-passwords-per-address': 'Too many wrong passwords were entered from your network',
  'wrong-passwords': 'Passwords cannot be checked at the moment; a log-in by code may still work',
  'directory-tries': 'Too many wrong passwords were entered for this name',
  'recoveries-per-name': 'A message was sent already; look for it in your mailbox and on your telephone',
  'recoveries-per-address': 'Too many recoveries were requested from your network',
  'passwords-of-recovery': 'Too many passwords were refused; request a new message',
  'contact-changes-per-person': 'Too many changes of your number or address were begun',
  'exports-per-person': 'Too many exports were requested',
  'key-uploads': 'Keys of this device were uploaded too often',
  'keys-per-pair': 'The keys of this user were requested too often',
  'keys-per-caller': 'Keys were requested too often',
  'keys-per-target': 'The one-time keys of this user were requested too often',
  'push-tests-per-device': 'Too many tests of push were requested for this device',
  'messages-per-device': 'This device sends too many messages',
  'messages-per-pair': 'Too many messages were sent to this user',
  'messages-per-recipient': 'This user gets too many messages at the moment',
  inbox: 'The inbox of this user is full',
  'wrong-pins-per-person': 'Too many wrong PINs were entered',
  'links-per-address': 'Several devices of your network wait to be linked; finish or deny one',
  'approvals-per-person': 'Several requests for approval are open; answer or deny one',
  'links-after-report': 'A request from your network was reported',
  'requests-per-address': 'Too many requests come from your network',
  'requests-per-connection': 'Too many requests were sent by this connection',
  'sockets-per-address': 'Too many connections are open from your network',
  'sockets-per-person': 'Too many connections of this account are open',
  'pin-reset-after-recovery': 'This channel has just proven who you are; use another channel',
};

/**
 * Returns what a limit tells the caller, and what to do next.
 *
 * @param seconds until the next attempt; undefined when waiting does not help
 */
export function refusalSentence(limit: string, seconds: number | undefined): string {
  const sentence = sentences[limit] ?? 'Too many attempts';
  return `${sentence}; ${seconds === undefined ? 'no more are possible, so start again' : `try again in ${duration(seconds)}`}`;
}

function duration(seconds: number): string {
  if (seconds < 120) return seconds === 1 ? '1 second' : `${seconds} seconds`;
  const minutes = Math.ceil(seconds / 60);
  return minutes < 120 ? `${minutes} minutes` : `${Math.ceil(minutes / 60)} hours`;
}
