// @rerun never
/** The device of a registration, and the approval of a registration by the devices of the account: cases O of abuse. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Device } from '../../contract/devices.ts';
import { ageRecords } from '../support/aging.ts';
import { type Answer, notificationsTo, type RegistrationHandle, startRegistration } from '../support/client.ts';
import { makeDevice, makeIdentity } from '../support/device-keys.ts';
import { createLinkSteps, makeOffer, type NewDeviceLink, type Owner } from '../support/links.ts';
import type { Chosen } from '../support/people.ts';
import { goodPassword, must, newPassword } from '../support/registrations.ts';
import { until } from '../support/until.ts';
import { withSystem } from '../support/with-system.ts';

const pin = '918273';

const { system, behind, url, api, person, codeBy, isAlive, logIn } = await withSystem({
  REGISTRATION_STEPS: 'code,credentials,device',
  OTP_TTL: '3600',
  DEVICES_MAX: '2',
});
const links = createLinkSteps(api);

const phoneOf = (index: number) => `+447700903${String(index).padStart(3, '0')}`;
const devicesOf = async (token: string) => (await must(api.listDevices({ token }))).body.items;
const stepOf = ({ body }: Answer, name: string) => body.steps.find((step: { name: string }) => step.name === name);
const read = (registration: RegistrationHandle) => must(registration.call('GET', ''));

/** An account with one device, and by default without a PIN. */
const owner = async (index: number, chosen: Chosen = {}): Promise<Owner> =>
  links.ownerOf(await person({ phone: phoneOf(index), username: `owner${index}`, email: mailOf(index) }, chosen));
const mailOf = (index: number) => `owner${index}@example.com`;

/** Verifies the number of a registration. */
async function prove(registration: RegistrationHandle, index: number): Promise<Answer> {
  const { code } = await codeBy(phoneOf(index), () => registration.call('POST', '/codes', { channel: 'sms' }));
  return must(registration.call('PUT', '/code', { code }));
}

/** A registration whose only open step of the policy is the device, and the answer of the step before. */
async function atDevice(index: number, phone = phoneOf(index)) {
  const registration = await startRegistration(url, { phone });
  await prove(registration, index);
  return { registration, last: await must(registration.call('PUT', '/credentials', { password: newPassword })) };
}

const describeDevice = (registration: RegistrationHandle, device: Device) =>
  registration.call('PUT', '/device', device);
const sessionOf = async (registration: RegistrationHandle) =>
  (await must(registration.call('POST', '/session'), 201)).body;

/** Asks the devices of the account for an approval. */
async function ask(registration: RegistrationHandle): Promise<NewDeviceLink> {
  const { nonce, client: _none, ...offer } = makeOffer();
  const { body } = await must(registration.call('PUT', '/approval', offer), 202);
  return { ...body, ...offer, nonce, uri: '' };
}

/** Approves a registration by a device of its account. */
async function approveBy(asked: NewDeviceLink, device: Pick<Owner, 'token'>): Promise<void> {
  await must(links.claim(asked, device), 204);
  await must(links.reveal(asked), 204);
  await must(links.approve(asked, device), 204);
}

const untilApproved = (registration: RegistrationHandle) =>
  until(async () => stepOf(await read(registration), 'approval').status === 'done');

/** A registration that a device of the account has approved. */
async function approvedBy(index: number, device: Pick<Owner, 'token'>): Promise<RegistrationHandle> {
  const { registration } = await atDevice(index);
  await approveBy(await ask(registration), device);
  await untilApproved(registration);
  return registration;
}

/** The reasons of the audit events of an account with an action. */
async function reasonsOf(action: Parameters<typeof behind.auditEvents>[0], userId: string): Promise<unknown[]> {
  const events = await behind.auditEvents(action);
  return events.filter((event) => JSON.stringify(event).includes(userId)).map((event) => event.event?.reason);
}

const daySeconds = 86_400;

/** Makes every use of an account so many seconds older. A session that was unused for too long ends. */
async function ageAccount({ userId }: Owner, seconds: number): Promise<void> {
  const { redis, database } = behind;
  await ageRecords(redis, `user:${userId}`, seconds);
  for (const sessionId of await redis.zrange(`sessions:${userId}`, '0', '-1')) {
    await ageRecords(redis, `session:${sessionId}`, seconds);
  }
  await redis.hincrby(`device-activity:${userId}`, '1', String(-seconds * 1000));
  const users = database.collection<{ _id: string; createdAt: Date }>('users');
  const { createdAt = new Date() } = (await users.findOne({ _id: userId })) ?? {};
  await users.updateOne({ _id: userId }, { $set: { createdAt: new Date(createdAt.getTime() - seconds * 1000) } });
}

