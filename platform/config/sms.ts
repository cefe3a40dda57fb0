import { readCountryWeights, readWeights } from '../../domain/providers.ts';
import { isFictitious, lastDigitsProvider, readTestNumbers } from '../../domain/test-numbers.ts';
import { optional, optionalSecret, optionalUrl, parsed } from './schemas.ts';
import { Secret } from './secret.ts';
import type { Variable } from './variable.ts';

/** Variables of the providers of SMS and voice calls. */
export const smsVariables = {
  TWILIO_ACCOUNT_SID: {
    about: 'Twilio account SID; no SMS and no voice calls by Twilio when empty',
    roles: ['delivery'],
    schema: optional,
    default: '',
  },
  TWILIO_AUTH_TOKEN: { about: 'Twilio auth token', roles: ['delivery'], schema: optionalSecret, default: '' },
  TWILIO_WEBHOOK_TOKEN: {
    about:
      'token with which Twilio signs its requests to the API, the same as TWILIO_AUTH_TOKEN; no voice calls and no delivery reports by Twilio when empty',
    roles: ['api'],
    schema: optionalSecret,
    default: '',
  },
  TWILIO_FROM: { about: 'sender of SMS and voice calls, in E.164', roles: ['delivery'], schema: optional, default: '' },
  TWILIO_API_BASE_URL: {
    about: 'base URL of the Twilio API, if not the default',
    roles: ['delivery'],
    schema: optionalUrl('http:', 'https:'),
    default: '',
  },
  INFOBIP_BASE_URL: {
    about:
      'base URL of the Infobip API for the account, such as https://abc123.api.infobip.com; no SMS by Infobip when empty',
    roles: ['delivery'],
    schema: optionalUrl('http:', 'https:'),
    default: '',
  },
  INFOBIP_API_KEY: { about: 'Infobip API key', roles: ['delivery'], schema: optionalSecret, default: '' },
  INFOBIP_FROM: {
    about: 'sender of SMS by Infobip: number or name',
    roles: ['delivery'],
    schema: optional,
    default: '',
  },
  SMS_PROVIDERS: {
    about:
      'SMS providers with weights, in failover order; providers that are not configured are skipped. In development last-digits alone: no SMS is sent and the code is the last six digits of the number',
    roles: ['delivery'],
    schema: parsed((value) => readWeights(value, ['twilio', 'infobip', lastDigitsProvider], lastDigitsProvider)),
    default: 'twilio:100,infobip:0',
    inProduction: (given) =>
      given.includes(lastDigitsProvider) ? 'must not be last-digits: anyone could derive the codes' : undefined,
  },
  SMS_PROVIDERS_BY_COUNTRY: {
    about: 'SMS_PROVIDERS by country (ISO 3166, or a calling code), such as IN=infobip:100,twilio:0;+44=twilio',
    roles: ['delivery'],
    schema: parsed((value) => readCountryWeights(value, ['twilio', 'infobip'])),
    default: '',
  },
  TEST_NUMBERS: {
    about:
      'test numbers with their codes, +15550100001=123456, separated by commas: no SMS or voice call is sent to them; in production only fictitious numbers',
    roles: ['delivery'],
    schema: parsed(
      (value) => new Map([...readTestNumbers(value)].map(([number, code]) => [number, new Secret(code)] as const)),
    ),
    default: '',
    inProduction: (given) =>
      [...readTestNumbers(given).keys()].every(isFictitious)
        ? undefined
        : 'must list only numbers reserved for fiction: anyone who knows the code of a real number could register it',
  },
} satisfies Record<string, Variable>;
