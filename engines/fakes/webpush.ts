/**
 * The fake of a WebPush service and of the browser or app that is subscribed to it. It decrypts what it accepts as that
 * app would (RFC 8291, RFC 8188), and refuses requests without a valid VAPID signature (RFC 8292).
 */
import { createDecipheriv, createECDH, hkdfSync, randomBytes, randomUUID } from 'node:crypto';
import { importJWK, jwtVerify } from 'jose';
import { z } from 'zod';
import type { Faults } from './faults.ts';
import { answerUnderFault, type Service } from './http-providers.ts';
import { type Answer, type Call, json, type Route, readJson } from './http-server.ts';
import type { Outbox } from './outbox.ts';

const curve = 'prime256v1';
const bytesMax = 4096;
/** The pause that every push fake asks for. */
export const pushPauseSeconds = 30;

/** The keys of a subscription, base64url; `privateKey` is known to the app alone. */
export interface SubscriptionKeys {
  privateKey: string;
  p256dh: string;
  auth: string;
}

interface Subscription extends SubscriptionKeys {
  /** The VAPID key that it is limited to. */
  applicationServerKey: string | undefined;
  isEnded: boolean;
}

/** The subscriptions of the fake. */
export interface Subscriptions {
  /** Routes of the outbox: `POST /push/subscriptions` makes one, `DELETE /push/subscriptions/<id>` ends it. */
  routes: Route[];
  /** Routes of the push service. */
  serviceRoutes: Route[];
}

const Wanted = z.strictObject({ applicationServerKey: z.string().optional() });

/** Creates the fake. `urlOf` returns the URL of its push service, once it listens. */
export function createWebPush({
  outbox,
  faults,
  urlOf,
}: {
  outbox: Outbox;
  faults: Faults;
  urlOf: () => string;
}): Subscriptions {
  const all = new Map<string, Subscription>();
  return {
    routes: [
      {
        method: 'POST',
        path: /^\/push\/subscriptions$/,
        answer(call) {
          const { applicationServerKey } = readJson(call, Wanted);
          const id = randomUUID();
          const keys = newSubscriptionKeys();
          all.set(id, { ...keys, applicationServerKey, isEnded: false });
          return json(201, { id, endpoint: `${urlOf()}/push/${id}`, p256dh: keys.p256dh, auth: keys.auth });
        },
      },
      {
        method: 'DELETE',
        path: /^\/push\/subscriptions\/(?<id>[\w-]+)$/,
        answer({ params }) {
          const known = all.get(params.id ?? '');
          if (known === undefined) return json(404, { message: 'No such subscription' });
          known.isEnded = true;
          return { status: 204, body: '' };
        },
      },
    ],
    serviceRoutes: [
      {
        method: 'POST',
        path: /^\/push\/(?<id>[\w-]+)$/,
        answer: (call) => answerUnderFault(faults, serviceOf(all.get(call.params.id ?? ''), outbox), call),
      },
    ],
  };
}

/** Makes the keys of a subscription, as an app does. */
export function newSubscriptionKeys(): SubscriptionKeys {
  const ecdh = createECDH(curve);
  const p256dh = ecdh.generateKeys();
  const text = (bytes: Buffer) => bytes.toString('base64url');
  return { privateKey: text(ecdh.getPrivateKey()), p256dh: text(p256dh), auth: text(randomBytes(16)) };
}

