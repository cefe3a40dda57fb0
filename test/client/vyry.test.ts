// @rerun never
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { keyDigest } from '../../client/keys.ts';
import { createMemoryStore } from '../../client/memory-store.ts';
import type { VyryOptions } from '../../client/vyry.ts';
import { codeFor, solveCaptcha } from '../support/client.ts';
import { personOf } from '../support/journey.ts';
import { LibsignalDevice } from '../support/libsignal.ts';
import { goodPassword, phoneOf, wrongCode } from '../support/registrations.ts';
import * as sdk from '../support/sdk.ts';
import { withSystem } from '../support/with-system.ts';

const { url, outboxUrl, api, account, person } = await withSystem({
  REGISTRATION_STEPS: 'directory,captcha,code,credentials,device',
});

const newClient = (options: Partial<VyryOptions> = {}) => sdk.newClient(url, options);

/** The client of a new person who is logged in. */
async function loggedIn(index: number, options: Partial<VyryOptions> = {}) {
  const { name, userId } = await account(index);
  const client = newClient(options);
  assert.equal(await client.vyry.signIn({ identifier: name, password: goodPassword }), undefined);
  return { ...client, userId };
}

/** A `fetch` that records the paths of its requests and loses the answers to those that `isLost` names. */
function recordingFetch(isLost: (path: string, count: number) => boolean = () => false) {
  const paths: string[] = [];
  const recording: typeof fetch = async (input, init) => {
    const { pathname } = new URL(String(input));
    paths.push(pathname);
    const response = await fetch(input, init);
    if (!isLost(pathname, paths.filter((path) => path === pathname).length)) return response;
    await response.arrayBuffer();
    throw new TypeError('the answer was lost');
  };
  return { paths, fetch: recording, countOf: (end: string) => paths.filter((path) => path.endsWith(end)).length };
}

describe('a registration by the client', () => {
  it('goes on in another process after each step, and gives the session once all are done', async () => {
    const { username, password } = personOf(0);
    const { store, vyry } = newClient();
    const { registrationId } = await vyry.register({});
    const next = () => newClient({ store }).vyry.continueRegistration();
    await (await next()).verifyDirectory({ username, password });
    await (await next()).verifyCaptcha(await solveCaptcha(url));
    const { state } = await (await next()).sendCode({ channel: 'sms' });
    assert.equal(state, 'pending');
    const code = await codeFor(outboxUrl, phoneOf(0));
    await assert.rejects((await next()).verifyCode(wrongCode(code)), {
      code: 'INVALID_OTP',
      status: 400,
      attemptsLeft: 4,
    });
    await (await next()).verifyCode(code);
    await assert.rejects((await next()).finish(), { code: 'STEPS_OPEN' });
    await (await next()).submitCredentials({ password: goodPassword });
    await (await next()).submitDevice('Desk');
    await (await next()).submitDevice('Desk');
    const last = await next();
    assert.equal(last.registrationId, registrationId);
    await last.finish();
    assert.equal((await vyry.calls.readMe()).username, username);
    assert.equal((await vyry.calls.readKeyState()).digest, await store.transaction(keyDigest));
    await assert.rejects(next(), { code: 'NO_REGISTRATION' });
  });

  it('of a person who has a device is approved by it, and gets the identity key of the account', async () => {
    const { username, password } = personOf(7);
    const existing = await loggedIn(7);
    await existing.vyry.devices.add('Desk');
    const { store, vyry } = newClient({ client: 'android' });
    const registration = await vyry.register({});
    await registration.verifyDirectory({ username, password });
    await registration.verifyCaptcha(await solveCaptcha(url));
    await registration.sendCode({ channel: 'sms' });
    await registration.verifyCode(await codeFor(outboxUrl, phoneOf(7)));
    await registration.submitCredentials({ password: goodPassword });
    await registration.submitDevice('Phone');
    const approval = await registration.requestApproval('Phone');
    const { items } = await existing.vyry.calls.listLinkRequests({ query: { waitSeconds: '20' } });
    assert.deepEqual(
      items.map(({ linkId, kind }) => [linkId, kind]),
      [[approval.linkId, 'approval']],
    );
    const opened = await existing.vyry.devices.openApproval(approval.linkId);
    await opened.claim();
    await opened.approve(await approval.code());
    await approval.complete();
    await registration.submitDevice('Phone');
    await registration.finish();
    const identities = await Promise.all(
      [existing.store, store].map((of) => of.transaction((state) => state.identity)),
    );
    assert.deepEqual(identities[1], identities[0]);
    assert.equal((await vyry.calls.listDevices()).items.length, 2);
  });

  it('is forgotten when it is cancelled', async () => {
    const { vyry } = newClient();
    await (await vyry.register({})).cancel();
    await assert.rejects(vyry.continueRegistration(), { code: 'NO_REGISTRATION' });
  });
});

