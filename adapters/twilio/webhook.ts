/** Verification of requests from Twilio. https://www.twilio.com/docs/usage/webhooks/webhooks-security */
import { validateRequest } from 'twilio/lib/webhooks/webhooks.js';
import type { Secret } from '../../platform/config/secret.ts';

/** Returns whether Twilio signed a request. `url` is the URL as Twilio received it, with its query. */
export function isSignedByTwilio(
  token: Secret,
  { url, form, signature }: { url: string; form: Record<string, string>; signature: string | undefined },
): boolean {
  return signature !== undefined && validateRequest(token.reveal(), signature, url, form);
}