function serviceOf(subscription: Subscription | undefined, outbox: Outbox): Service {
  return {
    channel: 'push',
    provider: 'webpush',
    async take(call) {
      if (subscription === undefined) return text(404, 'No such subscription');
      if (subscription.isEnded) return text(410, 'The subscription has ended');
      if (call.bytes.length > bytesMax) return text(413, 'The message is too long');
      const subject = await verifyVapid(call, subscription).catch((err: unknown) => err as Error);
      if (typeof subject !== 'string') return text(403, `VAPID: ${subject.message}`);
      if (!/^\d+$/.test(String(call.headers.ttl))) return text(400, 'TTL is missing');
      if (call.headers['content-encoding'] !== 'aes128gcm') return text(415, 'Unknown Content-Encoding');
      const body = decryptPush(call.bytes, subscription);
      const { id } = outbox.add({ channel: 'push', to: endpointOf(call), from: subject, body, provider: 'webpush' });
      return { status: 201, headers: { location: `/receipt/${id}` }, body: '' };
    },
    refuse({ providerCode }) {
      const status = Number(providerCode ?? 410);
      return text(status, 'Told to refuse', status === 429 || status === 503);
    },
  };
}

/**
 * Verifies the VAPID header of a request and returns the subject of its token.
 *
 * @throws {Error} it is missing, forged, expired, valid for more than a day or for another service or subscription
 */
async function verifyVapid(call: Call, { applicationServerKey }: Subscription): Promise<string> {
  const [, token = '', key = ''] = /^vapid t=([^,\s]+), ?k=([\w-]+)$/.exec(call.headers.authorization ?? '') ?? [];
  if (applicationServerKey !== undefined && applicationServerKey !== key) throw new Error('another key');
  const point = Buffer.from(key, 'base64url');
  const half = (from: number) => point.subarray(from, from + 32).toString('base64url');
  const publicKey = await importJWK({ kty: 'EC', crv: 'P-256', x: half(1), y: half(33) }, 'ES256');
  const audience = new URL(endpointOf(call)).origin;
  const { payload } = await jwtVerify(token, publicKey, {
    audience,
    algorithms: ['ES256'],
    requiredClaims: ['exp', 'sub'],
  });
  if ((payload.exp ?? 0) > Date.now() / 1000 + 86_400) throw new Error('valid for more than a day');
  return payload.sub ?? '';
}

function endpointOf({ headers, url }: Call): string {
  return `https://${headers.host}${url.pathname}`;
}

function text(status: number, body: string, asksForPause = false): Answer {
  return { status, headers: asksForPause ? { 'retry-after': String(pushPauseSeconds) } : {}, body };
}

/**
 * Decrypts a message of one record, as the app of a subscription does (RFC 8291 section 3.4).
 *
 * @throws {Error} it is not encrypted for this subscription
 */
export function decryptPush(message: Buffer, { privateKey, p256dh, auth }: SubscriptionKeys): string {
  const salt = message.subarray(0, 16);
  const keyLength = message.readUInt8(20);
  const serverKey = message.subarray(21, 21 + keyLength);
  const record = message.subarray(21 + keyLength);
  const ecdh = createECDH(curve);
  ecdh.setPrivateKey(Buffer.from(privateKey, 'base64url'));
  const info = Buffer.concat([Buffer.from('WebPush: info\0'), Buffer.from(p256dh, 'base64url'), serverKey]);
  const derive = (secret: Uint8Array, with_: Uint8Array, about: Uint8Array, length: number) =>
    Buffer.from(hkdfSync('sha256', secret, with_, about, length));
  const keyMaterial = derive(ecdh.computeSecret(serverKey), Buffer.from(auth, 'base64url'), info, 32);
  const contentKey = derive(keyMaterial, salt, Buffer.from('Content-Encoding: aes128gcm\0'), 16);
  const nonce = derive(keyMaterial, salt, Buffer.from('Content-Encoding: nonce\0'), 12);
  const decipher = createDecipheriv('aes-128-gcm', contentKey, nonce).setAuthTag(record.subarray(-16));
  const padded = Buffer.concat([decipher.update(record.subarray(0, -16)), decipher.final()]);
  const end = padded.findLastIndex((byte) => byte !== 0);
  // RFC 8188 section 2: the last record ends in 2 and padding
  if (padded[end] !== 2) throw new Error('The padding is invalid');
  return padded.subarray(0, end).toString();
}
