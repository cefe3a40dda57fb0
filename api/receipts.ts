/** `POST /receipts/…`: what providers say became of messages. Nobody is told what is not known. */
import { z } from 'zod';
import { InfobipReports, readInfobipReceipt } from '../adapters/http/infobip.ts';
import { receiptLifeSeconds } from '../adapters/redis/receipts.ts';
import { readTwilioReceipt } from '../adapters/twilio/receipt.ts';
import { Failure } from '../domain/failures.ts';
import {
  messageReference,
  type Receipt,
  type ReceiptOrigin,
  type ReceiptProvider,
  receiptProviders,
} from '../domain/providers.ts';
import { channels, codePurposes } from '../domain/verification.ts';
import type { ApiDeps, Caller } from './deps.ts';
import { isFromTwilio, type SignedRequest, TwilioForm } from './guards.ts';
import { guardRequest } from './limits.ts';
import { parse } from './schemas.ts';

/** What the receipt is about: sealed by the role that sent the message. */
export const ReceiptQuery = z.object({ of: z.string().max(2000) });

const Origin = z.object({
  subject: z.string(),
  purpose: z.enum(codePurposes),
  send: z.number(),
  channel: z.enum(channels),
  provider: z.enum(receiptProviders),
  country: z.string().optional(),
  /** Milliseconds since the Unix epoch. */
  at: z.number(),
});

/**
 * Takes a receipt of an SMS or call, signed by Twilio.
 *
 * @throws {Failure} unauthenticated, malformed, rate-limited
 */
export async function receiveTwilioReceipt(deps: ApiDeps, caller: Caller, req: SignedRequest): Promise<void> {
  if (!isFromTwilio(deps, req)) return refuse(deps, caller, 'twilio');
  await take(deps, 'twilio', originOf(deps, req.query, 'twilio'), readTwilioReceipt(parse(TwilioForm, req.body ?? {})));
}

/**
 * Takes the receipt of an SMS by Infobip, which signs nothing: only who was given the sealed address can call it.
 *
 * @throws {Failure} unauthenticated, malformed, rate-limited
 */
export async function receiveInfobipReceipt(
  deps: ApiDeps,
  caller: Caller,
  { query, body }: Pick<SignedRequest, 'query' | 'body'>,
): Promise<void> {
  const origin = originOf(deps, query, 'infobip');
  if (origin === undefined) return refuse(deps, caller, 'infobip');
  const { results } = parse(InfobipReports, body);
  const own = results.filter(({ messageId }) => messageId === messageReference(origin));
  if (own.length === 0) return deps.events.receiptIgnored('infobip', 'unknown');
  await take(deps, 'infobip', origin, readInfobipReceipt(own));
}

/** Only the first final state of a message that is still remembered counts. */
async function take(
  { receipts, events }: ApiDeps,
  provider: ReceiptProvider,
  origin: (ReceiptOrigin & { at: number }) | undefined,
  receipt: Receipt | undefined,
): Promise<void> {
  if (receipt === undefined) return;
  if (origin === undefined || origin.at + receiptLifeSeconds * 1000 < Date.now()) {
    events.receiptIgnored(provider, 'unknown');
    return;
  }
  const noted = await receipts.note(origin, receipt.outcome);
  // also of a repeat: whoever took the first may have died before it was told, and it is told once by its id
  events.receiptTaken(origin, noted.outcome === receipt.outcome ? receipt : { outcome: noted.outcome }, noted.isRepeat);
}

/** Providers are not limited; whoever pretends to be one is, as at every other call. */
async function refuse(deps: ApiDeps, caller: Caller, provider: ReceiptProvider): Promise<never> {
  deps.events.receiptIgnored(provider, 'refused');
  await guardRequest(deps, caller);
  throw new Failure('unauthenticated', { message: 'The signature is missing or wrong' });
}

/** Undefined when it was not we who sealed it, or for another provider. */
function originOf({ receiptBox }: Pick<ApiDeps, 'receiptBox'>, query: unknown, provider: ReceiptProvider) {
  const { of: sealed } = ReceiptQuery.safeParse(query).data ?? {};
  if (sealed === undefined) return undefined;
  try {
    const origin = Origin.parse(JSON.parse(receiptBox.openText(sealed)));
    return origin.provider === provider ? origin : undefined;
  } catch {
    return undefined;
  }
}
