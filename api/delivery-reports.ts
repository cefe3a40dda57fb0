/** `POST /delivery reports/…`: what providers say became of messages. Nobody is told what is not known. */
import { z } from 'zod';
import { InfobipReports, readInfobipReport } from '../adapters/http/infobip.ts';
import { reportLifeSeconds } from '../adapters/redis/delivery-reports.ts';
import { readTwilioReport } from '../adapters/twilio/delivery-report.ts';
import { Failure } from '../domain/failures.ts';
import {
  type DeliveryReport,
  type DeliveryReportOrigin,
  messageReference,
  type ReportingProvider,
  reportingProviders,
} from '../domain/providers.ts';
import { channels, codePurposes } from '../domain/verification.ts';
import type { ApiDeps, Caller } from './deps.ts';
import { isFromTwilio, type SignedRequest, TwilioForm } from './guards.ts';
import { limitRequest } from './limits.ts';
import { parse } from './schemas.ts';

/** What the delivery report is about: sealed by the role that sent the message. */
export const ReportQuery = z.object({ of: z.string().max(2000) });

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

/**
 * Takes a delivery report of an SMS or call, signed by Twilio.
 *
 * @throws {Failure} unauthenticated, malformed, rate-limited
 */
export async function receiveTwilioReport(deps: ApiDeps, caller: Caller, req: SignedRequest): Promise<void> {
  if (!isFromTwilio(deps, req)) return refuse(deps, caller, 'twilio');
  await take(deps, 'twilio', originOf(deps, req.query, 'twilio'), readTwilioReport(parse(TwilioForm, req.body ?? {})));
}

/**
 * Takes the delivery report of an SMS by Infobip, which signs nothing: only who was given the sealed address can call it.
 *
 * @throws {Failure} unauthenticated, malformed, rate-limited
 */
export async function receiveInfobipReport(
  deps: ApiDeps,
  caller: Caller,
  { query, body }: Pick<SignedRequest, 'query' | 'body'>,
): Promise<void> {
  const origin = originOf(deps, query, 'infobip');
  if (origin === undefined) return refuse(deps, caller, 'infobip');
  const { results } = parse(InfobipReports, body);
  const own = results.filter(({ messageId }) => messageId === messageReference(origin));
  if (own.length === 0) return deps.events.deliveryReportIgnored('infobip', 'unknown');
  await take(deps, 'infobip', origin, readInfobipReport(own));
}

/** Only the first final state of a message that is still remembered counts. */
async function take(
  { reports, events }: ApiDeps,
  provider: ReportingProvider,
  origin: (DeliveryReportOrigin & { at: number }) | undefined,
  report: DeliveryReport | undefined,
): Promise<void> {
  if (report === undefined) return;
  if (origin === undefined || origin.at + reportLifeSeconds * 1000 < Date.now()) {
    events.deliveryReportIgnored(provider, 'unknown');
    return;
  }
  const noted = await reports.note(origin, report.outcome);
  // also of a repeat: whoever took the first may have died before it was told, and it is told once by its id
  events.deliveryReportTaken(
    origin,
    noted.outcome === report.outcome ? report : { outcome: noted.outcome },
    noted.isRepeat,
  );
}

/** Providers are not limited; whoever pretends to be one is, as at every other call. */
async function refuse(deps: ApiDeps, caller: Caller, provider: ReportingProvider): Promise<never> {
  deps.events.deliveryReportIgnored(provider, 'refused');
  await limitRequest(deps, caller);
  throw new Failure('unauthenticated', { message: 'The signature is missing or wrong' });
}

/** Undefined when it was not we who sealed it, or for another provider. */
function originOf({ reportCipher }: Pick<ApiDeps, 'reportCipher'>, query: unknown, provider: ReportingProvider) {
  const { of: encrypted } = ReportQuery.safeParse(query).data ?? {};
  if (encrypted === undefined) return undefined;
  try {
    const origin = Origin.parse(JSON.parse(reportCipher.decryptText(encrypted)));
    return origin.provider === provider ? origin : undefined;
  } catch {
    return undefined;
  }
}
