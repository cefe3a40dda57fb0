/** Checks of the message providers: whether they accept the credentials and allow sending. No message is sent. */
import { createFcm } from '../../adapters/http/fcm.ts';
import { connectInfobip, readInfobipOptions } from '../../adapters/http/infobip.ts';
import { readPushOptions } from '../../adapters/http/push-options.ts';
import { connectResend } from '../../adapters/http/resend.ts';
import { connectSendgrid } from '../../adapters/http/sendgrid.ts';
import { connectSignalServer, trustAlso } from '../../adapters/http/signal-server.ts';
import { vapidPublicKey } from '../../adapters/http/webpush.ts';
import { connectMail } from '../../adapters/mail.ts';
import { connectTwilio, readTwilioOptions } from '../../adapters/twilio.ts';
import { Failure } from '../../domain/failures.ts';
import { readVariables } from '../../platform/config/config.ts';
import { namesFrom } from '../../platform/config/variables.ts';
import type { Finding } from './finding.ts';

/** Checks that the Twilio account is active. */
export async function checkTwilio(env: Record<string, string>): Promise<Finding[]> {
  const check = 'twilio';
  const options = readTwilioOptions(readVariables(namesFrom('TWILIO_'), env));
  if (options === undefined)
    return [{ check, verdict: 'off', about: 'not configured: no SMS or voice calls by Twilio' }];
  try {
    const status = await connectTwilio(options).readAccountStatus();
    if (status === 'active') return [{ check, verdict: 'ok', about: 'the account is active' }];
    return [{ check, verdict: 'failed', about: `the account is ${status}`, advice: 'See the Twilio console.' }];
  } catch (err) {
    const advice = 'Check TWILIO_ACCOUNT_SID and TWILIO_AUTH_TOKEN.';
    return [failedAt(check, err, advice, 'TWILIO_API_BASE_URL')];
  }
}

/** Checks that the mail server responds and accepts the credentials. */
export async function checkMail(env: Record<string, string>): Promise<Finding[]> {
  const check = 'mail';
  const names = ['SMTP_URL', 'MAIL_FROM', 'SMTP_PLAINTEXT'] as const;
  const { SMTP_URL: url, MAIL_FROM: from, SMTP_PLAINTEXT: allowsPlaintext } = readVariables(names, env);
  if (url === undefined) return [{ check, verdict: 'off', about: 'not configured: no e-mail by SMTP' }];
  const mail = connectMail({ url, from, allowsPlaintext });
  try {
    await mail.ping();
    return [{ check, verdict: 'ok', about: 'responds and accepts the credentials' }];
  } catch (err) {
    return [{ check, verdict: 'failed', about: outageOf(err), advice: 'Check SMTP_URL, and that the server runs.' }];
  } finally {
    mail.close();
  }
}

/** Checks that Infobip accepts the key, by reading the logs that a repeated send also reads. */
export async function checkInfobip(env: Record<string, string>): Promise<Finding[]> {
  const check = 'infobip';
  const options = readInfobipOptions(readVariables(namesFrom('INFOBIP_'), env));
  if (options === undefined) return [{ check, verdict: 'off', about: 'not configured: no SMS by Infobip' }];
  try {
    await connectInfobip(options).ping();
    return [{ check, verdict: 'ok', about: 'accepts the key; SMS logs can be read' }];
  } catch (err) {
    return [
      failedAt(
        check,
        err,
        'Check INFOBIP_API_KEY: it needs the scopes to send SMS and to read their logs.',
        'INFOBIP_BASE_URL',
      ),
    ];
  }
}

/** Checks that Resend accepts the key and has verified the domain of the sender. */
export async function checkResend(env: Record<string, string>): Promise<Finding[]> {
  const check = 'resend';
  const config = readVariables(['RESEND_API_KEY', 'RESEND_API_BASE_URL', 'MAIL_FROM'], env);
  const { RESEND_API_KEY: apiKey, RESEND_API_BASE_URL: baseUrl, MAIL_FROM: from } = config;
  if (apiKey === undefined) return [{ check, verdict: 'off', about: 'not configured: no e-mail by Resend' }];
  try {
    const access = await connectResend({ apiKey, from, baseUrl }).readAccess();
    if (access.access === 'sending') return [{ check, verdict: 'ok', about: 'accepts the key, which may only send' }];
    const domain = domainOf(from);
    if (access.domains.some(({ name, status }) => name === domain && status === 'verified')) {
      const advice = 'The key has full access: use one that may only send.';
      return [{ check, verdict: 'warning', about: `accepts the key; ${domain} is verified`, advice }];
    }
    const advice = 'Add the domain of MAIL_FROM in the Resend dashboard, and its records to the DNS.';
    return [{ check, verdict: 'failed', about: `${domain} is not verified`, advice }];
  } catch (err) {
    return [failedAt(check, err, 'Check RESEND_API_KEY.', 'RESEND_API_BASE_URL')];
  }
}