function assertLocked({ status, body }: Answer, asks: string[]): void {
  assert.deepEqual([status, body.error_code, body.asks], [423, 'REGISTRATION_LOCKED', asks], JSON.stringify(body));
  assert.ok(body.timeRemainingSeconds > 0 && Number.isInteger(body.timeRemainingSeconds));
}

function assertRefused({ status, body }: Answer, path: string): void {
  assert.deepEqual([status, body.error_code], [400, 'INVALID_REQUEST'], JSON.stringify(body));
  assert.equal(body.details[0].path, path);
}

describe('PUT /registrations/{id}/device', () => {
  it('gives the account its first device, whose session is that of the registration', async () => {
    const { registration, last } = await atDevice(1);
    assert.deepEqual(stepOf(last, 'device'), { name: 'device', status: 'open' });
    const device = makeDevice(makeIdentity(), { oneTimeKeys: 3, name: 'Desk' });
    const completed = await must(describeDevice(registration, device));
    assert.deepEqual([completed.body.state, stepOf(completed, 'device').status], ['completed', 'done']);
    const { accessToken, device: own, user } = await sessionOf(registration);
    assert.deepEqual(own, { deviceId: '1', name: 'Desk' });
    assert.equal((await must(api.readSession({ token: accessToken }))).body.deviceId, '1');
    const listed = await devicesOf(accessToken);
    assert.partialDeepStrictEqual(listed, [{ name: 'Desk', current: true, keys: { count: 3, pqCount: 3 } }]);
    const other = await person({ phone: phoneOf(2), username: 'reader' });
    const { body } = await must(api.takeKeys({ userId: user.userId, token: other.token }));
    assert.equal(body.identityKey, device.identityKey);
    const writer = await owner(5);
    const copy = { deviceId: '1', registrationId: device.registrationId, type: 'message', content: 'AAAA' } as const;
    const message = { clientMessageId: 'first', messages: [copy], timestamp: new Date().toISOString() };
    await must(api.sendMessage({ userId: user.userId, token: writer.token, body: message }));
    assert.equal((await must(api.readMessages({ token: accessToken }))).body.items.length, 1);
    assert.equal((await must(describeDevice(registration, device))).body.state, 'completed', 'a repeat');
    assert.deepEqual(await behind.keys(`registration-device:{${registration.id}}`), []);
  });

  it('may be done first, and a later description replaces an earlier one', async () => {
    const registration = await startRegistration(url, { phone: phoneOf(3) });
    await must(describeDevice(registration, makeDevice(makeIdentity(), { oneTimeKeys: 2 })));
    const device = makeDevice(makeIdentity(), { oneTimeKeys: 1, name: 'Tablet' });
    const described = await must(describeDevice(registration, device));
    assert.deepEqual([described.body.state, stepOf(described, 'device').status], ['pending', 'done']);
    await prove(registration, 3);
    await must(registration.call('PUT', '/credentials', { password: newPassword }));
    const { accessToken } = await sessionOf(registration);
    assert.partialDeepStrictEqual(await devicesOf(accessToken), [{ name: 'Tablet', keys: { count: 1, pqCount: 1 } }]);
  });

  it('refuses keys and signatures that are wrong, and stores nothing', async () => {
    const registration = await startRegistration(url, { phone: phoneOf(4) });
    const [identity, other] = [makeIdentity(), makeIdentity()];
    const device = makeDevice(identity, { oneTimeKeys: 1 });
    const { signedPreKey, preKeys, pqPreKeys } = makeDevice(other, { oneTimeKeys: 1 });
    const short = device.signedPreKey.publicKey.slice(4);
    const wrong: [Device, string][] = [
      [{ ...device, signedPreKey }, 'signedPreKey.signature'],
      [{ ...device, pqPreKeys }, 'pqPreKeys.0.signature'],
      [{ ...device, identityKey: other.publicKey }, 'signedPreKey.signature'],
      [{ ...device, signedPreKey: { ...device.signedPreKey, publicKey: short } }, 'signedPreKey.publicKey'],
      [{ ...device, preKeys: preKeys.map((key) => ({ ...key, publicKey: '' })) }, 'preKeys.0.publicKey'],
      [{ ...device, registrationId: 0 }, 'registrationId'],
    ];
    for (const [body, path] of wrong) assertRefused(await describeDevice(registration, body), path);
    assert.deepEqual(await behind.keys(`registration-device:{${registration.id}}`), []);
    assert.equal(stepOf(await read(registration), 'device').status, 'open');
  });
});

