/**
 * SMS by Infobip, through its HTTP API. https://www.infobip.com/docs/api/channels/sms/outbound-sms/send-sms-messages
 *
 * Vyry sets the message id: before a repeat, `find` looks it up.
 */
import { z } from 'zod';
import type { DeliveryReport, DeliveryReportOutcome, SendOutcome, TextMessage } from '../../domain/providers.ts';
import type { Config } from '../../platform/config/config.ts';
import type { Secret } from '../../platform/config/secret.ts';
import { callJson, type HttpAnswer, outageOf } from './json.ts';

/** The options of `connectInfobip`. */
export interface InfobipOptions {
  /** Base URL of the account; each account has its own. */
  baseUrl: string;
  apiKey: Secret;
  /** Sender: a number or a name. */
  from: string;
  /** Timeout of a request; default 10 s. */
  timeoutMs?: number;
}

/** The configuration variables of Infobip. */
type InfobipConfig = Pick<Config<'delivery'>, Extract<keyof Config<'delivery'>, `INFOBIP_${string}`>>;

/**
 * Reads the options of Infobip from the configuration; undefined if no base URL is set.
 *
 * @throws {Error} the base URL is set, but the key or sender is missing
 */
export function readInfobipOptions(config: InfobipConfig): InfobipOptions | undefined {
  const { INFOBIP_BASE_URL: baseUrl, INFOBIP_API_KEY: apiKey, INFOBIP_FROM: from } = config;
  if (baseUrl === undefined) return undefined;
  if (apiKey === undefined || from === undefined) {
    throw new Error('Bad configuration of delivery:\n  INFOBIP_BASE_URL needs INFOBIP_API_KEY and INFOBIP_FROM');
  }
  return { baseUrl, apiKey, from };
}

/**
 * Permanent errors, by status name.
 * https://www.infobip.com/docs/essentials/api-essentials/response-status-and-error-codes
 */
const refusals: Record<string, string> = {
  REJECTED_DESTINATION: 'number-not-valid',
  REJECTED_INVALID_DESTINATION: 'number-not-valid',
  REJECTED_DESTINATION_NOT_REGISTERED: 'number-not-known',
  REJECTED_NETWORK: 'country-not-enabled',
  REJECTED_PREFIX_MISSING: 'number-not-valid',
  REJECTED_BLACKLISTED: 'recipient-opted-out',
  REJECTED_DND: 'recipient-opted-out',
  UNDELIVERABLE_REJECTED_OPERATOR: 'message-blocked',
};

const Sent = z.object({
  messages: z
    .array(z.object({ messageId: z.string(), status: z.object({ groupName: z.string(), name: z.string() }) }))
    .min(1),
});
const Logs = z.object({
  results: z.array(z.object({ messageId: z.string(), status: z.object({ groupName: z.string() }) })),
});

/** A delivery report as Infobip posts it. */
export interface InfobipReport {
  status: { groupName: string; name: string };
  error?: { name: string } | undefined;
}

const outcomes: ReadonlyMap<string, DeliveryReportOutcome> = new Map([
  ['DELIVERED', 'delivered'],
  ['UNDELIVERABLE', 'undelivered'],
  ['EXPIRED', 'undelivered'],
  ['REJECTED', 'failed'],
]);

/**
 * Reads the final outcome of a message from its reports, or undefined if there is none yet. `DELIVERED_TO_OPERATOR` is
 * not final: only the mobile operator has the message.
 */
export function readInfobipReport(reports: readonly InfobipReport[]): DeliveryReport | undefined {
  const final = reports.find(({ status }) => outcomes.has(status.groupName) && status.name !== 'DELIVERED_TO_OPERATOR');
  const outcome = outcomes.get(final?.status.groupName ?? '');
  if (outcome === undefined) return undefined;
  const errorCode = final?.error?.name ?? '';
  const isError = outcome !== 'delivered' && /^[A-Z0-9_]{1,64}$/.test(errorCode);
  return { outcome, ...(isError && { errorCode }) };
}

/** Creates the sender. It makes no request until it is used. */
export function connectInfobip({ baseUrl, apiKey, from, timeoutMs }: InfobipOptions) {
  const ask = (method: 'GET' | 'POST', path: string, body?: unknown) =>
    callJson({
      provider: 'infobip',
      method,
      url: `${baseUrl.replace(/\/$/, '')}${path}`,
      headers: { Authorization: `App ${apiKey.reveal()}` },
      body,
      timeoutMs,
    });
  return {
    /** Sends a message once. @throws {Failure} unavailable */
    async send({ to, body, reference, reportUrl }: TextMessage): Promise<SendOutcome> {
      const destinations = [{ to: to.slice(1), messageId: reference }];
      const webhooks = reportUrl && { delivery: { url: reportUrl, intermediateReport: false } };
      const message = { sender: from, destinations, content: { text: body }, ...(webhooks && { webhooks }) };
      const answer = await ask('POST', '/sms/3/messages', { messages: [message] });
      return outcomeOf(answer);
    },

    /** Returns the id of a message that Infobip already has, or undefined. @throws {Failure} unavailable */
    async find({ reference }: Pick<TextMessage, 'reference'>): Promise<string | undefined> {
      const answer = await ask('GET', `/sms/3/logs?messageId=${encodeURIComponent(reference)}`);
      const logs = Logs.safeParse(answer.body);
      if (answer.status !== 200 || !logs.success) throw outageOf('infobip', answer);
      return logs.data.results.find(({ status }) => status.groupName !== 'REJECTED')?.messageId;
    },

    /** Checks that Infobip responds and accepts the key. @throws {Failure} unavailable */
    async ping(): Promise<void> {
      const answer = await ask('GET', '/sms/3/logs?limit=1');
      if (answer.status !== 200) throw outageOf('infobip', answer);
    },
  };
}

function outcomeOf(answer: HttpAnswer): SendOutcome {
  const sent = Sent.safeParse(answer.body);
  const message = sent.data?.messages[0];
  if (answer.status !== 200 || message === undefined) throw outageOf('infobip', answer);
  const { groupName, name } = message.status;
  if (groupName !== 'REJECTED' && groupName !== 'UNDELIVERABLE')
    return { result: 'sent', providerId: message.messageId };
  const reason = refusals[name];
  // such as no credit: an operator can fix it
  if (reason === undefined) throw outageOf('infobip', { ...answer, status: 429 }, name);
  return { result: 'refused', reason };
}