/** Checks that SendGrid accepts the key and allows sending. */
export async function checkSendgrid(env: Record<string, string>): Promise<Finding[]> {
  const check = 'sendgrid';
  const config = readVariables(['SENDGRID_API_KEY', 'SENDGRID_API_BASE_URL', 'MAIL_FROM'], env);
  const { SENDGRID_API_KEY: apiKey, SENDGRID_API_BASE_URL: baseUrl, MAIL_FROM: from } = config;
  if (apiKey === undefined) return [{ check, verdict: 'off', about: 'not configured: no e-mail by SendGrid' }];
  try {
    if (await connectSendgrid({ apiKey, from, baseUrl }).maySend())
      return [{ check, verdict: 'ok', about: 'accepts the key, which may send' }];
    const advice = 'Give the key the Mail Send access in the SendGrid settings.';
    return [{ check, verdict: 'failed', about: 'the key may not send', advice }];
  } catch (err) {
    return [failedAt(check, err, 'Check SENDGRID_API_KEY.', 'SENDGRID_API_BASE_URL')];
  }
}

/** Checks that the Signal-Server of the step `signal` responds. */
export async function checkSignalServer(env: Record<string, string>): Promise<Finding[]> {
  const check = 'signal-server';
  const { REGISTRATION_STEPS: steps } = readVariables(['REGISTRATION_STEPS'], env);
  const isListed = steps.includes('signal');
  if (!env.SIGNAL_SERVER_URL) {
    if (!isListed) return [{ check, verdict: 'off', about: 'not configured: no step signal' }];
    const advice = 'Set SIGNAL_SERVER_URL, or remove signal from REGISTRATION_STEPS.';
    return [{ check, verdict: 'failed', about: 'the step signal has no Signal-Server', advice }];
  }
  const { SIGNAL_SERVER_URL: baseUrl, SIGNAL_SERVER_CA: ca } = readVariables(namesFrom('SIGNAL_SERVER_'), env);
  if (ca !== undefined) trustAlso(ca);
  try {
    await connectSignalServer({ baseUrl, timeoutMs: 5000 }).ping();
    return [
      { check, verdict: 'ok', about: isListed ? 'responds' : 'responds; REGISTRATION_STEPS does not list signal' },
    ];
  } catch (err) {
    const advice = 'Check SIGNAL_SERVER_URL, SIGNAL_SERVER_CA, and that the server runs.';
    return [{ check, verdict: 'failed', about: outageOf(err), advice }];
  }
}

/** Checks that the keys of WebPush belong together, and that Google accepts the service account of FCM. */
export async function checkPush(env: Record<string, string>): Promise<Finding[]> {
  const check = 'push';
  const names = ['PUSH_PROVIDERS', 'VAPID_PUBLIC_KEY', 'VAPID_PRIVATE_KEY', 'VAPID_SUBJECT'] as const;
  const config = readVariables([...names, ...namesFrom('FCM_'), ...namesFrom('APNS_')], env);
  const { webpush, fcm } = readPushOptions(config);
  if (config.PUSH_PROVIDERS.length === 0) return [{ check, verdict: 'off', about: 'not configured: no wake-ups' }];
  if (webpush && vapidPublicKey(webpush.privateKey.reveal()) !== config.VAPID_PUBLIC_KEY) {
    const advice = 'Make a new pair with npx vyry keys vapid; devices have to register again.';
    return [{ check, verdict: 'failed', about: 'VAPID_PUBLIC_KEY is not the key of VAPID_PRIVATE_KEY', advice }];
  }
  try {
    if (fcm) await createFcm({ ...fcm, accessToken: unshared }).ping();
    return [{ check, verdict: 'ok', about: config.PUSH_PROVIDERS.join(', ') }];
  } catch (err) {
    return [failedAt(check, err, 'Check FCM_SERVICE_ACCOUNT in the Google Cloud console.', 'token_uri')];
  }
}

/** The doctor requests a token of its own. */
const unshared = { read: async () => undefined, share: async (token: string) => token, forget: async () => undefined };

/** Advises on a failure: the key is wrong, the provider cannot be reached, or it has a temporary problem. */
function failedAt(check: string, err: unknown, keyAdvice: string, place: string): Finding {
  const about = outageOf(err);
  if (about === 'credentials refused') return { check, verdict: 'failed', about, advice: keyAdvice };
  if (about === 'limited' || about.startsWith('answers 5'))
    return { check, verdict: 'failed', about, advice: 'Wait, and see the status page of the provider.' };
  return { check, verdict: 'failed', about, advice: `Check ${place}, the DNS and the firewall.` };
}

function domainOf(from: string): string {
  return /@([^>\s]+)>?\s*$/.exec(from)?.[1]?.toLowerCase() ?? from;
}

function outageOf(err: unknown): string {
  if (!(err instanceof Failure)) throw err;
  return (err.context.reason ?? err.code).replaceAll('-', ' ');
}
