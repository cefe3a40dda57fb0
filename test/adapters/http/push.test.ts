/** WebPush, FCM and APNs, tested against fakes that speak their protocols. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, before, beforeEach, describe, it } from 'node:test';
import { inspect } from 'node:util';
import { createApns } from '../../../adapters/http/apns.ts';
import { createFcm, readServiceAccount } from '../../../adapters/http/fcm.ts';
import { createPublicEndpoints } from '../../../adapters/http/public-endpoint.ts';
import { createWebPush, invalidFieldOf, newVapidPrivateKey, vapidPublicKey } from '../../../adapters/http/webpush.ts';
import { isPublicAddress } from '../../../adapters/ip-addresses.ts';
import { Failure } from '../../../domain/failures.ts';
import type { SendOutcome } from '../../../domain/providers.ts';
import { type PushRegistration, tokenDead } from '../../../domain/push.ts';
import { demoTwilio } from '../../../engines/engines.ts';
import { demoApns } from '../../../engines/fakes/apns.ts';
import { type Fakes, startFakes } from '../../../engines/fakes/fakes.ts';
import { fcmServiceAccount } from '../../../engines/fakes/fcm.ts';
import { apnsKey, fcmKey, pushCertificate } from '../../../engines/fakes/push-keys.ts';
import { decryptPush, newSubscriptionKeys, pushPauseSeconds } from '../../../engines/fakes/webpush.ts';
import { Secret } from '../../../platform/config/secret.ts';
import { type FaultSetting, setFault } from '../../support/faults.ts';

const privateKey = new Secret(newVapidPrivateKey());
const subject = 'mailto:operator@example.org';
const timeoutMs = 600_000;
const token = 'ab'.repeat(32);
const wakeUp = '{"event":"wake-up"}';
let fakes: Fakes;

before(async () => {
  fakes = await startFakes({ twilio: demoTwilio });
});
after(() => fakes.close());
beforeEach(async () => {
  await setFault(fakes.outboxUrl, { channel: 'push', mode: 'none' });
  await fetch(`${fakes.outboxUrl}/messages`, { method: 'DELETE' });
});

/** A token in memory that is shared like the one in Redis, and how often one was shared. */
function sharedToken() {
  const kept: string[] = [];
  let current: string | undefined;
  const shared = {
    kept,
    read: async () => current,
    async share(one: string) {
      kept.push(one);
      current ??= one;
      return current;
    },
    async forget() {
      current = undefined;
    },
  };
  return shared;
}

const webpushWith = (key = privateKey) =>
  createWebPush({
    privateKey: key,
    subject,
    endpoints: createPublicEndpoints({
      isPublic: isPublicAddress,
      allowed: [new URL(fakes.webpushUrl).host],
      ca: pushCertificate,
      timeoutMs,
    }),
  });
const fcmWith = (accessToken = sharedToken()) =>
  createFcm({
    account: readServiceAccount(new Secret(fcmServiceAccount(fakes.outboxUrl))),
    baseUrl: fakes.outboxUrl,
    accessToken,
    timeoutMs,
  });
const apnsWith = (providerToken = sharedToken(), keyId: string = demoApns.APNS_KEY_ID) =>
  createApns({
    key: new Secret(apnsKey),
    keyId,
    teamId: demoApns.APNS_TEAM_ID,
    baseUrl: fakes.apnsUrl,
    providerToken,
    timeoutMs,
  });

/** Subscribes to the fake as an app does. */
async function subscribe(key = privateKey) {
  const body = JSON.stringify({ applicationServerKey: vapidPublicKey(key.reveal()) });
  const response = await fetch(`${fakes.outboxUrl}/push/subscriptions`, { method: 'POST', body });
  const { id, endpoint, p256dh, auth } = (await response.json()) as Record<
    'id' | 'endpoint' | 'p256dh' | 'auth',
    string
  >;
  return { id, registration: { provider: 'webpush' as const, endpoint, p256dh, auth } };
}

const fcmToken: PushRegistration = { provider: 'fcm', token };
const apnsToken: PushRegistration = { provider: 'apns', token, topic: 'org.example.app' };
const send = (
  provider: {
    send: (message: { registration: PushRegistration; isUrgent: boolean; reference: string }) => Promise<SendOutcome>;
  },
  registration: PushRegistration,
  isUrgent = true,
) => provider.send({ registration, isUrgent, reference: 'wake-up-1' });

async function outbox(): Promise<{ to: string; from: string; body: string; provider: string }[]> {
  return (await (await fetch(`${fakes.outboxUrl}/messages?channel=push`)).json()) as never;
}

const fault = (setting: Omit<FaultSetting, 'channel'>) => setFault(fakes.outboxUrl, { channel: 'push', ...setting });

