// @rerun never
/** Push registrations and wake-ups of devices, with fakes of the push providers. */
import assert from 'node:assert/strict';
import { beforeEach, describe, it } from 'node:test';
import { createDevices } from '../../adapters/mongo/devices.ts';
import { createFactChanges } from '../../adapters/redis/account-facts.ts';
import { createInboxDevices } from '../../adapters/redis/inbox-devices.ts';
import { createWakeUps } from '../../adapters/redis/wake-ups.ts';
import { wakeUp } from '../../api/wake-up.ts';
import type { Push } from '../../contract/devices.ts';
import { notificationWorkflowId, wakeUpWorkflowId } from '../../domain/workflow-ids.ts';
import { makeDevice, makeIdentity } from '../support/device-keys.ts';
import { setFault, untilHeld } from '../support/faults.ts';
import { deviceOwner, messageTo } from '../support/messages.ts';
import type { SignedIn } from '../support/people.ts';
import { recordEvents } from '../support/recorder.ts';
import { assertLimited, goodPassword, must, startAnotherApi } from '../support/registrations.ts';
import { eventually, until } from '../support/until.ts';
import { withSystem } from '../support/with-system.ts';

const { system, behind, api, person, outboxUrl } = await withSystem();
const wakeUps = createWakeUps(behind.redis);
const deps = {
  devices: createDevices(behind.database, {
    changed: createInboxDevices(behind.redis).writeDevices,
    around: createFactChanges(behind.redis),
  }),
  wakeUps,
  temporal: behind.temporal,
  events: recordEvents().events,
};

beforeEach(() => setFault(outboxUrl, { channel: 'push', mode: 'none' }));

interface Subscription {
  id: string;
  push: Extract<Push, { provider: 'webpush' }>;
}

/** Subscribes to the WebPush fake as an app does. */
async function subscribe(): Promise<Subscription> {
  const { webpush } = (await must(api.readPushConfig())).body;
  const body = JSON.stringify({ applicationServerKey: webpush?.publicKey });
  const response = await fetch(`${outboxUrl}/push/subscriptions`, { method: 'POST', body });
  const { id, ...push } = (await response.json()) as { id: string; endpoint: string; p256dh: string; auth: string };
  return { id, push: { provider: 'webpush', ...push } };
}

/** Resolves when the notification of the new device has ended, which wakes up devices too. */
async function untilNotified(userId: string, token: string): Promise<void> {
  const [device] = (await must(api.listDevices({ token }))).body.items;
  const occasion = `${device?.deviceId}-${Date.parse(device?.createdAt ?? '')}`;
  const id = notificationWorkflowId({ userId, kind: 'device-added', occasion });
  await behind.temporal.workflow.getHandle(id).result();
}

/** A person with a device that has a push registration. */
async function reachable(who: number, push?: Push): Promise<SignedIn & Subscription> {
  const subscription = await subscribe();
  const signedIn = await person(who);
  const added = await must(api.addDevice({ token: signedIn.token, body: makeDevice(makeIdentity()) }), 201);
  const token = added.body.accessToken;
  await untilNotified(signedIn.userId, token);
  await must(api.setPush({ token, body: push ?? subscription.push }), 204);
  return { ...signedIn, ...subscription, token };
}

async function wakeUpsOf(to: string): Promise<{ body: string; provider: string }[]> {
  return (await (await fetch(`${outboxUrl}/messages?${new URLSearchParams({ to })}`)).json()) as never;
}

const untilWoken = (to: string, count: number) => until(async () => (await wakeUpsOf(to)).length >= count);
const pushOf = async (token: string) => (await must(api.listDevices({ token }))).body.items[0]?.push;
const testOf = async (token: string) => (await must(api.testPush({ token }))).body;
const eventsOf = async (action: 'push-change' | 'wake-up-send', userId: string) =>
  (await behind.auditEvents(action)).filter((event) => event.userId === userId || event.user?.target?.id === userId);

