/**
 * Push: how a device that is not connected learns that something waits for it.
 *
 * Terminology
 * - push provider: the service that reaches a device. Of WebPush, the server is chosen by the device.
 * - push registration: where the device can be reached, as its provider gave it to the app.
 * - wake-up: a push message that says only that the app should connect. It has the same content for every reason.
 * - dead: the provider says that a registration does not exist any more. It is removed.
 */

import { Failure, statusReason } from './failures.ts';

/** The push providers. WebPush (RFC 8030) includes UnifiedPush. */
export const pushProviders = ['webpush', 'fcm', 'apns'] as const;
/** A push provider. */
export type PushProvider = (typeof pushProviders)[number];

/** Where the wake-ups of a device are sent. Secret: with it, anyone could send to the device. */
export type PushRegistration =
  | { provider: 'webpush'; endpoint: string; p256dh: string; auth: string }
  | { provider: 'fcm'; token: string }
  | { provider: 'apns'; token: string; topic: string };

/** Why a device is woken up. The device is not told. */
export type WakeUpReason = 'device-idle' | 'device-link' | 'keys-low' | 'message' | 'notification' | 'test';

/** How long a provider keeps a wake-up for a device, and how long one is waited for before another one is sent. */
export const wakeUpSeconds = 86_400;

/** Returns whether a wake-up should reach the device at once, even if that costs battery. */
export function isUrgent(reason: WakeUpReason): boolean {
  return reason !== 'keys-low';
}

/** A wake-up as a provider sends it. */
export interface WakeUp {
  registration: PushRegistration;
  isUrgent: boolean;
  /** The same for every attempt. */
  reference: string;
}

/** What a push provider answered: an HTTP status, and its text if it sent one. */
export interface ProviderAnswer {
  status: number;
  message: string | null;
}

/** `token-dead`: the registration is removed. `refused`: it is kept. `unavailable`: no answer, or a temporary one. */
export const pushOutcomes = ['accepted', 'token-dead', 'refused', 'unavailable'] as const;

/** The result of a wake-up at its provider. */
export interface PushResult {
  provider: PushProvider;
  result: (typeof pushOutcomes)[number];
  /** Null without an answer. */
  status: number | null;
  message: string | null;
}

/** The reason of a refusal after which a registration is dead. */
export const tokenDead = 'token-dead';

/** The whole content of a wake-up, where a provider needs some. */
export const wakeUpContent = { event: 'wake-up' } as const;

/**
 * Returns the failure for a temporary answer of a push provider, with the time after which it asks to try again.
 *
 * @param message for operators: the provider, the status and its reason
 * @param options.retryAfter the header `Retry-After`
 * @param options.now milliseconds since the Unix epoch
 */
export function temporaryAnswer(
  message: string,
  answer: ProviderAnswer,
  { retryAfter, now }: { retryAfter: string | undefined; now: number },
): Failure {
  const retryAfterSeconds = readRetryAfter(retryAfter, now);
  return new Failure('unavailable', {
    message,
    reason: statusReason(answer.status),
    answer,
    ...(retryAfterSeconds !== undefined && { retryAfterSeconds }),
  });
}

const textMax = 200;

/**
 * Returns the text of a provider for people: one line of at most 200 characters without control and format characters;
 * null if nothing is left. The server of a WebPush registration may send any text.
 */
export function providerText(text: string): string | null {
  const clean = text
    .slice(0, 4 * textMax)
    .toWellFormed()
    .replaceAll(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\s]+/gu, ' ')
    .trim();
  return clean === '' ? null : clean.slice(0, textMax).toWellFormed();
}

/**
 * Reads the header `Retry-After` (RFC 9110 section 10.2.3), a number of seconds or a date. Returns whole seconds, at most
 * `wakeUpSeconds`; undefined if it is absent or invalid.
 *
 * @param now milliseconds since the Unix epoch
 */
export function readRetryAfter(header: string | undefined, now: number): number | undefined {
  const text = header?.trim() ?? '';
  const isDate = /^[A-Z][a-z]{2}, [\w :]+ GMT$/.test(text);
  const seconds = isDate
    ? Math.ceil((Date.parse(text) - now) / 1000)
    : Number(/^\d{1,10}$/.exec(text)?.[0] ?? Number.NaN);
  return Number.isNaN(seconds) ? undefined : Math.min(Math.max(seconds, 0), wakeUpSeconds);
}
