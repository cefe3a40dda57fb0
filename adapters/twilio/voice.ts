/** The speech of voice calls, as TwiML. https://www.twilio.com/docs/voice/twiml */
import VoiceResponse from 'twilio/lib/twiml/VoiceResponse.js';
import type { Speech } from '../../domain/templates/messages.ts';

/** Returns TwiML that asks twice for a key and hangs up without one. After a key, Twilio requests `codeUrl`. */
export function greetingTwiml(speech: Speech, codeUrl: string): string {
  const response = new VoiceResponse();
  for (const timeout of [8, 8]) {
    const gather = response.gather({ input: ['dtmf'], numDigits: 1, timeout, action: codeUrl, method: 'POST' });
    gather.say(voiceOf(speech), speech.pressKey);
  }
  response.hangup();
  return response.toString();
}

/** Returns TwiML that speaks the code digit by digit, three times. */
export function codeTwiml(speech: Speech): string {
  const response = new VoiceResponse();
  for (let time = 0; time < 3; time++) {
    response.say(voiceOf(speech), speech.yourCodeIs);
    for (const digit of speech.digits) {
      response.pause({ length: 1 });
      response.say(voiceOf(speech), digit);
    }
    response.pause({ length: 2 });
  }
  response.hangup();
  return response.toString();
}

function voiceOf({ language, voice }: Speech): VoiceResponse.SayAttributes {
  return { language: language as never, ...(voice !== undefined && { voice: voice as never }) };
}
