/**
 * Wake-ups by WebPush: RFC 8030 (delivery), RFC 8291 (encryption), RFC 8292 (VAPID). UnifiedPush distributors speak it too.
 *
 * The server is chosen by the device, so it is called through `public-endpoint.ts`. A repeat replaces a wake-up that was
 * not delivered yet. Timeout: that of the endpoints.
 */
import { createECDH, ECDH, generateKeyPairSync } from 'node:crypto';
import { encryptNotification, vapidHeaders } from '@block65/webcrypto-web-push';
import type { SendOutcome } from '../../domain/providers.ts';
import {
  type PushRegistration,
  providerText,
  temporaryAnswer,
  tokenDead,
  type WakeUp,
  wakeUpContent,
  wakeUpSeconds,
} from '../../domain/push.ts';
import type { Secret } from '../../platform/config/secret.ts';
import type { EndpointAnswer, PublicEndpoints } from './public-endpoint.ts';

const curve = 'prime256v1';
/** Topic of every wake-up (RFC 8030 section 5.4): a newer one replaces one that waits for the device. */
const topic = 'wake-up';

type WebPushRegistration = Extract<PushRegistration, { provider: 'webpush' }>;

/** The options of `createWebPush`. */
export interface WebPushOptions {
  /** The private key of the application server: 32 bytes, base64url. */
  privateKey: Secret;
  /** How push services reach the operator: a `mailto:` or `https:` URI (RFC 8292 section 2.1). */
  subject: string;
  endpoints: Pick<PublicEndpoints, 'post'>;
}

/** Creates the sender. It makes no request until it is used. */
export function createWebPush({ privateKey, subject, endpoints }: WebPushOptions) {
  const vapid = { subject, publicKey: vapidPublicKey(privateKey.reveal()), privateKey: privateKey.reveal() };
  return {
    /** Sends a wake-up. @throws {Failure} unavailable */
    async send({ registration, isUrgent, reference }: WakeUp): Promise<SendOutcome> {
      if (registration.provider !== 'webpush')
        throw new Error(`Not a registration of WebPush: ${registration.provider}`);
      const { endpoint, p256dh, auth } = registration;
      const subscription = { endpoint, expirationTime: null, keys: { p256dh, auth } };
      const [{ headers: authorization }, body] = await Promise.all([
        vapidHeaders(subscription, vapid),
        // padded to the longest length, so that the length says nothing
        encryptNotification(subscription, Buffer.from(JSON.stringify(wakeUpContent))),
      ]);
      const headers = {
        ...authorization,
        TTL: String(wakeUpSeconds),
        Urgency: isUrgent ? 'high' : 'low',
        Topic: topic,
        'Content-Encoding': 'aes128gcm',
        'Content-Type': 'application/octet-stream',
        'Content-Length': String(body.byteLength),
      };
      const answer = await endpoints.post(endpoint, { headers, body });
      if (answer === undefined) return { result: 'refused', reason: 'endpoint-not-public' };
      return outcomeOf(answer, reference);
    },
  };
}

/** @throws {Failure} unavailable: a temporary answer */
function outcomeOf({ status, retryAfter, text }: EndpointAnswer, reference: string): SendOutcome {
  const answer = { status, message: providerText(text) };
  if (status >= 200 && status < 300) return { result: 'sent', providerId: reference, answer };
  if (status === 404 || status === 410) return { result: 'refused', reason: tokenDead, answer };
  if (status === 429 || status >= 500) {
    throw temporaryAnswer(`webpush ${status}`, answer, { retryAfter, now: Date.now() });
  }
  return { result: 'refused', reason: status < 400 ? 'redirected' : `answers-${status}`, answer };
}

/**
 * Returns the public key of an application server, base64url, which apps subscribe with (RFC 8292 section 3.2).
 *
 * @throws {Error} it is no private key of P-256
 */
export function vapidPublicKey(privateKey: string): string {
  const ecdh = createECDH(curve);
  ecdh.setPrivateKey(Buffer.from(privateKey, 'base64url'));
  return ecdh.getPublicKey().toString('base64url');
}

/** Returns a new private key of an application server: 32 bytes, base64url. */
export function newVapidPrivateKey(): string {
  return generateKeyPairSync('ec', { namedCurve: curve }).privateKey.export({ format: 'jwk' }).d ?? '';
}

/**
 * Returns which field of a subscription is invalid, if any: `p256dh` is an uncompressed point of P-256, `auth` has 16
 * bytes (RFC 8291 section 3), both in base64 of either alphabet.
 */
export function invalidFieldOf({ p256dh, auth }: Pick<WebPushRegistration, 'p256dh' | 'auth'>): string | undefined {
  if (!isUncompressedPoint(bytesOf(p256dh))) return 'p256dh';
  return bytesOf(auth)?.length === 16 ? undefined : 'auth';
}

function isUncompressedPoint(bytes: Buffer | undefined): boolean {
  if (bytes?.length !== 65 || bytes[0] !== 4) return false;
  try {
    ECDH.convertKey(bytes, curve);
    return true;
  } catch {
    return false;
  }
}

function bytesOf(text: string): Buffer | undefined {
  return /^[\w+/-]+={0,2}$/.test(text) ? Buffer.from(text, 'base64url') : undefined;
}
