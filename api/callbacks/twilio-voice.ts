/** `POST /voice/twilio`: the speech of a call after a key press. */
import { z } from 'zod';
import { codeTwiml } from '../../adapters/twilio/voice.ts';
import type { callbackOperations } from '../../contract/callbacks.ts';
import type { AnswerOf } from '../../contract/operation.ts';
import { Failure } from '../../domain/failures.ts';
import type { ApiDeps } from '../deps.ts';
import type { HandlerInput } from '../serve.ts';

type Op = typeof callbackOperations.voiceTwiml;

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
 * Returns the code of a call as TwiML, until the code expires.
 *
 * @throws {Failure} not-found
 */
export async function voiceTwiml(
  deps: Pick<ApiDeps, 'voiceCipher'>,
  { query }: HandlerInput<Op>,
): Promise<AnswerOf<Op>> {
  const { speech, until } = EncryptedVoiceCode.parse(openSpeech(deps, query.speech));
  if (until < Date.now()) throw new Failure('not-found');
  const { voice, ...words } = speech;
  return { status: 200, body: codeTwiml({ ...words, ...(voice !== undefined && { voice }) }) };
}

function openSpeech({ voiceCipher }: Pick<ApiDeps, 'voiceCipher'>, encrypted: string): unknown {
  try {
    return JSON.parse(voiceCipher.decryptText(encrypted));
  } catch {
    throw new Failure('not-found');
  }
}
