/** The providers of messages: whether they know us, and let us send. No message is sent. */
import { connectInfobip, readInfobipOptions } from '../../adapters/http/infobip.ts';
import { connectResend } from '../../adapters/http/resend.ts';
import { connectSendgrid } from '../../adapters/http/sendgrid.ts';
import { connectMail } from '../../adapters/mail.ts';
import { connectTwilio, readTwilioOptions } from '../../adapters/twilio.ts';
import { Failure } from '../../domain/failures.ts';
import { namesFrom, readVariables } from '../../platform/config.ts';
import type { Finding } from './finding.ts';

/** Whether the Twilio account can be used. */
export async function checkTwilio(env: Record<string, string>): Promise<Finding[]> {
  const check = 'twilio';
  const options = readTwilioOptions(readVariables(namesFrom('TWILIO_'), env));
  if (options === undefined) return [{ check, verdict: 'off', about: 'not configured: no SMS' }];
  try {
    const status = await connectTwilio(options).readAccountStatus();
    if (status === 'active') return [{ check, verdict: 'ok', about: 'the account is active' }];
    return [{ check, verdict: 'failed', about: `the account is ${status}`, advice: 'See the console of Twilio.' }];
  } catch (err) {
    const advice = 'Check TWILIO_ACCOUNT_SID and TWILIO_AUTH_TOKEN.';
    return [failedAt(check, err, advice, 'TWILIO_API_BASE_URL')];
  }
}

/** Whether the mail server greets us and takes our credentials. */
export async function checkMail(env: Record<string, string>): Promise<Finding[]> {
  const check = 'mail';
  const { SMTP_URL: url, MAIL_FROM: from } = readVariables(['SMTP_URL', 'MAIL_FROM'], env);
  if (url === undefined) return [{ check, verdict: 'off', about: 'not configured: no e-mail' }];
  const mail = connectMail({ url, from });
  try {
    await mail.ping();
    return [{ check, verdict: 'ok', about: 'greets, and takes the credentials' }];
  } catch (err) {
    return [{ check, verdict: 'failed', about: outageOf(err), advice: 'Check SMTP_URL, and that the server runs.' }];
  } finally {
    mail.close();
  }
}

/** Whether Infobip takes the key, by the logs that a repeated send asks for. */
export async function checkInfobip(env: Record<string, string>): Promise<Finding[]> {
  const check = 'infobip';
  const options = readInfobipOptions(readVariables(namesFrom('INFOBIP_'), env));
  if (options === undefined) return [{ check, verdict: 'off', about: 'not configured: no SMS by it' }];
  try {
    await connectInfobip(options).ping();
    return [{ check, verdict: 'ok', about: 'takes the key, and shows what was sent' }];
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

/** Whether Resend takes the key, and has proven the domain of the sender. */
export async function checkResend(env: Record<string, string>): Promise<Finding[]> {
  const check = 'resend';
  const config = readVariables(['RESEND_API_KEY', 'RESEND_API_BASE_URL', 'MAIL_FROM'], env);
  const { RESEND_API_KEY: apiKey, RESEND_API_BASE_URL: baseUrl, MAIL_FROM: from } = config;
  if (apiKey === undefined) return [{ check, verdict: 'off', about: 'not configured: no e-mail by it' }];
  try {
    const access = await connectResend({ apiKey, from, baseUrl }).readAccess();
    if (access.access === 'sending')
      return [{ check, verdict: 'ok', about: 'takes the key, which may send and no more' }];
    const domain = domainOf(from);
    if (access.domains.some(({ name, status }) => name === domain && status === 'verified')) {
      const advice = 'The key may do everything: one that may only send is enough.';
      return [{ check, verdict: 'warning', about: `takes the key; ${domain} is verified`, advice }];
    }
    const advice = 'Add the domain of MAIL_FROM in the dashboard of Resend, and its records to the name service.';
    return [{ check, verdict: 'failed', about: `${domain} is not verified`, advice }];
  } catch (err) {
    return [failedAt(check, err, 'Check RESEND_API_KEY.', 'RESEND_API_BASE_URL')];
  }
}

/** Whether SendGrid takes the key, and lets it send. */
export async function checkSendgrid(env: Record<string, string>): Promise<Finding[]> {
  const check = 'sendgrid';
  const config = readVariables(['SENDGRID_API_KEY', 'SENDGRID_API_BASE_URL', 'MAIL_FROM'], env);
  const { SENDGRID_API_KEY: apiKey, SENDGRID_API_BASE_URL: baseUrl, MAIL_FROM: from } = config;
  if (apiKey === undefined) return [{ check, verdict: 'off', about: 'not configured: no e-mail by it' }];
  try {
    if (await connectSendgrid({ apiKey, from, baseUrl }).maySend())
      return [{ check, verdict: 'ok', about: 'takes the key, which may send' }];
    const advice = 'Give the key the access Mail Send in the settings of SendGrid.';
    return [{ check, verdict: 'failed', about: 'the key may not send', advice }];
  } catch (err) {
    return [failedAt(check, err, 'Check SENDGRID_API_KEY.', 'SENDGRID_API_BASE_URL')];
  }
}

/** By whether it is the key or the way that is wrong; a limit and a broken provider pass by themselves. */
function failedAt(check: string, err: unknown, keyAdvice: string, place: string): Finding {
  const about = outageOf(err);
  if (about === 'credentials refused') return { check, verdict: 'failed', about, advice: keyAdvice };
  if (about === 'limited' || about.startsWith('answers 5'))
    return { check, verdict: 'failed', about, advice: 'Wait, and see the status page of the provider.' };
  return { check, verdict: 'failed', about, advice: `Check ${place}, the name service and the firewall.` };
}

function domainOf(from: string): string {
  return /@([^>\s]+)>?\s*$/.exec(from)?.[1]?.toLowerCase() ?? from;
}

function outageOf(err: unknown): string {
  if (!(err instanceof Failure)) throw err;
  return (err.context.reason ?? err.code).replaceAll('-', ' ');
}