describe('a session of the client', () => {
  it('begins with a password; a wrong one is an error with its code', async () => {
    const { name } = await account(1);
    const { vyry, store } = newClient();
    const wrong = vyry.signIn({ identifier: name, password: `${goodPassword}x` });
    await assert.rejects(wrong, { name: 'VyryError', code: 'UNAUTHORIZED', status: 401 });
    await assert.rejects(vyry.calls.readMe(), { code: 'SIGNED_OUT' });
    await vyry.signIn({ identifier: name, password: goodPassword });
    assert.equal((await vyry.calls.readMe()).username, name);
    await vyry.signOut();
    assert.equal(await store.transaction((state) => state.tokens), undefined);
  });

  it('begins with a code, and with the password that the account asks for after it', async () => {
    const { phone } = await account(2);
    const { vyry } = newClient();
    const pending = await vyry.signIn({ identifier: phone });
    const proof = { loginId: pending?.loginId, code: await codeFor(outboxUrl, phone) };
    await assert.rejects(vyry.verifySignIn(proof), { code: 'REGISTRATION_LOCKED', status: 423 });
    await vyry.verifySignIn({ ...proof, password: goodPassword });
    assert.equal((await vyry.calls.readMe()).phone, phone);
  });

  it('is refreshed once by many calls at the same time, before the access token expires', async () => {
    let now = Date.now();
    const recording = recordingFetch();
    const { vyry } = await loggedIn(3, { now: () => now, fetch: recording.fetch });
    now += 3_590_000;
    await Promise.all(Array.from({ length: 20 }, () => vyry.calls.readMe()));
    assert.equal(recording.countOf('/refresh-token'), 1);
    assert.equal(recording.countOf('/users/me'), 20);
  });

  it('goes on when the answer to a refresh was lost', async () => {
    let now = Date.now();
    const recording = recordingFetch((path, count) => path.endsWith('/refresh-token') && count === 1);
    const { vyry } = await loggedIn(4, { now: () => now, fetch: recording.fetch });
    now += 3_600_000;
    await vyry.calls.readMe();
    assert.equal(recording.countOf('/refresh-token'), 2);
    now += 3_600_000;
    await vyry.calls.readMe();
    assert.equal(recording.countOf('/refresh-token'), 3);
  });

  it('gets another access token when the server refuses the one that it has', async () => {
    const { vyry, store } = await loggedIn(5);
    await store.transaction(({ tokens }) => {
      if (tokens) tokens.accessToken = `${tokens.accessToken.slice(0, -4)}AAAA`;
    });
    await Promise.all([vyry.calls.readMe(), vyry.calls.readSession()]);
  });

  it('is signed out when the server has ended it', async () => {
    const { vyry, store } = await loggedIn(6);
    const { accessToken = '' } = (await store.transaction((state) => state.tokens)) ?? {};
    await api.logOut({ token: accessToken, body: { everywhere: true } });
    await assert.rejects(vyry.calls.readMe(), { code: 'SIGNED_OUT' });
    assert.equal(await store.transaction((state) => state.tokens), undefined);
  });
});

