import { z } from 'zod';
import type { LimitVariable, Window } from '../../domain/limits.ts';
import type { Variable } from './variable.ts';

/** `5/3600,10/86400` means at most 5 in an hour and at most 10 in a day. */
const windows = z
  .string()
  .regex(/^\d{1,7}\/\d{1,7}(,\d{1,7}\/\d{1,7}){0,3}$/, 'must be one to four of number/seconds, separated by commas')
  .transform((value): Window[] =>
    value.split(',').map((item) => {
      const [max = 0, windowSeconds = 0] = item.split('/').map(Number);
      return { max, windowSeconds };
    }),
  )
  .refine(
    (read) => read.every(({ max, windowSeconds }) => max > 0 && windowSeconds > 0 && windowSeconds <= 604_800),
    'must have numbers above 0 and at most 604800 seconds',
  );

/** The row of a limit. */
const limit = (about: string, fallback: string) => ({
  about: `${about}: number/seconds, separated by commas; all windows apply`,
  roles: ['api'] as const,
  schema: windows,
  default: fallback,
});

/** An amount in thousandths of the currency, so that sums are exact. */
const money = z
  .string()
  .regex(/^\d{1,9}(\.\d{1,3})?$/, 'must be an amount such as 0.075')
  .transform((value) => Math.round(Number(value) * 1000));

/** `0.1,GB:0.04,+1:0.01`: the first price applies to every country that is not listed. */
const prices = z
  .string()
  .regex(
    /^\d{1,6}(\.\d{1,3})?(,([A-Z]{2}|\+\d{1,3}):\d{1,6}(\.\d{1,3})?)*$/,
    'must be a price and, after commas, prices by country such as GB:0.04 or +44:0.04',
  )
  .transform((value) => {
    const [first = '0', ...named] = value.split(',');
    return {
      usual: money.parse(first),
      byCountry: new Map(named.map((item) => [item.split(':')[0] ?? '', money.parse(item.split(':')[1])])),
    };
  });

