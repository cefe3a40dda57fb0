/** `POST /calls/twilio`: what a call says once its person pressed a key. */
import { z } from 'zod';
import { codeTwiml } from '../adapters/twilio/voice.ts';
import { Failure } from '../domain/failures.ts';
import type { ApiDeps } from './deps.ts';
import { isFromTwilio, type SignedRequest } from './guards.ts';
import { parse } from './schemas.ts';

/** What the person shall hear: sealed by the role that called. */
export const SpeechQuery = z.object({ speech: z.string().max(4000) });

const EncryptedVoiceCode = z.object({
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
  if (!isFromTwilio(deps, req)) throw new Failure('unauthenticated', { message: 'The signature is missing or wrong' });
  const { speech: encrypted } = parse(SpeechQuery, req.query);
  const { speech, until } = EncryptedVoiceCode.parse(openSpeech(deps, encrypted));
  if (until < Date.now()) throw new Failure('not-found');
  const { voice, ...words } = speech;
  return codeTwiml({ ...words, ...(voice !== undefined && { voice }) });
}

function openSpeech({ voiceCipher }: Pick<ApiDeps, 'voiceCipher'>, encrypted: string): unknown {
  try {
    return JSON.parse(voiceCipher.decryptText(encrypted));
  } catch {
    throw new Failure('not-found');
  }
}
