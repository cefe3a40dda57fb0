/** The options of the push providers, read from the configuration. */
import { type PushProvider, pushProviders } from '../../domain/push.ts';
import type { Config } from '../../platform/config/config.ts';
import type { ApnsOptions } from './apns.ts';
import { type FcmOptions, readServiceAccount } from './fcm.ts';
import type { WebPushOptions } from './webpush.ts';

type Names = 'PUSH_PROVIDERS' | 'VAPID_PRIVATE_KEY' | 'VAPID_SUBJECT';
/** The configuration variables of push. */
export type PushConfig = Pick<
  Config<'delivery'>,
  Names | Extract<keyof Config<'delivery'>, `FCM_${string}` | `APNS_${string}`>
>;

/** The options of each push provider that is listed in `PUSH_PROVIDERS`. */
export interface PushOptions {
  webpush?: Omit<WebPushOptions, 'endpoints'>;
  fcm?: Omit<FcmOptions, 'accessToken'>;
  apns?: Omit<ApnsOptions, 'providerToken'>;
}

/**
 * Reads the options of the push providers in `PUSH_PROVIDERS`.
 *
 * @throws {Error} one of them lacks its credentials
 */
export function readPushOptions(config: PushConfig): PushOptions {
  const { VAPID_PRIVATE_KEY: privateKey, VAPID_SUBJECT: subject, FCM_SERVICE_ACCOUNT: account } = config;
  const { APNS_KEY: key, APNS_KEY_ID: keyId, APNS_TEAM_ID: teamId } = config;
  const isListed = (provider: PushProvider) => config.PUSH_PROVIDERS.includes(provider);
  const options: PushOptions = {
    ...(isListed('webpush') && privateKey && subject && { webpush: { privateKey, subject } }),
    ...(isListed('fcm') &&
      account && { fcm: { account: readServiceAccount(account), baseUrl: config.FCM_API_BASE_URL } }),
    ...(isListed('apns') &&
      key &&
      keyId &&
      teamId && { apns: { key, keyId, teamId, baseUrl: config.APNS_API_BASE_URL } }),
  };
  const lacking = pushProviders.filter((provider) => isListed(provider) && options[provider] === undefined);
  if (lacking.length === 0) return options;
  const needs = lacking.map((provider) => `${provider} needs ${credentials[provider]}`).join('; ');
  throw new Error(`Bad configuration of delivery:\n  PUSH_PROVIDERS: ${needs}`);
}

const credentials: Record<PushProvider, string> = {
  webpush: 'VAPID_PRIVATE_KEY and VAPID_SUBJECT',
  fcm: 'FCM_SERVICE_ACCOUNT',
  apns: 'APNS_KEY, APNS_KEY_ID and APNS_TEAM_ID',
};
