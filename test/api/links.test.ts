// @rerun never
/** Links of new devices, on two api processes: cases C1 to C9 of linking, and J of the catalogue of abuse. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, describe, it } from 'node:test';
import { Registry } from 'prom-client';
import { createLinks } from '../../adapters/redis/links.ts';
import { createRateLimits } from '../../adapters/redis/rate-limits.ts';
import { createApprovalLink } from '../../api/approval-link.ts';
import { readConfig } from '../../platform/config/config.ts';
import { keyedHash, newId, newToken } from '../../platform/crypto.ts';
import { createEvents } from '../../platform/events/events.ts';
import { createLog } from '../../platform/log.ts';
import { ageRecords } from '../support/aging.ts';
import { type Answer, notificationsTo } from '../support/client.ts';
import { makeDevice, makeIdentity } from '../support/device-keys.ts';
import { writePlaces } from '../support/geoip.ts';
import { createLinkSteps, makeOffer, type NewDeviceLink, type Owner, random, type Way } from '../support/links.ts';
import { assertLimited, goodPassword, must, newPassword, startAnotherApi } from '../support/registrations.ts';
import { until } from '../support/until.ts';
import { withSystem } from '../support/with-system.ts';

const { system, behind, url, outboxUrl, api, person, isAlive, logIn } = await withSystem();
const places = join(mkdtempSync(join(tmpdir(), 'places-')), 'cities.mmdb');
writePlaces(places, { '127.0.9.0/24': { city: 'Paris', country: 'France' } });
after(() => rmSync(dirname(places), { recursive: true }));
const other = (await startAnotherApi(system, { GEOIP_DATABASE: places })).apiUrl;
const steps = createLinkSteps(api);
const { start, claim, reveal, approve, deny, complete, stateOf, revealed, approved, linked } = steps;

const owner = async (who: number): Promise<Owner> => steps.ownerOf(await person(who));
const devicesOf = async ({ token }: { token: string }) => (await must(api.listDevices({ token }))).body.items;
const age = ({ linkId }: { linkId: string }, seconds: number) => ageRecords(behind.redis, `link:{${linkId}}`, seconds);
const requestOf = ({ linkId }: { linkId: string }, { token }: { token: string }, way: Way = {}) =>
  api.readLinkRequest({ ...way, linkId, token });

function assertRefused({ status, body }: Answer, expected: number, reason?: string): void {
  assert.deepEqual([status, body.reason], [expected, reason], JSON.stringify(body));
}

async function auditOf(action: string, link: { linkId: string }): Promise<{ reason?: string; userId?: string }[]> {
  const entries = await behind.redis.xrange('audit', '-', '+');
  const events = entries.map(([, [, event = '{}']]) => JSON.parse(event));
  return events
    .filter((event) => event.action === action && event.metadata.link === link.linkId)
    .map(({ event, userId }) => ({ reason: event.reason, userId }));
}

describe('A link', () => {
  it('adds a device whose user saw what asked, where each side waits on another node', async () => {
    const ada = await owner(1);
    const offer = makeOffer();
    const { nonce, ...body } = offer;
    const link = (await must(api.createLink({ body }), 201)).body;
    const keyHash = createHash('sha256').update(Buffer.from(offer.publicKey, 'base64')).digest('base64url');
    assert.equal(link.uri, `${url}/app/link#1.${link.linkId}.${keyHash}`);
    const side = { ...link, ...offer };
    const claiming = api.readLink({ linkId: link.linkId, token: link.linkToken, query: { waitSeconds: '30' } });
    const request = (await must(requestOf(link, ada))).body;
    const shown = { deviceName: 'Desk', client: 'desktop', userAgent: 'node', ip: '127.0.0.1', network: '127.0.0.1' };
    assert.partialDeepStrictEqual(request, { ...shown, kind: 'link', place: null, sameNetwork: true });
    assert.deepEqual(request.own, { ip: '127.0.0.1', place: null, network: '127.0.0.1' });
    assert.deepEqual(
      [request.publicKey, request.nonceHash, request.nonce],
      [body.publicKey, body.nonceHash, undefined],
    );
    const sent = { encapsulation: random(1120), nonce: random(32) };
    await must(api.claimLink({ at: other, linkId: link.linkId, token: ada.token, body: sent }), 204);
    const claimed = (await must(claiming)).body;
    assert.deepEqual(claimed, { state: 'claimed', ...sent, expiresAt: link.expiresAt });
    const revealing = api.readLinkRequest({ linkId: link.linkId, token: ada.token, query: { waitSeconds: '30' } });
    await must(reveal(side, { at: other }), 204);
    assert.equal((await must(revealing)).body.nonce, nonce);
    const approving = api.readLink({ linkId: link.linkId, token: link.linkToken, query: { waitSeconds: '30' } });
    const sealedProvision = random(100);
    const approval = { linkId: link.linkId, token: ada.token, body: { sealedProvision } };
    await must(api.approveLink({ ...approval, at: other }), 204);
    assert.deepEqual((await must(approving)).body.sealedProvision, sealedProvision);
    await must(api.approveLink(approval), 204);
    const added = await must(complete(side, makeDevice(ada.identity, { oneTimeKeys: 2 }), { at: other }), 201);
    assert.equal(added.body.device?.deviceId, '2');
    const listed = (await devicesOf({ token: added.body.accessToken })).find(({ current }) => current);
    assert.partialDeepStrictEqual(listed, { deviceId: '2', linkedBy: '1', keys: { count: 2, pqCount: 2 } });
    const days = (Date.parse(`${listed?.probationUntil}`) - Date.parse(`${listed?.createdAt}`)) / 86_400_000;
    assert.equal(days, 1);
    assert.equal((await stateOf(side)).state, 'completed');
    assert.equal(await isAlive(ada.token), true);
    assert.deepEqual(
      (await auditOf('device-link', link)).map(({ reason }) => reason),
      ['requested', 'claimed', 'approved'],
    );
  });

  it('is listed for the user from its claim on, also for a device that waits on another node', async () => {
    const [ada, eve] = await Promise.all([owner(2), owner(3)]);
    const link = await start();
    const list = ({ token }: Owner, query = {}) => api.listLinkRequests({ token, query, at: other });
    assert.deepEqual((await must(list(ada))).body.items, []);
    const waiting = list(ada, { waitSeconds: '30' });
    await must(claim(link, ada), 204);
    const [item] = (await must(waiting)).body.items;
    assert.partialDeepStrictEqual(item, { linkId: link.linkId, kind: 'link', deviceName: 'Desk', client: 'desktop' });
    assert.deepEqual((await must(list(eve))).body.items, []);
    await must(deny(link, ada), 204);
    assert.deepEqual((await must(list(ada))).body.items, []);
  });

  it('changes nothing when its address is opened in a browser', async () => {
    const link = await start();
    const page = await fetch(link.uri.replace(/#.*/, ''));
    assert.equal(page.status, 200);
    assert.match(page.headers.get('content-security-policy') ?? '', /^default-src 'none'/);
    assert.match(await page.text(), /<vyry-app>/);
    assert.deepEqual(await stateOf(link), { state: 'pending', expiresAt: link.expiresAt });
  });

  it('C1: is gone for both sides after three minutes', async () => {
    const ada = await owner(4);
    const [photographed, late] = await Promise.all([start(), revealed(ada)]);
    await Promise.all([age(photographed, 181), age(late, 181)]);
    for (const answer of [requestOf(photographed, ada), claim(photographed, ada), approve(late, ada)]) {
      const { status, body } = await answer;
      assert.deepEqual([status, body.error_code], [410, 'GONE']);
    }
    assert.equal((await stateOf(photographed)).state, 'expired');
    assert.equal((await complete(late, makeDevice(ada.identity))).status, 410);
    assert.equal((await devicesOf(ada)).length, 1);
  });

  it('C2, J7: keeps the key that was asked with, which no later call can send', async () => {
    const ada = await owner(5);
    const link = await approved(ada);
    const swapped = { nonce: link.nonce, publicKey: random(1216) } as { nonce: string };
    const { linkId, linkToken: token } = link;
    assert.equal((await api.revealLink({ linkId, token, body: swapped })).status, 400);
    const body = { ...makeDevice(ada.identity), publicKey: random(1216) };
    assert.equal((await complete(link, body)).status, 400);
    const { publicKey, nonceHash } = (await must(requestOf(link, ada))).body;
    assert.deepEqual([publicKey, nonceHash], [link.publicKey, link.nonceHash]);
    assert.equal(
      link.uri.split('.').at(-1),
      createHash('sha256').update(Buffer.from(publicKey, 'base64')).digest('base64url'),
    );
  });

  it('C3: is claimed by one of two devices, on whichever node', async () => {
    const [ada, eve] = await Promise.all([owner(6), owner(7)]);
    for (let round = 0; round < 5; round++) {
      const link = await start();
      const answers = await Promise.all([claim(link, ada), claim(link, eve, { at: other })]);
      assert.deepEqual(answers.map(({ status }) => status).sort(), [204, 409]);
      const [winner, loser] = answers[0]?.status === 204 ? [ada, eve] : [eve, ada];
      assert.equal((await claim(link, winner)).status, 409, 'another claim of the same device');
      assert.equal((await requestOf(link, loser)).status, 404);
      await must(requestOf(link, winner));
    }
    const link = await start();
    const repeated = { linkId: link.linkId, token: ada.token, body: { encapsulation: random(9), nonce: random(9) } };
    await must(api.claimLink(repeated), 204);
    await must(api.claimLink({ ...repeated, at: other }), 204);
  });

  it('C4: is revealed after the claim and with the promised nonce only', async () => {
    const ada = await owner(8);
    const link = await start();
    assert.equal((await reveal(link)).status, 409);
    await must(claim(link, ada), 204);
    const wrong = await reveal({ ...link, nonce: random(32) });
    assert.deepEqual([wrong.status, wrong.body.details[0].path], [400, 'nonce']);
    assert.equal((await stateOf(link)).state, 'claimed');
    assert.equal((await approve(link, ada)).status, 409);
    await must(reveal(link), 204);
    await must(reveal(link), 204);
    assert.equal((await stateOf(link)).state, 'revealed');
  });

  it('C6: is denied after three wrong codes; both sides see it, and the audit log', async () => {
    const ada = await owner(9);
    const link = await revealed(ada);
    await must(deny(link, ada, { wrongCode: true }), 204);
    assert.partialDeepStrictEqual(await stateOf(link), { state: 'denied', reason: 'wrong-code' });
    assert.equal((await requestOf(link, ada)).body.state, 'denied');
    assert.equal((await approve(link, ada)).status, 409);
    assert.equal((await complete(link, makeDevice(ada.identity))).status, 409);
    assert.deepEqual((await auditOf('device-link', link)).at(-1), { reason: 'wrong-code', userId: ada.userId });
  });

  it('C7, J11: is one of three from a source; a report ends all of them, and the source waits an hour', async () => {
    const strict = (await startAnotherApi(system, { LIMIT_LINKS_PER_ADDRESS: '3/180' })).apiUrl;
    const at = { at: strict, from: '127.0.7.7' };
    const ada = await owner(10);
    const open = [await start(at), await start(at), await start(at)] as const;
    const { nonce: _, ...body } = makeOffer();
    const refused = await Promise.all(Array.from({ length: 20 }, () => api.createLink({ ...at, body })));
    for (const answer of refused) assertLimited(answer, 'links-per-address', 180);
    await start({ at: strict, from: '127.0.7.8' });
    await must(deny(open[0], ada), 204);
    const again = await start(at);
    await must(claim(open[1], ada), 204);
    await must(deny(open[1], ada, { report: true }), 204);
    for (const link of [open[1], open[2], again]) {
      assert.partialDeepStrictEqual(await stateOf(link), { state: 'denied', reason: 'reported' });
    }
    assertLimited(await api.createLink({ ...at, body }), 'links-after-report', 3600);
    await start({ at: strict, from: '127.0.7.8' });
  });

  it('C8, J18: is refused while the account is being recovered, with the time', async () => {
    const ada = await owner(11);
    const link = await revealed(ada);
    await must(api.forgetPassword({ body: { identifier: ada.name } }), 202);
    await until(async () => (await behind.keys(`recoveries:${ada.userId}`)).length > 0);
    assertRefused(await claim(await start(), ada), 403, 'recovery');
    const refused = await approve(link, ada);
    assertRefused(refused, 403, 'recovery');
    assert.ok(refused.body.retry_after_seconds > 0);
    for (const key of await behind.keys('recovery:*')) await behind.redis.del(key);
    await must(approve(link, ada), 204);
  });

  it('C8, J18: is refused for a day after a change of the number', async () => {
    const ada = await owner(12);
    const users = behind.database.collection<{ _id: string }>('users');
    const setChange = (at: number) => users.updateOne({ _id: ada.userId }, { $set: { phoneChangedAt: new Date(at) } });
    await setChange(Date.now());
    const refused = await claim(await start(), ada);
    assertRefused(refused, 403, 'number-changed');
    assert.ok(refused.body.retry_after_seconds > 86_000);
    await setChange(Date.now() - 86_400_000);
    await must(claim(await start(), ada), 204);
  });

  it('C8, J18: is refused while a registration has proven the number of the account', async () => {
    const ada = await owner(13);
    const registrationId = random(9);
    const existing = { userId: ada.userId };
    const status = { state: 'pending', existing, expiresAt: Date.now() + 600_000, steps: [], sends: [] };
    await behind.redis.hset(`registration:{${registrationId}}`, 'status', JSON.stringify(status), 'token', 'hash');
    await behind.redis.sadd(`registration-warned:{${ada.userId}}`, registrationId);
    assertRefused(await claim(await start(), ada), 403, 'registration-lock');
    await behind.redis.del(`registration:{${registrationId}}`);
    await must(claim(await start(), ada), 204);
  });

  it('C9, J4: is approved neither by a device on probation nor by the one that asks', async () => {
    const ada = await owner(14);
    const desk = await linked(ada);
    const link = await start();
    const refused = await claim(link, desk);
    assert.equal(refused.status, 403);
    assert.ok(refused.body.retry_after_seconds > 86_000);
    await must(claim(link, ada), 204);
    await must(reveal(link), 204);
    assert.equal((await approve(link, { token: link.linkToken })).status, 401);
    assert.equal((await approve(link, desk)).status, 403);
    await must(approve(link, ada), 204);
  });

  it('shows a request from another network for 30 seconds before it can be approved', async () => {
    const ada = await owner(15);
    const link = await revealed(ada);
    const from = '127.0.9.9';
    const request = (await must(requestOf(link, ada, { from, at: other }))).body;
    assert.equal(request.sameNetwork, false);
    assert.deepEqual([request.place, request.own.place], [null, 'Paris, France']);
    assert.equal(Date.parse(request.approvableAt) - Date.parse(request.createdAt), 30_000);
    const early = await approve(link, ada, { from });
    assertRefused(early, 403, 'other-network');
    assert.ok(early.body.retry_after_seconds > 0 && early.body.retry_after_seconds <= 30);
    await age(link, 30);
    await must(approve(link, ada, { from }), 204);
  });
});

