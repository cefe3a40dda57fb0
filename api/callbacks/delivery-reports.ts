/**
 * `POST /delivery-reports/…`: delivery reports of providers. The response does not reveal whether a message is known.
 */
import { z } from 'zod';
import { readInfobipReport } from '../../adapters/http/infobip.ts';
import { reportLifeSeconds } from '../../adapters/redis/delivery-reports.ts';
import { readTwilioReport } from '../../adapters/twilio/delivery-report.ts';
import { type callbackOperations, ReportQuery } from '../../contract/callbacks.ts';
import type { AnswerOf } from '../../contract/operation.ts';
import {
  type DeliveryReport,
  type DeliveryReportOrigin,
  messageReference,
  type ReportingProvider,
  reportingProviders,
} from '../../domain/providers.ts';
import { channels, codePurposes } from '../../domain/verification.ts';
import type { ApiDeps } from '../deps.ts';
import type { HandlerInput } from '../serve.ts';

const Origin = z.object({
  subject: z.string(),
  purpose: z.enum(codePurposes),
  send: z.number(),
  channel: z.enum(channels),
  provider: z.enum(reportingProviders),
  country: z.string().optional(),
  /** Milliseconds since the Unix epoch. */
  at: z.number(),
});

/** The message that a delivery report is about, and when it was sent. */
export type ReportOrigin = DeliveryReportOrigin & { at: number };

type Ops = typeof callbackOperations;
type ReportDeps = Pick<ApiDeps, 'reports' | 'reportCipher' | 'events'>;

/** Records a delivery report of an SMS or call by Twilio. One about an unknown message is ignored. */
export async function receiveTwilioReport(
  deps: ReportDeps,
  { query, body }: HandlerInput<Ops['receiveTwilioReport']>,
): Promise<AnswerOf<Ops['receiveTwilioReport']>> {
  await take(deps, 'twilio', originOf(deps, query, 'twilio'), readTwilioReport(body));
  return { status: 204 };
}

/** Records the delivery report of an SMS by Infobip. One about another message is ignored. */
export async function receiveInfobipReport(
  deps: ReportDeps,
  { holder: origin, body: { results } }: HandlerInput<Ops['receiveInfobipReport']>,
): Promise<AnswerOf<Ops['receiveInfobipReport']>> {
  const own = results.filter(({ messageId }) => messageId === messageReference(origin));
  if (own.length === 0) deps.events.deliveryReportIgnored('infobip', 'unknown');
  else await take(deps, 'infobip', origin, readInfobipReport(own));
  return { status: 204 };
}

/** Records the first final state of a message that is still stored. */
async function take(
  { reports, events }: ReportDeps,
  provider: ReportingProvider,
  origin: ReportOrigin | undefined,
  report: DeliveryReport | undefined,
): Promise<void> {
  if (report === undefined) return;
  if (origin === undefined || origin.at + reportLifeSeconds * 1000 < Date.now()) {
    events.deliveryReportIgnored(provider, 'unknown');
    return;
  }
  const noted = await reports.note(origin, report.outcome);
  // also for a repeat: the process may have crashed before the first event, and its id makes the event unique
  events.deliveryReportTaken(
    origin,
    noted.outcome === report.outcome ? report : { outcome: noted.outcome },
    noted.isRepeat,
  );
}

/**
 * Decrypts the origin in a query; undefined if this system did not encrypt it, or encrypted it for another provider.
 */
export function originOf(
  { reportCipher }: Pick<ApiDeps, 'reportCipher'>,
  query: unknown,
  provider: ReportingProvider,
): ReportOrigin | undefined {
  const { of: encrypted } = ReportQuery.safeParse(query).data ?? {};
  if (encrypted === undefined) return undefined;
  try {
    const origin = Origin.parse(JSON.parse(reportCipher.decryptText(encrypted)));
    return origin.provider === provider ? origin : undefined;
  } catch {
    return undefined;
  }
}
