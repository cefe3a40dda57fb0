import { z } from 'zod';
import { pushProviders } from '../../domain/push.ts';
import { list, optional, optionalSecret, optionalUrl } from './schemas.ts';
import { Secret } from './secret.ts';
import type { Variable } from './variable.ts';

const base64urlBytes = (length: number) => (value: string) =>
  /^[\w-]*$/.test(value) && Buffer.from(value, 'base64url').length === length;

/** Variables of push: how devices that are not connected are woken up. */
export const pushVariables = {
  PUSH_PROVIDERS: {
    about:
      'push providers that devices may register with and that the role delivery has credentials for: webpush, fcm, apns',
    roles: ['api', 'delivery'],
    schema: list.pipe(z.array(z.enum(pushProviders, `must list ${pushProviders.join(', ')}`))),
    default: '',
  },
  VAPID_PUBLIC_KEY: {
    about: 'public key of VAPID_PRIVATE_KEY, which apps subscribe to WebPush with: 65 bytes in base64url',
    roles: ['api'],
    schema: z
      .string()
      .refine((value) => value === '' || base64urlBytes(65)(value), 'must be 65 bytes in base64url')
      .transform((value) => (value === '' ? undefined : value)),
    default: '',
  },
  VAPID_PRIVATE_KEY: {
    about:
      'signs WebPush requests (RFC 8292): 32 bytes in base64url, made by `npx vyry keys vapid`; with another one every device has to register again',
    roles: ['delivery'],
    schema: z
      .string()
      .refine((value) => value === '' || base64urlBytes(32)(value), 'must be 32 bytes in base64url')
      .transform((value) => (value === '' ? undefined : new Secret(value))),
    default: '',
  },
  VAPID_SUBJECT: {
    about: 'how push services reach the operator: mailto:… or https://…; WebPush needs it',
    roles: ['delivery'],
    schema: optionalUrl('mailto:', 'https:'),
    default: '',
  },
  WEBPUSH_PRIVATE_HOSTS: {
    about:
      'WebPush servers as host:port, separated by commas, that may have a private address and another port than 443: distributors of your own',
    roles: ['api', 'delivery'],
    schema: list.pipe(z.array(z.string().regex(/^[\w.:-]+:\d{1,5}$/, 'must be host:port'))),
    default: '',
  },
  WEBPUSH_CA: {
    about: 'CA certificate of these servers, as PEM; the system CAs when empty',
    roles: ['delivery'],
    schema: optional,
    default: '',
  },
  FCM_SERVICE_ACCOUNT: {
    about: 'key file of a service account that may send by Firebase Cloud Messaging, as JSON; no FCM when empty',
    roles: ['delivery'],
    schema: optionalSecret,
    default: '',
  },
  FCM_API_BASE_URL: {
    about: 'base URL of the FCM API, if not the default',
    roles: ['delivery'],
    schema: optionalUrl('http:', 'https:'),
    default: '',
  },
  APNS_KEY: {
    about: 'key for the Apple Push Notification service, the content of its .p8 file; no APNs when empty',
    roles: ['delivery'],
    schema: optionalSecret,
    default: '',
  },
  APNS_KEY_ID: { about: 'id of APNS_KEY', roles: ['delivery'], schema: optional, default: '' },
  APNS_TEAM_ID: { about: 'id of the Apple developer team', roles: ['delivery'], schema: optional, default: '' },
  APNS_API_BASE_URL: {
    about: 'base URL of APNs, if not the default; for development builds of an app https://api.sandbox.push.apple.com',
    roles: ['delivery'],
    schema: optionalUrl('http:', 'https:'),
    default: '',
  },
} satisfies Record<string, Variable>;