describe('The token of a link', () => {
  it('J1: adds one device, once; a repeat returns it with new tokens', async () => {
    const ada = await owner(20);
    const link = await approved(ada);
    const [one, two] = [makeDevice(ada.identity), makeDevice(ada.identity)];
    const answers = await Promise.all(
      [one, two, one].map((body, index) => complete(link, body, index === 1 ? { at: other } : {})),
    );
    const done = answers.filter(({ status }) => status === 201);
    assert.equal(done.length, 1, JSON.stringify(answers.map(({ status, body }) => [status, body])));
    for (const { status } of answers) assert.ok([201, 409].includes(status));
    assert.equal((await devicesOf(ada)).length, 2);
    const [winner, loser] = (await devicesOf(ada)).length === 2 && answers[1]?.status === 201 ? [two, one] : [one, two];
    const repeated = (await must(complete(link, winner, { at: other }), 201)).body;
    assert.equal(repeated.device?.deviceId, '2');
    assert.equal(await isAlive(repeated.accessToken), true);
    assert.equal(await isAlive(`${done[0]?.body.accessToken}`), false, 'a device has one session');
    assert.equal((await complete(link, loser)).status, 409);
    await must(api.logOut({ token: repeated.accessToken, body: {} }), 204);
    assert.equal((await complete(link, winner)).status, 409, 'its session has ended');
    assert.equal((await devicesOf(ada)).length, 2);
  });

  it('J2: is compared; a forged or cut one, or one of another link, gets the answer of an unknown link', async () => {
    const ada = await owner(21);
    const [link, foreign] = await Promise.all([approved(ada), start()]);
    const forged = ['x'.repeat(43), link.linkToken.slice(1), foreign.linkToken, ada.token];
    const bodies = new Set<string>();
    for (const linkToken of forged) {
      const { status, body } = await complete({ ...link, linkToken }, makeDevice(ada.identity));
      assert.equal(status, 404);
      bodies.add(`${body.error_code} ${body.error}`);
    }
    const unknown = await complete({ ...link, linkId: 'f'.repeat(32) }, makeDevice(ada.identity));
    bodies.add(`${unknown.body.error_code} ${unknown.body.error}`);
    assert.equal(bodies.size, 1);
    await must(complete(link, makeDevice(ada.identity)), 201);
    await age(link, 181);
    assert.equal((await complete(link, makeDevice(ada.identity))).status, 410);
  });

  it('adds no device with another identity key, with keys of another device, or beyond the limit, and can be used again', async () => {
    const ada = await owner(22);
    const link = await approved(ada);
    assert.equal((await complete(link, makeDevice(makeIdentity()))).status, 400);
    const foreign = makeDevice(makeIdentity());
    assert.equal((await complete(link, { ...foreign, identityKey: ada.identity.publicKey })).status, 400);
    const set = behind.database.collection<{ _id: string }>('devices');
    const stored = await set.findOne({ _id: ada.userId });
    const { registrationId, signedPreKey } =
      (stored as unknown as { devices: Record<string, typeof foreign> }).devices.d1 ?? foreign;
    const copied = { ...makeDevice(ada.identity), registrationId, signedPreKey };
    assert.equal((await complete(link, copied)).status, 400);
    assert.equal(await isAlive(ada.token), true, 'the device whose keys were sent keeps its session');
    assert.equal((await devicesOf(ada)).length, 1);
    const limited = (await startAnotherApi(system, { DEVICES_MAX: '1' })).apiUrl;
    const full = await complete(link, makeDevice(ada.identity), { at: limited });
    assert.deepEqual([full.status, full.body.error_code], [409, 'DEVICE_LIMIT']);
    await must(complete(link, makeDevice(ada.identity)), 201);
  });

  it('J5: adds no device once the one that approved is revoked, or the account has changed', async () => {
    const ada = await owner(23);
    const { accessToken } = (await must(logIn(ada.name))).body;
    const second = await must(api.addDevice({ token: accessToken, body: makeDevice(ada.identity) }), 201);
    const phone = { ...ada, token: second.body.accessToken };
    const [open, done] = [await revealed(phone), await approved(phone)];
    await must(api.revokeDevice({ deviceId: '2', token: ada.token }));
    assert.equal((await approve(open, phone)).status, 401);
    assertRefused(await complete(done, makeDevice(ada.identity)), 403, 'device-revoked');
    assert.equal((await devicesOf(ada)).length, 1);
    const link = await approved(ada);
    const body = { currentPassword: goodPassword, newPassword };
    await must(api.changePassword({ token: ada.token, body }), 204);
    assertRefused(await complete(link, makeDevice(ada.identity)), 403, 'account-changed');
  });

  it('J6: gives the devices of another account nothing', async () => {
    const [ada, eve] = await Promise.all([owner(24), owner(25)]);
    const link = await revealed(ada);
    for (const answer of [approve(link, eve), deny(link, eve, { report: true }), requestOf(link, eve)]) {
      assert.equal((await answer).status, 404);
    }
    assert.equal((await stateOf(link)).state, 'revealed');
    await must(approve(link, ada), 204);
    await must(deny(link, ada), 204);
    assert.equal((await complete(link, makeDevice(ada.identity))).status, 409, 'denied after the approval');
  });
});

