/** Twilio and the mail server: whether they know us. No message is sent. */
import { connectMail } from '../../adapters/mail.ts';
import { connectTwilio, readTwilioOptions } from '../../adapters/twilio.ts';
import { Failure } from '../../domain/failures.ts';
import { namesFrom, readVariables } from '../../platform/config.ts';
import type { Finding } from './finding.ts';

/** Whether the Twilio account can be used. */
export async function examineTwilio(env: Record<string, string>): Promise<Finding[]> {
  const check = 'twilio';
  const options = readTwilioOptions(readVariables(namesFrom('TWILIO_'), env));
  if (options === undefined) return [{ check, verdict: 'off', about: 'not configured: no SMS' }];
  try {
    const status = await connectTwilio(options).readAccountStatus();
    if (status === 'active') return [{ check, verdict: 'ok', about: 'the account is active' }];
    return [{ check, verdict: 'failed', about: `the account is ${status}`, advice: 'See the console of Twilio.' }];
  } catch (err) {
    const advice = 'Check TWILIO_ACCOUNT_SID and TWILIO_AUTH_TOKEN.';
    return [{ check, verdict: 'failed', about: outageOf(err), advice }];
  }
}

/** Whether the mail server greets us and takes our credentials. */
export async function examineMail(env: Record<string, string>): Promise<Finding[]> {
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

function outageOf(err: unknown): string {
  if (!(err instanceof Failure)) throw err;
  return (err.facts.reason ?? err.code).replaceAll('-', ' ');
}
