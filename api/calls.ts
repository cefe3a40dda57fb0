/** `POST /calls/twilio`: what a call says once its person pressed a key. */
import { z } from 'zod';
import { codeTwiml } from '../adapters/twilio/speech.ts';
import { isSignedByTwilio } from '../adapters/twilio/webhook.ts';
import { Failure } from '../domain/failures.ts';
import type { ApiDeps } from './deps.ts';
import { parse } from './schemas.ts';

/** A request of Twilio, of which only the key that was pressed is of use. */
export const TwilioForm = z.record(z.string(), z.string());
/** What the person shall hear: sealed by the role that called. */
export const SpeechQuery = z.object({ speech: z.string().max(4000) });

/** A request as Twilio signs it. */
export interface SignedRequest {
  /** Path and query as they came. */
  path: string;
  query: unknown;
  body: unknown;
  signature: string | undefined;
}

const SealedSpeech = z.object({
  speech: z.object({
    language: z.string(),
    voice: z.string().optional(),
    pressKey: z.string(),
    yourCodeIs: z.string(),
    digits: z.array(z.string()),
  }),
  /** Milliseconds since the Unix epoch. */
  until: z.number(),
});

/**
 * The code of a call, as TwiML, for Twilio alone and as long as the code lives.
 *
 * @throws {Failure} unauthenticated, not-found
 */
export async function speakCode(deps: ApiDeps, req: SignedRequest): Promise<string> {
  requireTwilio(deps, req);
  const { speech: sealed } = parse(SpeechQuery, req.query);
  const { speech, until } = SealedSpeech.parse(openSpeech(deps, sealed));
  if (until < Date.now()) throw new Failure('not-found');
  const { voice, ...words } = speech;
  return codeTwiml({ ...words, ...(voice !== undefined && { voice }) });
}

/** @throws {Failure} unauthenticated: it was not Twilio that asked */
function requireTwilio({ config }: Pick<ApiDeps, 'config'>, req: SignedRequest): void {
  const { TWILIO_WEBHOOK_TOKEN: token, PUBLIC_URL: publicUrl } = config;
  const form = parse(TwilioForm, req.body ?? {});
  const { signature } = req;
  const isTwilio = token && publicUrl && isSignedByTwilio(token, { url: `${publicUrl}${req.path}`, form, signature });
  if (!isTwilio) throw new Failure('unauthenticated', { message: 'The signature is missing or wrong' });
}

function openSpeech({ speechBox }: Pick<ApiDeps, 'speechBox'>, sealed: string): unknown {
  try {
    return JSON.parse(speechBox.openText(sealed));
  } catch {
    throw new Failure('not-found');
  }
}