async function failureOf(sent: Promise<unknown>): Promise<Failure> {
  const failed = await sent.then(
    () => undefined,
    (err: unknown) => err,
  );
  assert(failed instanceof Failure, inspect(failed));
  const text = JSON.stringify(failed.context);
  for (const secret of [token, privateKey.reveal(), '/push/', 'PRIVATE KEY']) assert(!text.includes(secret), text);
  return failed;
}

const reasonIn = (outcome: SendOutcome) => (outcome.result === 'refused' ? outcome.reason : outcome.result);

describe('createWebPush()', () => {
  it('sends a message without content that the app decrypts, signed by VAPID', async () => {
    const { registration } = await subscribe();
    const sent = await send(webpushWith(), registration);
    assert.deepEqual(sent, { result: 'sent', providerId: 'wake-up-1', answer: { status: 201, message: null } });
    const [message, ...others] = await outbox();
    assert.deepEqual(others, []);
    assert.equal(message?.body, wakeUp);
    assert.deepEqual([message.to, message.from, message.provider], [registration.endpoint, subject, 'webpush']);
  });

  it('reports a subscription that ended or never existed as dead', async () => {
    const { id, registration } = await subscribe();
    await fetch(`${fakes.outboxUrl}/push/subscriptions/${id}`, { method: 'DELETE' });
    const ended = await send(webpushWith(), registration);
    const answer = { status: 410, message: 'The subscription has ended' };
    assert.deepEqual(ended, { result: 'refused', reason: tokenDead, answer });
    const unknown = { ...registration, endpoint: `${fakes.webpushUrl}/push/unknown` };
    assert.equal(reasonIn(await send(webpushWith(), unknown)), tokenDead);
  });

  it('keeps a subscription whose service refuses the request, such as that of another key', async () => {
    const { registration } = await subscribe(new Secret(newVapidPrivateKey()));
    const answer = { status: 403, message: 'VAPID: another key' };
    assert.deepEqual(await send(webpushWith(), registration), { result: 'refused', reason: 'answers-403', answer });
    await fault({ mode: 'error400', providerCode: 302 });
    assert.equal(reasonIn(await send(webpushWith(), registration)), 'redirected');
  });

  it('H32 sends nothing to an endpoint that is not public', async () => {
    const { registration } = await subscribe();
    const elsewhere = { ...registration, endpoint: registration.endpoint.replace(/:\d+/, '') };
    const refused = await send(webpushWith(), elsewhere);
    assert.deepEqual(refused, { result: 'refused', reason: 'endpoint-not-public' });
    assert.deepEqual(await outbox(), []);
  });

  it('waits as long as the service asks', async () => {
    const { registration } = await subscribe();
    for (const status of [429, 503]) {
      await fault({ provider: 'webpush', mode: 'error400', providerCode: status });
      const { code, context } = await failureOf(send(webpushWith(), registration));
      assert.equal(code, 'unavailable');
      assert.equal(context.retryAfterSeconds, pushPauseSeconds);
      assert.deepEqual(context.answer, { status, message: 'Told to refuse' });
    }
    await fault({ mode: 'error500' });
    assert.equal((await failureOf(send(webpushWith(), registration))).context.reason, 'answers-500');
    await fault({ mode: 'accept-then-drop' });
    assert.equal((await failureOf(send(webpushWith(), registration))).context.reason, 'connection-lost');
  });

  it('accepts only keys that a subscription can have', () => {
    const { p256dh, auth } = newSubscriptionKeys();
    const point = Buffer.from(p256dh, 'base64url');
    const padded = { p256dh: point.toString('base64'), auth: Buffer.from(auth, 'base64url').toString('base64') };
    assert.equal(invalidFieldOf({ p256dh, auth }), undefined);
    assert.equal(invalidFieldOf(padded), undefined);
    const offCurve = Buffer.concat([Buffer.from([4]), Buffer.alloc(64, 1)]).toString('base64url');
    const compressed = Buffer.concat([Buffer.from([2]), point.subarray(1, 33)]).toString('base64url');
    for (const wrong of ['', 'no key!', offCurve, compressed, point.subarray(1).toString('base64url')])
      assert.equal(invalidFieldOf({ p256dh: wrong, auth }), 'p256dh', wrong);
    for (const wrong of ['', randomBytes(15).toString('base64url'), randomBytes(17).toString('base64url')])
      assert.equal(invalidFieldOf({ p256dh, auth: wrong }), 'auth', wrong);
  });
});

describe('decryptPush() of the fake', () => {
  it('opens the example of RFC 8291 section 5', () => {
    const message = Buffer.from(
      'DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A_yl95bQpu6cVPTpK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qulcy4a-fN',
      'base64url',
    );
    const keys = {
      privateKey: 'q1dXpw3UpT5VOmu_cf_v6ih07Aems3njxI-JWgLcM94',
      p256dh: 'BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4',
      auth: 'BTBZMqHH6r4Tts7J_aSIgg',
    };
    assert.equal(decryptPush(message, keys), 'When I grow up, I want to be a watermelon');
    assert.throws(() => decryptPush(message, newSubscriptionKeys()));
  });
});

