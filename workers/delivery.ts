// @permissions net, addons, files
/**
 * The role `delivery`: hosts the activities that send messages. Only this role has the credentials of the providers.
 */
import { createCodeSending } from '../activities/code-sending.ts';
import { createDeliver, type DeliverDeps, type Providers } from '../activities/deliver.ts';
import { createNotificationSending } from '../activities/notification-sending.ts';
import { createPushSending } from '../activities/push.ts';
import { createApns } from '../adapters/http/apns.ts';
import { createFcm } from '../adapters/http/fcm.ts';
import { connectInfobip, readInfobipOptions } from '../adapters/http/infobip.ts';
import { createPublicEndpoints } from '../adapters/http/public-endpoint.ts';
import { readPushOptions } from '../adapters/http/push-options.ts';
import { connectResend } from '../adapters/http/resend.ts';
import { connectSendgrid } from '../adapters/http/sendgrid.ts';
import { createWebPush } from '../adapters/http/webpush.ts';
import { isPublicAddress } from '../adapters/ip-addresses.ts';
import { connectMail } from '../adapters/mail.ts';
import { createCodes } from '../adapters/redis/codes.ts';
import { createDeliveries } from '../adapters/redis/deliveries.ts';
import { createDeliveryReports } from '../adapters/redis/delivery-reports.ts';
import { createPushToken } from '../adapters/redis/push-tokens.ts';
import { createRateLimits, type Limit } from '../adapters/redis/rate-limits.ts';
import { createRecoveries } from '../adapters/redis/recoveries.ts';
import { createRegistrationWarnings, type RegistrationWarnings } from '../adapters/redis/registration-warnings.ts';
import { createWakeUps } from '../adapters/redis/wake-ups.ts';
import { connectTwilio, readTwilioOptions } from '../adapters/twilio.ts';
import { type LimitName, limits } from '../domain/limits.ts';
import { smsNotificationLimit } from '../domain/notifications.ts';
import {
  type DeliveryReportOrigin,
  type MailMessage,
  orderOf,
  type Provider,
  type ProviderChoice,
  reportingProviders,
} from '../domain/providers.ts';
import type { WakeUp } from '../domain/push.ts';
import type { Speech } from '../domain/templates/messages.ts';
import { isFictitious, lastDigitsOf, lastDigitsProvider, testProvider } from '../domain/test-numbers.ts';
import type { Channel } from '../domain/verification.ts';
import { type Config, readConfig } from '../platform/config/config.ts';
import { type Cipher, keyedHash, newCode, newToken } from '../platform/crypto.ts';
import { keysIn } from '../platform/keyring.ts';
import type { Logger } from '../platform/log.ts';
import { runWorker, type WorkerParts, type WorkerTools } from './host.ts';