describe('the device of a client', () => {
  it('has keys at the server whose digest is that of the store', async () => {
    const { vyry, store, userId } = await loggedIn(10);
    const { deviceId } = await vyry.devices.add('Desk');
    const status = await vyry.calls.readKeyState();
    assert.deepEqual([status.count, status.pqCount], [100, 100]);
    assert.equal(status.digest, await store.transaction(keyDigest));
    const { items } = await vyry.calls.listDevices();
    assert.deepEqual(
      items.map((item) => [item.deviceId, item.name, item.client, item.current]),
      [[deviceId, 'Desk', 'desktop', true]],
    );
    assert.equal(await store.transaction((state) => `${state.userId} ${state.deviceId}`), `${userId} ${deviceId}`);
  });

  it('is one device when the answers were lost', async () => {
    const recording = recordingFetch((path, count) => path.endsWith('/devices/me') && count <= 2);
    const { vyry } = await loggedIn(11, { fetch: recording.fetch });
    await vyry.devices.add('Desk');
    assert.equal(recording.countOf('/devices/me'), 3);
    assert.equal((await vyry.calls.listDevices()).items.length, 1);
  });

  it('uploads nothing while nothing is due, and everything again after its store came from a backup', async () => {
    const recording = recordingFetch();
    const { vyry, store } = await loggedIn(12, { fetch: recording.fetch });
    await vyry.devices.add('Desk');
    await vyry.maintainKeys();
    assert.equal(recording.countOf('/devices/me/keys'), 1, 'only the state was read');
    const restored = createMemoryStore();
    const backup = await store.transaction((state) => structuredClone(state));
    await restored.transaction((state) => {
      Object.assign(state, backup);
      delete state.confirmed;
    });
    await newClient({ store: restored }).vyry.maintainKeys();
    const { digest, count } = await vyry.calls.readKeyState();
    assert.equal(digest, await restored.transaction(keyDigest));
    assert.equal(count, 100);
  });

  it("B17 has a bundle at the server that libsignal processes, and the device's keys decrypt the first ten messages", async () => {
    const { vyry, store, userId } = await loggedIn(13);
    await vyry.devices.add('Desk');
    const { token } = await person(14);
    const { body: bundles } = await api.takeKeys({ userId, token });
    const [bundle] = bundles.devices;
    assert.ok(bundle);
    const alice = new LibsignalDevice('alice');
    await alice.begin('bob', bundles.identityKey, bundle);
    const bob = await LibsignalDevice.ofClient('bob', await store.transaction((state) => state), bundle);
    for (let count = 1; count <= 10; count += 1)
      assert.equal(await bob.decrypt('alice', await alice.encrypt('bob', `message ${count}`)), `message ${count}`);
  });
});

describe('linking by clients', () => {
  /** A person with a device, and the client of a new device that asks to be linked. */
  async function requestedLink(index: number) {
    const existing = await loggedIn(index);
    await existing.vyry.devices.add('Desk');
    const joining = newClient({ client: 'android' });
    return { existing, joining, link: await joining.vyry.devices.requestLink('Phone') };
  }

  it('gives a new device the identity key, keys and a session of its own', async () => {
    const { existing, joining, link } = await requestedLink(20);
    const opened = await existing.vyry.devices.openScannedLink(link.qrText);
    assert.deepEqual(
      [opened.request.kind, opened.request.deviceName, opened.request.sameNetwork],
      ['link', 'Phone', true],
    );
    await opened.claim();
    const digits = await link.code();
    const completing = link.complete();
    await opened.approve(digits);
    assert.deepEqual(await completing, { isDeviceSetKnown: true });
    const states = await Promise.all([existing, joining].map(({ store }) => store.transaction((state) => state)));
    assert.deepEqual(states[1]?.identity, states[0]?.identity);
    assert.equal((await joining.vyry.calls.readKeyState()).digest, await joining.store.transaction(keyDigest));
    const { items } = await joining.vyry.calls.listDevices();
    assert.deepEqual(
      items.map(({ name, current, linkedBy }) => [name, current, linkedBy]),
      [
        ['Desk', false, null],
        ['Phone', true, states[0]?.deviceId],
      ],
    );
  });

  it('C6 is denied after three wrong digits, and both sides are told', async () => {
    const { existing, joining, link } = await requestedLink(21);
    const opened = await existing.vyry.devices.openScannedLink(link.qrText);
    await opened.claim();
    const wrong = wrongCode(await link.code());
    const completing = assert.rejects(link.complete(), { code: 'LINK_ENDED' });
    for (const attemptsLeft of [2, 1, 0])
      await assert.rejects(opened.approve(wrong), { code: 'LINK_CODE', attemptsLeft });
    await completing;
    assert.equal((await existing.vyry.calls.listDevices()).items.length, 1);
    assert.equal(await joining.store.transaction((state) => state.identity), undefined);
  });

  it('C2 is refused by the existing device when the server changes the public key after the scan', async () => {
    const { existing, link } = await requestedLink(22);
    const other = await newClient().vyry.devices.requestLink('Another');
    const hash = other.qrText.slice(-43);
    const confused = link.qrText.slice(0, -43) + hash;
    await assert.rejects(existing.vyry.devices.openScannedLink(confused), { code: 'LINK_KEY' });
  });

  it('ends when a person denies it', async () => {
    const { existing, link } = await requestedLink(23);
    const opened = await existing.vyry.devices.openScannedLink(link.qrText);
    await opened.claim();
    await link.code();
    const completing = assert.rejects(link.complete(), { code: 'LINK_ENDED' });
    await opened.deny();
    await completing;
  });
});