describe('createFcm()', () => {
  it('sends a data message without content, with one access token for all workers', async () => {
    const accessToken = sharedToken();
    const sent = await send(fcmWith(accessToken), fcmToken);
    await send(fcmWith(accessToken), fcmToken, false);
    assert.equal(sent.result, 'sent');
    assert.equal(accessToken.kept.length, 1);
    const messages = await outbox();
    assert.equal(messages.length, 2);
    for (const message of messages)
      assert.deepEqual([message.body, message.to, message.provider], [wakeUp, token, 'fcm']);
  });

  it('requests another access token after one is not accepted', async () => {
    const accessToken = sharedToken();
    await accessToken.share('expired');
    assert.equal((await failureOf(send(fcmWith(accessToken), fcmToken))).context.reason, 'credentials-refused');
    assert.equal((await send(fcmWith(accessToken), fcmToken)).result, 'sent');
  });

  it('distinguishes a dead token from a request that FCM does not accept', async () => {
    for (const [providerCode, reason] of [
      ['UNREGISTERED', tokenDead],
      ['INVALID_TOKEN', tokenDead],
      ['INVALID_ARGUMENT', 'request-refused'],
      ['SENDER_ID_MISMATCH', 'other-project'],
    ] as const) {
      await fault({ provider: 'fcm', mode: 'error400', providerCode });
      assert.equal(reasonIn(await send(fcmWith(), fcmToken)), reason, providerCode);
    }
  });

  it('waits as long as FCM asks', async () => {
    for (const [providerCode, reason] of [
      ['QUOTA_EXCEEDED', 'limited'],
      ['UNAVAILABLE', 'answers-503'],
    ] as const) {
      await fault({ provider: 'fcm', mode: 'error400', providerCode });
      const { context } = await failureOf(send(fcmWith(), fcmToken));
      assert.deepEqual([context.reason, context.retryAfterSeconds], [reason, pushPauseSeconds]);
    }
  });

  it('refuses a key file that is none, without quoting it', () => {
    for (const file of ['', '{}', JSON.stringify({ private_key: fcmKey })]) {
      assert.throws(
        () => readServiceAccount(new Secret(file)),
        ({ message }: Error) => message.includes('FCM_SERVICE_ACCOUNT') && !message.includes('PRIVATE'),
      );
    }
  });
});

describe('createApns()', () => {
  it('sends a notification without content over one connection, with one provider token for all workers', async () => {
    const providerToken = sharedToken();
    const [first, second] = [apnsWith(providerToken), apnsWith(providerToken)];
    for (const [sender, isUrgent] of [
      [first, true],
      [first, false],
      [second, true],
    ] as const) {
      assert.equal((await send(sender, apnsToken, isUrgent)).result, 'sent');
    }
    for (const sender of [first, second]) sender.close();
    assert.equal(providerToken.kept.length, 1);
    const [urgent, background] = (await outbox()).map(({ body }) => JSON.parse(body));
    assert.deepEqual(background, { aps: { 'content-available': 1 }, event: 'wake-up' });
    assert.deepEqual(urgent.aps.alert, { 'loc-key': 'WAKE_UP' });
  });

  it('distinguishes a dead token from a request that APNs does not accept', async () => {
    const apns = apnsWith();
    for (const [providerCode, status, reason] of [
      ['Unregistered', 410, tokenDead],
      ['BadDeviceToken', 400, tokenDead],
      ['BadTopic', 400, 'request-refused'],
    ] as const) {
      await fault({ provider: 'apns', mode: 'error400', providerCode });
      const refused = await send(apns, apnsToken);
      assert.deepEqual(refused, { result: 'refused', reason, answer: { status, message: providerCode } });
    }
    apns.close();
  });

  it('waits as long as APNs asks, and while it does not accept the key', async () => {
    const apns = apnsWith();
    await fault({ provider: 'apns', mode: 'error400', providerCode: 'TooManyRequests' });
    const { context } = await failureOf(send(apns, apnsToken));
    assert.deepEqual([context.reason, context.retryAfterSeconds], ['limited', pushPauseSeconds]);
    await fault({ mode: 'accept-then-drop' });
    assert.equal((await failureOf(send(apns, apnsToken))).context.reason, 'connection-lost');
    await fault({ mode: 'none' });
    assert.equal((await send(apns, apnsToken)).result, 'sent', 'a new connection is made');
    apns.close();
    const other = apnsWith(sharedToken(), 'OTHERKEY');
    assert.equal((await failureOf(send(other, apnsToken))).context.reason, 'credentials-refused');
    other.close();
  });

  it('replaces an expired provider token', async () => {
    const providerToken = sharedToken();
    const apns = apnsWith(providerToken);
    await fault({ provider: 'apns', mode: 'error400', providerCode: 'ExpiredProviderToken' });
    await failureOf(send(apns, apnsToken));
    assert.equal(await providerToken.read(), undefined);
    apns.close();
  });
});