describe('PUT /devices/me/push', () => {
  it('stores where wake-ups go, encrypted, and GET /devices shows the provider alone', async () => {
    const { userId, token, push } = await reachable(1);
    assert.deepEqual(await pushOf(token), { provider: 'webpush', lastResult: null, lastAt: null });
    const stored = JSON.stringify(await behind.database.collection('devices').findOne({ _id: userId as never }));
    for (const secret of [push.endpoint, push.p256dh, push.auth, 'webpush'])
      assert.equal(stored.includes(secret), false);
    await must(api.setPush({ token, body: { provider: null } }), 204);
    assert.equal(await pushOf(token), undefined);
    assert.deepEqual(
      (await eventsOf('push-change', userId)).map(({ metadata }) => metadata.provider),
      ['webpush', 'none'],
    );
  });

  it('H32 refuses endpoints that are not https or not public, and stores nothing', async () => {
    const { token, push } = await reachable(2, { provider: 'fcm', token: 'fcm-token' });
    for (const endpoint of [
      'http://push.example.net/1',
      'https://127.0.0.1/1',
      'https://[::1]:7233/1',
      'https://0x7f.1/1',
      'https://2130706433/1',
      'https://169.254.169.254/latest/meta-data/',
      'https://[::ffff:10.0.0.1]/1',
      'https://localhost/1',
      'https://user:secret@push.example.net/1',
      'file:///etc/passwd',
      'gopher://127.0.0.1:6379/_FLUSHALL',
    ]) {
      const { body } = await must(api.setPush({ token, body: { ...push, endpoint } }), 400);
      assert.equal(body.error_code, 'INVALID_REQUEST', endpoint);
      assert.equal(body.details[0].path, 'endpoint', endpoint);
    }
    assert.equal((await pushOf(token))?.provider, 'fcm');
  });

  it('refuses keys that no subscription has, and tokens that do not fit into a request', async () => {
    const { token, push } = await reachable(3);
    for (const [path, body] of [
      ['p256dh', { ...push, p256dh: push.auth }],
      ['auth', { ...push, auth: push.p256dh.slice(0, 60) }],
      ['token', { provider: 'fcm', token: 'a b' }],
      ['topic', { provider: 'apns', token: 'ab'.repeat(32), topic: 'org.example\tapp' }],
    ] as [string, Push][]) {
      const refused = await must(api.setPush({ token, body }), 400);
      assert.equal(refused.body.details[0].path, path);
    }
  });

  it('refuses providers that are not available, as GET /push/config says', async () => {
    const { token, push } = await reachable(4);
    assert.deepEqual((await must(api.readPushConfig())).body, {
      webpush: { publicKey: system.processes.env('api').VAPID_PUBLIC_KEY },
      fcm: true,
      apns: true,
    });
    const without = await startAnotherApi(system, { PUSH_PROVIDERS: 'apns' });
    const at = without.apiUrl;
    assert.deepEqual((await must(api.readPushConfig({ at }))).body, { webpush: null, fcm: false, apns: true });
    const refused = await must(api.setPush({ token, body: push, at }), 400);
    assert.equal(refused.body.details[0].path, 'provider');
  });

  it('needs a session of a device', async () => {
    const { token } = await person(5);
    await must(api.setPush({ token, body: { provider: null } }), 403);
    await must(api.testPush({ token }), 403);
  });
});