async function build(config: Config<'delivery'>, { log, events, redis }: WorkerTools): Promise<WorkerParts> {
  warnOfTestAids(config, log);
  const { KEYS: keys } = config;
  const ownCipher = keys.cipher('delivery');
  const { PUBLIC_URL: publicUrl } = config;
  const speechUrl = publicUrl === undefined ? undefined : speechUrlOf(publicUrl, keys.cipher('speech'));
  const twilioOptions = readTwilioOptions(config);
  const twilio = twilioOptions && connectTwilio({ ...twilioOptions, speechUrl });
  const { SMTP_URL: url, MAIL_FROM: from, SMTP_PLAINTEXT: allowsPlaintext } = config;
  const mail = url && connectMail({ url, from, allowsPlaintext });
  const infobipOptions = readInfobipOptions(config);
  const infobip = infobipOptions && connectInfobip(infobipOptions);
  const push = openPush(config, redis);
  const providers: Providers = {
    sms: [
      ...(twilio ? [{ name: 'twilio', send: twilio.send, find: twilio.find }] : []),
      ...(infobip ? [{ name: 'infobip', send: infobip.send, find: infobip.find }] : []),
    ],
    voice: twilio ? [{ name: 'twilio', send: twilio.call, find: twilio.findCall }] : [],
    email: [...(mail ? [{ name: 'smtp', send: mail.send }] : []), ...mailServices(config)],
    push: push.providers,
  };
  const sending = {
    deliver: createDeliver({
      deliveries: createDeliveries(redis),
      providers,
      orderOf: orderChooser(config),
      events,
    }),
    events,
    productName: config.PRODUCT_NAME,
    prescribedCode: (channel: Channel, to: string) => prescribedCode(config, channel, to),
  };
  return {
    options: {
      activities: {
        ...createCodeSending({
          ...sending,
          codes: createCodes(redis, keysIn(keys, 'code'), ownCipher),
          reports: createDeliveryReports(redis),
          reportUrl: reportUrlOf(config),
          newCode,
          androidAppHash: config.ANDROID_APP_HASH,
        }),
        ...createPushSending({ ...sending, wakeUps: createWakeUps(redis) }),
        ...createNotificationSending({
          ...sending,
          ...smsCounters(config, redis),
          stopTokenOf: stopTokenOf(config, createRegistrationWarnings(redis)),
          recoveries: createRecoveries(redis, ownCipher),
          newToken,
          pages: { ownPage: config.RECOVERY_URL, publicUrl },
        }),
      },
    },
    startReads: [],
    checks: [
      ...(twilio ? [{ name: 'twilio', check: () => twilio.ping() }] : []),
      ...(infobip ? [{ name: 'infobip', check: () => infobip.ping() }] : []),
      ...(mail ? [{ name: 'mail', check: () => mail.ping() }] : []),
    ],
    close: async () => {
      mail?.close();
      push.close();
    },
  };
}

/** Returns the choice of providers. It is drawn once per send: the chosen order is stored with the send. */
function orderChooser(config: Config<'delivery'>): DeliverDeps['orderOf'] {
  const choices = {
    push: anyProvider,
    sms: { weights: config.SMS_PROVIDERS, byCountry: config.SMS_PROVIDERS_BY_COUNTRY },
    voice: anyProvider,
    email: { ...anyProvider, weights: config.EMAIL_PROVIDERS },
  };
  return (channel, send) => orderOf(choices[channel], { ...send, draw: Math.random() });
}

/** Returns the rate limits of SMS. They count keyed hashes of phone numbers, as the api does. */
function smsCounters(config: Config<'delivery'>, redis: WorkerTools['redis']) {
  const limitKey = config.KEYS.lasting('limit');
  const rateLimits = createRateLimits(redis);
  const count = (limit: Limit) => (to: string, id: string) =>
    rateLimits.consume(limit, keyedHash(limitKey, 'number', to), id);
  const name: LimitName = 'sends-per-number';
  const countNotification = count(smsNotificationLimit);
  return {
    consumeSms: count({ name, windows: config[limits[name].variable] }),
    consumeSmsNotification: async (to: string, id: string) => (await countNotification(to, id)).allowed,
  };
}

/**
 * Returns the fixed code of a test number (SMS and voice call), or, where `last-digits` is the SMS provider, the last
 * digits of any number (SMS only).
 */
function prescribedCode({ TEST_NUMBERS, SMS_PROVIDERS }: Config<'delivery'>, channel: Channel, to: string) {
  if (channel === 'email') return undefined;
  const code = TEST_NUMBERS.get(to)?.reveal();
  if (code !== undefined) return { code, provider: testProvider };
  const isLastDigits = channel === 'sms' && SMS_PROVIDERS.has(lastDigitsProvider);
  return isLastDigits ? { code: lastDigitsOf(to), provider: lastDigitsProvider } : undefined;
}

/** The token is derived from the notification id, so that every delivery attempt contains the same token. */
function stopTokenOf({ KEYS }: Config<'delivery'>, warnings: RegistrationWarnings) {
  const key = KEYS.lasting('registration-stop');
  return async ({ notificationId, userId }: { notificationId: string; userId: string }): Promise<string> => {
    const token = keyedHash(key, notificationId);
    await warnings.keepToken(token, userId);
    return token;
  };
}