describe('a number whose account has devices', () => {
  it('O3: is locked without a PIN too: 423, no data, and the account is unchanged', async () => {
    const held = await owner(10);
    const { registration, last } = await atDevice(10);
    assert.equal(last.body.state, 'pending');
    assert.deepEqual(last.body.steps.at(-1), { name: 'approval', status: 'open', reason: 'registration-locked' });
    for (const body of [{}, { pin: '000000' }])
      assertLocked(await registration.call('PUT', '/approval', body), ['device']);
    const described = await must(describeDevice(registration, makeDevice(makeIdentity())));
    assert.equal(described.body.state, 'pending');
    assert.equal((await registration.call('POST', '/session')).status, 409);
    const said = JSON.stringify([last.body, described.body, (await read(registration)).body]);
    assert.doesNotMatch(said, new RegExp(`${held.userId}|owner10|lockedBy|existing`));
    assert.equal(await isAlive(held.token), true);
    assert.equal((await logIn('owner10', goodPassword)).status, 200);
    assert.equal((await devicesOf(held.token)).length, 1);
  });

  it('O5: is locked in another spelling too', async () => {
    await owner(11);
    const { registration } = await atDevice(11, '+44 7700 903-011');
    assertLocked(await registration.call('PUT', '/approval', {}), ['device']);
  });

  it('is approved by a device: the new device has the identity key of the account, and the others live', async () => {
    const held = await owner(12);
    const { registration } = await atDevice(12);
    const asked = await ask(registration);
    const waiting = (await read(registration)).body;
    assert.deepEqual([waiting.state, waiting.waitingFor], ['waiting', 'approval']);
    assert.deepEqual(waiting.steps.at(-1), { name: 'approval', status: 'waiting', reason: 'devices-asked' });
    const { items } = (await must(api.listLinkRequests({ token: held.token, query: { waitSeconds: '20' } }))).body;
    assert.deepEqual(
      items.map(({ linkId, kind }) => [linkId, kind]),
      [[asked.linkId, 'approval']],
    );
    await approveBy(asked, held);
    await untilApproved(registration);
    assertRefused(await describeDevice(registration, makeDevice(makeIdentity())), 'identityKey');
    assert.equal(stepOf(await read(registration), 'device').status, 'open');
    const completed = await must(describeDevice(registration, makeDevice(held.identity)));
    assert.deepEqual([completed.body.state, completed.body.userId], ['completed', held.userId]);
    const { accessToken, device } = await sessionOf(registration);
    assert.equal(device.deviceId, '2');
    assert.equal(await isAlive(held.token), true);
    assert.deepEqual(
      (await devicesOf(accessToken)).map(({ deviceId, current }) => [deviceId, current]),
      [
        ['1', false],
        ['2', true],
      ],
    );
    assert.deepEqual(await reasonsOf('identity-change', held.userId), []);
    assert.equal((await logIn('owner12', newPassword)).status, 200);
  });

  it('needs another device after the approval, when one with another identity key was described before it', async () => {
    const held = await owner(13);
    const { registration } = await atDevice(13);
    await must(describeDevice(registration, makeDevice(makeIdentity())));
    await approveBy(await ask(registration), held);
    await untilApproved(registration);
    const step = stepOf(await read(registration), 'device');
    assert.deepEqual(step, { name: 'device', status: 'open', reason: 'identity-differs' });
    const completed = await must(describeDevice(registration, makeDevice(held.identity)));
    assert.equal(completed.body.state, 'completed');
  });

  it('O11: is told to all devices and the mailbox; "not me" denies it, and the step is open again', async () => {
    const held = await owner(14);
    const { registration } = await atDevice(14);
    const denied = await ask(registration);
    const request = (await must(api.readLinkRequest({ linkId: denied.linkId, token: held.token }))).body;
    assert.partialDeepStrictEqual(request, {
      kind: 'approval',
      deviceName: 'Desk',
      ip: '127.0.0.1',
      sameNetwork: true,
    });
    await until(async () =>
      (await notificationsTo(system.ready.outboxUrl, mailOf(14))).some(
        ({ subject = '' }) => subject === 'A new device asks for your Vyry account',
      ),
    );
    await must(links.deny(denied, held), 204);
    const step = { name: 'approval', status: 'open', reason: 'approval-denied' };
    await until(async () => stepOf(await read(registration), 'approval').status === 'open');
    assert.deepEqual(stepOf(await read(registration), 'approval'), step);
    assert.equal((await links.claim(denied, held)).status, 409);
    const asked = await ask(registration);
    assert.notEqual(asked.linkId, denied.linkId);
    await approveBy(asked, held);
    await untilApproved(registration);
  });

  it('is given to the holder of its PIN with another identity key, and the old devices end', async () => {
    const held = await owner(15, { pin });
    const { registration } = await atDevice(15);
    assertLocked(await registration.call('PUT', '/approval', {}), ['pin', 'device']);
    await must(registration.call('PUT', '/approval', { pin }));
    const device = makeDevice(makeIdentity());
    const completed = await must(describeDevice(registration, device));
    assert.deepEqual([completed.body.state, completed.body.userId], ['completed', held.userId]);
    const session = await sessionOf(registration);
    assert.equal(await isAlive(held.token), false);
    assert.equal((await api.refreshTokens({ body: { refreshToken: held.refreshToken } })).status, 401);
    const listed = await devicesOf(session.accessToken);
    assert.deepEqual(
      listed.map(({ name, current }) => [name, current]),
      [[device.name, true]],
    );
    await until(async () => (await reasonsOf('device-remove', held.userId)).length === 1);
    assert.deepEqual(await reasonsOf('device-remove', held.userId), ['replaced']);
    assert.deepEqual(await reasonsOf('identity-change', held.userId), ['reregistered']);
    await until(async () => (await reasonsOf('identity-announce', held.userId)).length === 1);
    assert.deepEqual(await reasonsOf('identity-announce', held.userId), ['reregistered']);
    await until(async () =>
      (await notificationsTo(system.ready.outboxUrl, mailOf(15))).some(
        ({ subject }) => subject === 'Your Vyry identity key was changed',
      ),
    );
  });

  it('with as many devices as it may have: the step stays open until the user has removed one', async () => {
    const held = await owner(17);
    await links.linked(held);
    const registration = await approvedBy(17, held);
    const device = makeDevice(held.identity);
    const { status, body } = await describeDevice(registration, device);
    assert.deepEqual([status, body.error_code, body.current, body.max], [409, 'DEVICE_LIMIT', 2, 2]);
    await must(api.revokeDevice({ deviceId: '2', token: held.token }));
    assert.equal((await must(describeDevice(registration, device))).body.state, 'completed');
  });

  it('does not let a registration become one of its devices by their public keys', async () => {
    const identity = makeIdentity();
    const keys = makeDevice(identity);
    const held = await person({ phone: phoneOf(18), username: 'owner18' });
    const { accessToken } = (await must(api.addDevice({ token: held.token, body: keys }), 201)).body;
    const registration = await approvedBy(18, { token: accessToken });
    assertRefused(await describeDevice(registration, keys), 'signedPreKey');
    assert.equal((await must(describeDevice(registration, makeDevice(identity)))).body.state, 'completed');
  });

  it('is given away without an approval when nobody has used the account for a week, and the old devices end', async () => {
    const held = await owner(16, { pin });
    await ageAccount(held, 6 * daySeconds);
    const { last } = await atDevice(16);
    assert.equal(stepOf(last, 'approval').status, 'open');
    await ageAccount(held, 2 * daySeconds);
    const { registration } = await atDevice(16);
    const completed = await must(describeDevice(registration, makeDevice(makeIdentity())));
    assert.deepEqual([completed.body.state, completed.body.userId], ['completed', held.userId]);
    const { accessToken } = await sessionOf(registration);
    assert.equal(await isAlive(held.token), false);
    assert.equal((await devicesOf(accessToken)).length, 1);
    assert.deepEqual(await reasonsOf('identity-change', held.userId), ['reregistered']);
  });
});