describe('POST /devices/me/push/test', () => {
  it('sends a wake-up without content by each provider, and returns its answer', async () => {
    const { token, push } = await reachable(10);
    assert.deepEqual(await testOf(token), { provider: 'webpush', result: 'accepted', status: 201, message: null });
    assert.deepEqual(
      (await wakeUpsOf(push.endpoint)).map(({ body }) => body),
      ['{"event":"wake-up"}'],
    );
    const { lastResult, lastAt } = (await pushOf(token)) ?? {};
    assert.equal(lastResult, 'accepted');
    assert.equal(typeof lastAt, 'string');
    for (const body of [
      { provider: 'fcm', token: 'fcm-token-of-10' },
      { provider: 'apns', token: 'a0'.repeat(32), topic: 'org.example.app' },
    ] satisfies Push[]) {
      await must(api.setPush({ token, body }), 204);
      assert.deepEqual(await pushOf(token), { provider: body.provider, lastResult: null, lastAt: null });
      const tested = await testOf(token);
      assert.deepEqual([tested.provider, tested.result, tested.status], [body.provider, 'accepted', 200]);
      assert.equal((await wakeUpsOf(body.token)).length, 1);
    }
  });

  it('removes a dead registration at once, and records that', async () => {
    const { userId, token, id } = await reachable(11);
    await fetch(`${outboxUrl}/push/subscriptions/${id}`, { method: 'DELETE' });
    const message = 'The subscription has ended';
    assert.deepEqual(await testOf(token), { provider: 'webpush', result: 'token-dead', status: 410, message });
    assert.equal(await pushOf(token), undefined);
    assert.equal((await must(api.testPush({ token }), 409)).body.error_code, 'CONFLICT');
    const event = await eventually(async () =>
      (await eventsOf('push-change', userId)).find((one) => one.event.reason === 'token-dead'),
    );
    assert.equal(event.metadata.provider, 'webpush');
  });

  it('reports a provider that does not answer as unavailable, and keeps the registration', async () => {
    const { token } = await reachable(12);
    await setFault(outboxUrl, { channel: 'push', mode: 'error500' });
    const { result, status } = await testOf(token);
    assert.deepEqual([result, status], ['unavailable', 500]);
    await setFault(outboxUrl, { channel: 'push', mode: 'accept-then-drop' });
    const dropped = await testOf(token);
    assert.deepEqual(dropped, { provider: 'webpush', result: 'unavailable', status: null, message: 'connection-lost' });
    assert.equal((await pushOf(token))?.lastResult, 'unavailable');
  });

  it('keeps a registration whose provider refuses the request, and records that', async () => {
    const { userId, token } = await reachable(13, { provider: 'fcm', token: 'fcm-token-of-13' });
    await setFault(outboxUrl, { channel: 'push', provider: 'fcm', mode: 'error400', providerCode: 'INVALID_ARGUMENT' });
    const { result, status, message } = await testOf(token);
    assert.deepEqual([result, status], ['refused', 400]);
    assert.equal(message, 'INVALID_ARGUMENT Told to refuse');
    assert.equal((await pushOf(token))?.lastResult, 'refused');
    const event = await eventually(async () => (await eventsOf('wake-up-send', userId))[0]);
    assert.equal(event.event.reason, 'request-refused');
  });

  it('is limited by device', async () => {
    const { token, push } = await reachable(14);
    const at = (await startAnotherApi(system, { LIMIT_PUSH_TESTS_PER_DEVICE: '2/600' })).apiUrl;
    await must(api.testPush({ token, at }));
    await must(api.testPush({ token, at }));
    assertLimited(await api.testPush({ token, at }), 'push-tests-per-device', 600);
    assert.equal((await wakeUpsOf(push.endpoint)).length, 2);
  });
});