/** Variables of the limits on codes, attempts, requests and costs. */
export const limitVariables = {
  LIMIT_SENDS_PER_NUMBER: {
    ...limit(
      'codes and recovery links by SMS and voice to one phone number, over registrations, log-ins, recoveries, PIN resets and changes',
      '2/30,10/3600,20/86400',
    ),
    // recoveries find the number only there
    roles: ['api', 'delivery'],
  },
  LIMIT_SENDS_PER_MAILBOX: limit('codes by e-mail to one mailbox', '10/3600,20/86400'),
  LIMIT_UNPROVEN_SENDS_PER_PREFIX: limit(
    'codes to one block of 10,000 numbers since a code was last entered correctly; further codes pause the block',
    '20/3600',
  ),
  LIMIT_SENDS_WITHOUT_CAPTCHA_PER_PREFIX: limit(
    'codes to one block of 10,000 numbers since a code was last entered correctly; further codes need a captcha each',
    '10/3600',
  ),
  LIMIT_SENDS_PER_ADDRESS: limit('codes requested by one IPv4 address or IPv6 /64', '100/3600,500/86400'),
  LIMIT_SENDS_PER_PREFIX: limit('codes to one block of 10,000 numbers', '300/3600,1500/86400'),
  LIMIT_SENDS_PER_COUNTRY: limit('codes to the numbers of one country', '10000/3600,50000/86400'),
  LIMIT_SENDS: limit('codes in total', '20000/3600,100000/86400'),
  LIMIT_WRONG_CODES_PER_NUMBER: limit(
    'wrong codes for one phone number, over all its registrations',
    '15/3600,40/86400',
  ),
  LIMIT_WRONG_CODES_PER_MAILBOX: limit('wrong codes for one mailbox, over all its registrations', '15/3600,40/86400'),
  LIMIT_WRONG_CODES_PER_ADDRESS: limit('wrong codes from one IPv4 address or IPv6 /64', '100/3600,300/86400'),
  LIMIT_WRONG_CODES_PER_PREFIX: limit('wrong codes for one block of 10,000 numbers', '500/3600'),
  LIMIT_WRONG_CODES: limit('wrong codes in total', '5000/3600'),
  LIMIT_WRONG_CODE_SHARE_PER_ADDRESS: limit(
    'wrong codes from one IPv4 address or IPv6 /64, unless it entered as many correct ones',
    '20/3600',
  ),
  LIMIT_WRONG_CODE_SHARE: limit(
    'wrong codes in total, unless as many were correct; above it, LIMIT_WRONG_CODES_WHILE_GUESSED applies to each address',
    '500/600',
  ),
  LIMIT_WRONG_CODES_WHILE_GUESSED: limit(
    'wrong codes from one IPv4 address or IPv6 /64 while LIMIT_WRONG_CODE_SHARE is exceeded',
    '1/60',
  ),
  LIMIT_REGISTRATIONS_PER_ADDRESS: limit(
    'registrations started by one IPv4 address or IPv6 /64',
    '200/3600,1000/86400',
  ),
  LIMIT_LOGINS_PER_NAME: limit(
    'log-ins by code for one user name, number or e-mail address, known or not',
    '10/3600,30/86400',
  ),
  LIMIT_LOGINS_PER_ADDRESS: limit('log-ins by code from one IPv4 address or IPv6 /64', '100/3600,500/86400'),
  LIMIT_LOGINS_WITHOUT_CAPTCHA_PER_NAME: limit(
    'log-ins by code for one user name, number or e-mail address without a captcha, since the last one that succeeded',
    '3/3600',
  ),
  LIMIT_WRONG_PASSWORDS_PER_NAME: limit(
    'wrong passwords for one account, by whichever identifier, or for one unknown identifier',
    '10/900,50/86400',
  ),
  LIMIT_WRONG_PASSWORDS_PER_ADDRESS: limit(
    'wrong passwords from one IPv4 address or IPv6 /64, at log-ins and at the directory',
    '30/300,100/3600,300/86400',
  ),
  LIMIT_WRONG_PASSWORDS: limit('wrong passwords in total, at log-ins and at the directory', '5000/3600'),
  LIMIT_RECOVERIES_PER_NAME: limit(
    'password recoveries requested for one user name, number or e-mail address, known or not',
    '3/3600,10/86400',
  ),
  LIMIT_RECOVERIES_PER_ADDRESS: limit(
    'password recoveries requested from one IPv4 address or IPv6 /64',
    '30/3600,100/86400',
  ),
  LIMIT_WRONG_PINS_PER_PERSON: limit('wrong PINs for one user', '10/86400'),
  LIMIT_CONTACT_CHANGES_PER_PERSON: limit(
    'codes that one user requests for a new number or address',
    '5/3600,10/86400',
  ),
  LIMIT_EXPORTS_PER_PERSON: limit('data exports of one user', '5/86400'),
  LIMIT_KEY_UPLOADS: limit('uploads of keys by one device', '10/60,100/3600'),
  LIMIT_KEYS_PER_PAIR: limit(
    'fetches of the keys of one user by another; with 6/3600 one more is possible every 10 minutes. One window only',
    '6/3600',
  ),
  LIMIT_KEYS_PER_CALLER: limit('fetches of keys by one user', '300/3600'),
  LIMIT_KEYS_PER_TARGET: limit(
    'fetches of the keys of one user by all; further answers have no one-time keys',
    '60/3600',
  ),
  LIMIT_LINKS_PER_ADDRESS: limit(
    'links of new devices that are open from one IPv4 address or IPv6 /64; a link lives 180 seconds',
    '3/180',
  ),
  LIMIT_APPROVALS_PER_PERSON: limit('requests for approval that are open for one user', '3/180'),
  LIMIT_PUSH_TESTS_PER_DEVICE: limit('tests of push by one device', '5/60'),
  LIMIT_REQUESTS_PER_ADDRESS: {
    ...limit('requests from one IPv4 address or IPv6 /64, except health and metrics', '1200/60'),
    roles: ['api', 'gateway'],
  },
  COST_PER_SMS: {
    about:
      'price of an SMS or voice call, in any currency: the default price, then prices by country, 0.1,GB:0.04,+44:0.04',
    roles: ['api'],
    schema: prices,
    default: '0.1',
  },
  COST_LIMIT_PER_DAY: {
    about:
      'daily budget (UTC) for SMS and voice calls, in the currency of COST_PER_SMS; none are sent once it is spent',
    roles: ['api'],
    schema: money,
    default: '1000',
  },
} satisfies Record<string, Variable> & Record<LimitVariable, Variable>;