/** Logs counts only, because the numbers may belong to real people. */
function warnOfTestAids({ TEST_NUMBERS, SMS_PROVIDERS }: Config<'delivery'>, log: Logger): void {
  const numbers = [...TEST_NUMBERS.keys()];
  const realLooking = numbers.filter((number) => !isFictitious(number)).length;
  if (numbers.length > 0) log.warn({ event: 'test-numbers.on', numbers: numbers.length, realLooking });
  if (SMS_PROVIDERS.has(lastDigitsProvider)) log.warn({ event: 'last-digits.on' });
}

/** Any configured provider, without weights. */
const anyProvider: ProviderChoice = { weights: new Map(), byCountry: new Map() };

function mailServices(config: Config<'delivery'>): Provider<MailMessage>[] {
  const { MAIL_FROM: from, RESEND_API_KEY: resendKey, SENDGRID_API_KEY: sendgridKey } = config;
  const resend = resendKey && connectResend({ apiKey: resendKey, from, baseUrl: config.RESEND_API_BASE_URL });
  const sendgrid = sendgridKey && connectSendgrid({ apiKey: sendgridKey, from, baseUrl: config.SENDGRID_API_BASE_URL });
  return [
    ...(resend ? [{ name: 'resend', send: resend.send }] : []),
    ...(sendgrid ? [{ name: 'sendgrid', send: sendgrid.send }] : []),
  ];
}

/**
 * Returns the senders of the push providers in `PUSH_PROVIDERS`.
 *
 * @throws {Error} one of them lacks its credentials
 */
function openPush(
  config: Config<'delivery'>,
  redis: WorkerTools['redis'],
): { providers: Provider<WakeUp>[]; close: () => void } {
  const options = readPushOptions(config);
  const cipher = config.KEYS.cipher('delivery');
  const endpoints = createPublicEndpoints({
    isPublic: isPublicAddress,
    allowed: config.WEBPUSH_PRIVATE_HOSTS,
    ca: config.WEBPUSH_CA,
  });
  const webpush = options.webpush && createWebPush({ ...options.webpush, endpoints });
  const fcm = options.fcm && createFcm({ ...options.fcm, accessToken: createPushToken(redis, 'fcm', cipher) });
  const apns = options.apns && createApns({ ...options.apns, providerToken: createPushToken(redis, 'apns', cipher) });
  return {
    providers: [
      ...(webpush ? [{ name: 'webpush', isChosenByRecipient: true, send: webpush.send }] : []),
      ...(fcm ? [{ name: 'fcm', send: fcm.send }] : []),
      ...(apns ? [{ name: 'apns', send: apns.send }] : []),
    ],
    close() {
      endpoints.close();
      apns?.close();
    },
  };
}

/** The text is encrypted in the URL, so that only the API can read it, and only until the code expires. */
function speechUrlOf(publicUrl: string, cipher: Cipher): (speech: Speech, ttlSeconds: number) => string {
  return (speech, ttlSeconds) => {
    const encrypted = cipher.encryptText(JSON.stringify({ speech, until: Date.now() + ttlSeconds * 1000 }));
    return `${publicUrl}/api/v1/voice/twilio?speech=${encrypted}`;
  };
}

/** The origin of a delivery report is encrypted in the URL, so that nobody else can create or read such a URL. */
function reportUrlOf({ PUBLIC_URL: publicUrl, KEYS }: Config<'delivery'>) {
  const cipher = KEYS.cipher('delivery-report');
  return (of: Omit<DeliveryReportOrigin, 'provider'>, name: string): string | undefined => {
    const provider = reportingProviders.find((known) => known === name);
    if (publicUrl === undefined || provider === undefined) return undefined;
    const { subject, purpose, send, channel, country } = of;
    const origin = { subject, purpose, send, channel, provider, country, at: Date.now() };
    return `${publicUrl}/api/v1/delivery-reports/${provider}?of=${cipher.encryptText(JSON.stringify(origin))}`;
  };
}

if (import.meta.main) {
  const config = readConfig('delivery');
  await runWorker('delivery', config, (tools) => build(config, tools));
}