describe('a wake-up', () => {
  it('is sent once until the device connects, however many events there are', async () => {
    const { userId, token, push } = await reachable(20);
    await Promise.all(Array.from({ length: 20 }, () => wakeUp(deps, { userId, reason: 'keys-low' })));
    await untilWoken(push.endpoint, 1);
    await wakeUp(deps, { userId, deviceId: '1', reason: 'device-link' });
    assert.equal((await pushOf(token))?.lastResult, 'accepted');
    await wakeUp(deps, { userId, deviceId: '2', reason: 'device-link' });
    await wakeUp(deps, { userId, deviceId: '1', reason: 'device-link' });
    await untilWoken(push.endpoint, 2);
    assert.deepEqual(
      (await wakeUpsOf(push.endpoint)).map(({ body, provider }) => [body, provider]),
      [
        ['{"event":"wake-up"}', 'webpush'],
        ['{"event":"wake-up"}', 'webpush'],
      ],
    );
  });

  it('follows a security notification', async () => {
    const { token, push } = await reachable(21);
    await must(api.changePin({ token, body: { pin: '830561', currentPassword: goodPassword } }), 204);
    await untilWoken(push.endpoint, 1);
  });

  it('follows a message that is urgent, and the next one once the device has read its inbox', async () => {
    const { userId, token, push } = await reachable(26);
    const { token: sender, userId: senderId } = await deviceOwner(system, 27);
    await must(api.changeConversation({ userId: senderId, token, body: { state: 'accepted' } }));
    const set = await behind.database.collection('devices').findOne({ _id: userId as never });
    const device = { deviceId: '1', registrationId: Number(set?.devices.d1.registrationId) };
    const send = (urgent: boolean) =>
      must(api.sendMessage({ userId, token: sender, body: messageTo([device], 'secret', { urgent }) }));
    await send(false);
    for (let count = 0; count < 3; count++) await send(true);
    await untilWoken(push.endpoint, 1);
    assert.equal((await must(api.readMessages({ token }))).body.items.length, 4);
    await send(true);
    await untilWoken(push.endpoint, 2);
    const woken = await wakeUpsOf(push.endpoint);
    assert.deepEqual(
      woken.map(({ body }) => body),
      Array(2).fill('{"event":"wake-up"}'),
    );
  });

  it('waits while the provider is unavailable, and arrives when it is back', async () => {
    const { userId, token, push } = await reachable(22);
    await setFault(outboxUrl, { channel: 'push', mode: 'error500' });
    await wakeUp(deps, { userId, reason: 'device-link' });
    await until(async () => (await wakeUps.lastResults(userId)).get('1')?.result === 'unavailable');
    await setFault(outboxUrl, { channel: 'push', mode: 'none' });
    await untilWoken(push.endpoint, 1);
    await until(async () => (await pushOf(token))?.lastResult === 'accepted');
    const away = (await behind.auditEvents('dependency-away')).filter(({ metadata }) =>
      `${metadata.why}`.includes('webpush'),
    );
    assert.deepEqual(away, [], 'a server that a device chose is no dependency');
  });

  it('is not sent to a device that has connected while the provider was unavailable', async () => {
    const { userId, token, push } = await reachable(23);
    await setFault(outboxUrl, { channel: 'push', mode: 'error500' });
    await wakeUp(deps, { userId, reason: 'device-link' });
    await until(async () => (await wakeUps.lastResults(userId)).get('1')?.result === 'unavailable');
    const wakeUpId = await behind.redis.get(`wake-up:${userId}:1`);
    await must(api.readSession({ token }));
    await setFault(outboxUrl, { channel: 'push', mode: 'none' });
    const handle = behind.temporal.workflow.getHandle(wakeUpWorkflowId(wakeUpId ?? ''));
    assert.equal(await handle.result(), 'not-needed');
    assert.deepEqual(await wakeUpsOf(push.endpoint), []);
  });

  it('removes a dead registration, but not one that the app set meanwhile', async () => {
    const { userId, token, id, push } = await reachable(24);
    await fetch(`${outboxUrl}/push/subscriptions/${id}`, { method: 'DELETE' });
    await setFault(outboxUrl, { channel: 'push', mode: 'hold' });
    await wakeUp(deps, { userId, reason: 'keys-low' });
    await untilHeld(outboxUrl, { channel: 'push' });
    const wakeUpId = (await behind.redis.get(`wake-up:${userId}:1`)) ?? '';
    const next = await subscribe();
    await must(api.setPush({ token, body: next.push }), 204);
    // as if the device had not connected to set it
    await wakeUps.confirm({ userId, deviceId: '1', wakeUpId });
    await setFault(outboxUrl, { channel: 'push', mode: 'none' });
    assert.equal(await behind.temporal.workflow.getHandle(wakeUpWorkflowId(wakeUpId)).result(), 'token-dead');
    assert.equal((await pushOf(token))?.provider, 'webpush');
    await wakeUp(deps, { userId, reason: 'keys-low' });
    await untilWoken(next.push.endpoint, 1);
    assert.deepEqual(await wakeUpsOf(push.endpoint), []);
  });

  it('ends with its device', async () => {
    const { userId, token, push } = await reachable(25);
    await testOf(token);
    await wakeUps.confirm({ userId, deviceId: '1', wakeUpId: 'waiting' });
    await must(api.revokeDevice({ token, deviceId: '1' }));
    await wakeUp(deps, { userId, reason: 'keys-low' });
    assert.deepEqual(await behind.keys(`wake-up:${userId}:*`), []);
    assert.deepEqual([...(await wakeUps.lastResults(userId))], []);
    assert.equal((await wakeUpsOf(push.endpoint)).length, 1);
  });
});