describe('An approval', () => {
  const config = readConfig('api', system.processes.env('api'));
  const limitKey = config.KEYS.lasting('limit');
  const asking = {
    config: { ...config, LIMIT_APPROVALS_PER_PERSON: [{ max: 3, windowSeconds: 180 }] },
    rateLimits: createRateLimits(behind.redis),
    limitHash: (kind: string, text: string) => keyedHash(limitKey, kind, text),
    links: createLinks(behind.redis, { linkRequested: async () => undefined, linkChanged: async () => undefined }),
    temporal: behind.temporal,
    events: createEvents(createLog('api', 'fatal'), new Registry(), () => undefined),
  };

  /** What a registration with the identity of an account asks. */
  async function ask({ userId }: Owner, address = '127.0.0.1'): Promise<NewDeviceLink> {
    const { nonce, publicKey, nonceHash, ...offer } = makeOffer();
    const minted = { id: newId(), token: newToken(), at: Date.now() };
    const registrationId = newId();
    const caller = { address, userAgent: 'node' };
    const request = { ...offer, publicKey, nonceHash, registrationId, userId, caller, minted };
    const { expiresAt, ...asked } = await createApprovalLink(asking, request);
    return { ...asked, uri: '', publicKey, nonceHash, nonce, expiresAt: new Date(expiresAt).toISOString() };
  }

  it('J6: is for every device of the account, and for no other', async () => {
    const [ada, eve] = await Promise.all([owner(30), owner(31)]);
    const waiting = api.listLinkRequests({ token: ada.token, query: { waitSeconds: '30' }, at: other });
    const link = await ask(ada);
    const [item] = (await must(waiting)).body.items;
    assert.partialDeepStrictEqual(item, { linkId: link.linkId, kind: 'approval' });
    for (const answer of [requestOf(link, eve), claim(link, eve), approve(link, eve), deny(link, eve)]) {
      assert.equal((await answer).status, 404);
    }
    await must(claim(link, ada), 204);
    await must(reveal(link), 204);
    await must(approve(link, ada), 204);
    assert.equal((await stateOf(link)).state, 'approved');
    assert.equal((await complete(link, makeDevice(ada.identity))).status, 409, 'the registration adds the device');
    const handle = behind.temporal.workflow.getHandle(`device-link:${link.linkId}`);
    assert.equal(await handle.result(), 'approved');
    await until(async () => (await notificationsTo(outboxUrl, ada.mail)).length > 1);
  });

  it('J11: is one of three from many addresses; a denial makes room', async () => {
    const ada = await owner(32);
    const [first] = [await ask(ada, '192.0.2.1'), await ask(ada, '192.0.2.2'), await ask(ada, '192.0.2.3')];
    const refusal = { code: 'rate-limited' };
    for (let index = 4; index < 24; index++) await assert.rejects(ask(ada, `192.0.2.${index}`), refusal);
    await must(deny(first, ada), 204);
    await ask(ada, '192.0.2.4');
    await assert.rejects(ask(ada, '192.0.2.5'), refusal);
    assert.equal((await must(api.listLinkRequests({ token: ada.token }))).body.items.length, 3);
  });
});
