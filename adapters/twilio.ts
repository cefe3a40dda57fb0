/**
 * SMS and voice calls by Twilio, through its SDK. https://www.twilio.com/docs/messaging/api/message-resource,
 * https://www.twilio.com/docs/voice/api/call-resource
 *
 * Twilio has no idempotency keys: before a repeat, `find` checks whether Twilio has the message.
 * Timeout: 10 s per request, without retries by the SDK. If Twilio is unavailable, slow or rate limiting, calls throw
 * `Failure` `unavailable`.
 */
import twilio from 'twilio';
import { connectionReason, Failure, statusReason } from '../domain/failures.ts';
import type { SendOutcome, TextMessage } from '../domain/providers.ts';
import type { Speech } from '../domain/templates/messages.ts';
import type { Config } from '../platform/config/config.ts';
import type { Secret } from '../platform/config/secret.ts';
import { verdictOf } from './twilio/errors.ts';
import { greetingTwiml } from './twilio/voice.ts';

/** A voice call that speaks a code. */
export interface VoiceMessage {
  /** E.164. */
  to: string;
  speech: Speech;
  /** Lifetime of the code. */
  ttlSeconds: number;
  reference: string;
  /** URL for the delivery report; no report when absent. */
  reportUrl?: string;
}

/** The options of `connectTwilio`. */
export interface TwilioOptions {
  accountSid: string;
  authToken: Secret;
  from: string;
  /** Replaces the URL of the Twilio API, for a fake. */
  baseUrl?: string | undefined;
  /** Returns the URL from which Twilio fetches the speech after a key was pressed. Without it no calls are made. */
  speechUrl?: ((speech: Speech, ttlSeconds: number) => string) | undefined;
  /** Timeout of a request; default 10 s. */
  timeoutMs?: number;
}

const callMs = 10_000;
const vendorUrl = 'https://api.twilio.com';

/** The configuration variables of Twilio. */
type TwilioConfig = Pick<Config<'delivery'>, Extract<keyof Config<'delivery'>, `TWILIO_${string}`>>;

/**
 * Reads the options of Twilio from the configuration; undefined if no account is set.
 *
 * @throws {Error} the account is set, but its token or sender is missing
 */
export function readTwilioOptions(config: TwilioConfig): TwilioOptions | undefined {
  const { TWILIO_ACCOUNT_SID: accountSid, TWILIO_AUTH_TOKEN: authToken, TWILIO_FROM: from } = config;
  if (accountSid === undefined) return undefined;
  if (authToken === undefined || from === undefined) {
    throw new Error('Bad configuration of delivery:\n  TWILIO_ACCOUNT_SID needs TWILIO_AUTH_TOKEN and TWILIO_FROM');
  }
  return { accountSid, authToken, from, baseUrl: config.TWILIO_API_BASE_URL };
}

/** Creates the client. It makes no request until it is used. */
export function connectTwilio({ accountSid, authToken, from, baseUrl, speechUrl, timeoutMs = callMs }: TwilioOptions) {
  const client = twilio(accountSid, authToken.reveal(), { httpClient: createHttpClient(timeoutMs, baseUrl) });
  const { messages, calls } = client;
  const account = client.api.v2010.accounts(accountSid);
  const readAccountStatus = async (): Promise<string> => {
    try {
      return (await account.fetch()).status;
    } catch (err) {
      throw away(err);
    }
  };
  return {
    /** Sends a message once; the SDK does not retry. @throws {Failure} unavailable */
    async send({ to, body, reportUrl }: TextMessage): Promise<SendOutcome> {
      try {
        const message = await messages.create({ to, from, body, ...callbackOf(reportUrl) });
        return { result: 'sent', providerId: message.sid };
      } catch (err) {
        return refusalOf(err);
      }
    },

    /**
     * Returns the id of a message that Twilio already has: same recipient, same text, not older than `since`.
     *
     * @throws {Failure} unavailable
     */
    async find({ to, body }: Pick<TextMessage, 'to' | 'body'>, since: Date): Promise<string | undefined> {
      try {
        const sent = await messages.list({ to, dateSentAfter: new Date(since.getTime() - 1000), limit: 20 });
        return sent.find((message) => message.body === body && message.status !== 'failed')?.sid;
      } catch (err) {
        throw away(err);
      }
    },

    /**
     * Makes a voice call once. The code is spoken only after a key was pressed, so never to an answering machine.
     *
     * @throws {Failure} unavailable
     */
    async call({ to, speech, ttlSeconds, reportUrl }: VoiceMessage): Promise<SendOutcome> {
      if (speechUrl === undefined) return { result: 'refused', reason: 'not-configured' };
      const twiml = greetingTwiml(speech, speechUrl(speech, ttlSeconds));
      try {
        const call = await calls.create({ to, from, twiml, ...callbackOf(reportUrl) });
        return { result: 'sent', providerId: call.sid };
      } catch (err) {
        return refusalOf(err);
      }
    },

    /**
     * Returns the id of a call that Twilio is making or made: same recipient, not older than `since`. The API does not
     * return what a call says.
     *
     * @throws {Failure} unavailable
     */
    async findCall({ to }: Pick<VoiceMessage, 'to'>, since: Date): Promise<string | undefined> {
      try {
        const made = await calls.list({ to, from, limit: 20 });
        const begin = since.getTime() - 1000;
        return made.find(({ dateCreated, status }) => dateCreated.getTime() >= begin && !callsLost.includes(status))
          ?.sid;
      } catch (err) {
        throw away(err);
      }
    },

    /** Checks that Twilio responds and accepts the credentials. @throws {Failure} unavailable */
    async ping(): Promise<void> {
      await readAccountStatus();
    },

    /** Returns the status of the account: `active`, `suspended` or `closed`. @throws {Failure} unavailable */
    readAccountStatus,
  };
}

/** Final states of calls that were not answered. */
const callsLost = ['failed', 'busy', 'no-answer', 'canceled'];

function callbackOf(reportUrl: string | undefined): { statusCallback?: string } {
  return reportUrl === undefined ? {} : { statusCallback: reportUrl };
}

function createHttpClient(timeout: number, baseUrl: string | undefined): twilio.RequestClient {
  const http = new twilio.RequestClient({ timeout, autoRetry: false, keepAlive: true });
  if (baseUrl === undefined) return http;
  const request = http.request.bind(http);
  http.request = (options) => request({ ...options, uri: options.uri.replace(vendorUrl, baseUrl.replace(/\/$/, '')) });
  return http;
}

function refusalOf(err: unknown): SendOutcome {
  const verdict = verdictOf(err as { status?: number; code?: number });
  if (verdict.about === 'recipient') return { result: 'refused', reason: verdict.reason };
  throw away(err);
}

/**
 * All errors but those about the recipient can be mended by waiting or by an operator. The failure does not contain the message
 * of Twilio.
 */
function away(err: unknown): Failure {
  const { status, code } = err as { status?: number; code?: number | string };
  return new Failure('unavailable', {
    message: `twilio ${status ?? ''} ${code ?? ''}`.trim(),
    reason: awayReason({ status, code }),
  });
}

function awayReason(answer: { status: number | undefined; code: number | string | undefined }): string {
  const { status, code } = answer;
  if (status === undefined) return connectionReason(code);
  if (status === 401 || status === 403) return statusReason(status);
  const { about } = verdictOf({ status, ...(code !== undefined && { code }) });
  return about === 'configuration' ? 'configuration-refused' : statusReason(status);
}
