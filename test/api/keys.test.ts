// @rerun never
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { describe, it } from 'node:test';
import type { Device } from '../../contract/devices.ts';
import type { KeyUpload } from '../../contract/keys.ts';
import { call } from '../support/client.ts';
import {
  type DeviceChoice,
  makeDevice,
  makeIdentity,
  makePqPreKey,
  makePqPreKeys,
  makePreKeys,
  makeRotation,
  makeSignedPreKey,
  sign,
  type TestIdentity,
} from '../support/device-keys.ts';
import { raceForLastKeys } from '../support/last-keys.ts';
import type { SignedIn } from '../support/people.ts';
import { atOnce } from '../support/redis.ts';
import { assertLimited, goodPassword, must, startAnotherApi } from '../support/registrations.ts';
import { createRestClient, type RestClient } from '../support/rest-client.ts';
import { eventually } from '../support/until.ts';
import { withSystem } from '../support/with-system.ts';

const { system, behind, url, api, person } = await withSystem({
  LIMIT_KEY_UPLOADS: '10/3600',
  LIMIT_KEYS_PER_PAIR: '6/3600',
  LIMIT_KEYS_PER_TARGET: '60/3600',
});
const otherApi = createRestClient((await startAnotherApi(system, {})).apiUrl);

/** A user with a device. */
interface Owner extends SignedIn {
  identity: TestIdentity;
  deviceId: string;
  body: Device;
}

let people = 0;

/** Makes a user with a device. */
async function newOwner(choice: DeviceChoice = {}): Promise<Owner> {
  const user = await person(people++);
  const identity = makeIdentity();
  return { ...user, identity, ...(await addDevice(user, identity, choice)) };
}

/** Makes the session of a user one of a new device. */
async function addDevice({ token }: { token: string }, identity: TestIdentity, choice: DeviceChoice = {}) {
  const body = makeDevice(identity, choice);
  const { accessToken, device } = (await must(api.addDevice({ token, body }), 201)).body;
  return { token: accessToken, deviceId: device?.deviceId ?? '', body };
}

/** Callers of fetches. Each may fetch the keys of a user six times at once. */
const callers = await atOnce(12, () => person(people++));

/** Fetches the keys of a user: the index chooses the caller. */
function fetchKeys({ userId }: { userId: string }, index: number, client: RestClient = api) {
  return client.takeKeys({ userId, token: callers[Math.floor(index / 6)]?.token ?? '' });
}

/** Fetches the keys of the only device of a user. */
async function fetchBundle(owner: Owner, index: number) {
  const { body } = await must(fetchKeys(owner, index));
  assert.equal(body.devices.length, 1);
  return body.devices[0] ?? assert.fail();
}

const upload = ({ token }: Owner, body: KeyUpload) => api.uploadKeys({ token, body });
const stateOf = async ({ token }: Owner) => (await must(api.readKeyState({ token }))).body;
const countSets = ({ userId }: Owner) => behind.database.collection('prekeySets').countDocuments({ userId });

/** Everything that is stored of the keys of a user. */
async function storedOf({ userId }: { userId: string }) {
  const { database } = behind;
  const sets = await database.collection('prekeySets').find({ userId }).toArray();
  return { device: await database.collection('devices').findOne({ _id: userId as never }), sets };
}

describe('PUT /api/v1/devices/me/keys', () => {
  it('B1: keys uploaded again, because the answer was lost, change nothing and are not handed out again', async () => {
    const owner = await newOwner();
    const body = { preKeys: makePreKeys(100), pqPreKeys: makePqPreKeys(owner.identity, 20) };
    for (let time = 0; time < 2; time++) await must(upload(owner, body), 204);
    const { count, pqCount, digest } = await stateOf(owner);
    assert.deepEqual({ count, pqCount, sets: await countSets(owner) }, { count: 100, pqCount: 20, sets: 2 });
    assert.deepEqual((await fetchBundle(owner, 0)).preKey, body.preKeys[0]);
    const resigned = makePqPreKeys(owner.identity, 20);
    await must(upload(owner, { preKeys: body.preKeys.toReversed(), pqPreKeys: resigned }), 204);
    const { preKey, pqPreKey } = await fetchBundle(owner, 1);
    assert.deepEqual({ preKey, pqPreKey }, { preKey: body.preKeys[1], pqPreKey: body.pqPreKeys[1] });
    const after = await stateOf(owner);
    assert.deepEqual([after.count, after.pqCount, after.digest], [98, 18, digest]);
  });

  it('B1: parallel repeats store the keys once', async () => {
    const owner = await newOwner();
    const preKeys = makePreKeys(30);
    const clients = [api, otherApi, api, otherApi];
    const answers = await Promise.all(
      clients.map((client) => client.uploadKeys({ token: owner.token, body: { preKeys } })),
    );
    assert.deepEqual(
      answers.map(({ status }) => status),
      [204, 204, 204, 204],
    );
    assert.deepEqual([(await stateOf(owner)).count, await countSets(owner)], [30, 1]);
  });

  it('B2: another key under a known id is refused with the ids, and nothing is stored', async () => {
    const owner = await newOwner({ oneTimeKeys: 9 });
    await fetchBundle(owner, 0);
    const before = await storedOf(owner);
    const { identity, body } = owner;
    const others = makePreKeys(9);
    const [first, , , , , , seventh] = others;
    assert.ok(first && seventh);
    const preKeys = [...body.preKeys.slice(1, 6), seventh, ...makePreKeys(3, 50)];
    const refused: [KeyUpload, number[]][] = [
      [{ preKeys }, [7]],
      // handed out already
      [{ preKeys: [first] }, [1]],
      [{ pqPreKeys: [{ ...makePqPreKey(identity, 4), keyId: 3 }] }, [3]],
      [{ signedPreKey: makeSignedPreKey(identity, body.signedPreKey.keyId) }, [body.signedPreKey.keyId]],
      [{ preKeys: others, pqPreKeys: makePqPreKeys(identity, 3, 30) }, [1, 2, 3, 4, 5, 6, 7, 8, 9]],
    ];
    for (const [given, keyIds] of refused) {
      const answer = await upload(owner, given);
      assert.deepEqual([answer.status, answer.body.error_code, answer.body.keyIds], [409, 'CONFLICT', keyIds]);
    }
    assert.deepEqual(await storedOf(owner), before);
  });

  it('B3: an upload that is refused again and again is limited by device, and leaves nothing behind', async () => {
    const owner = await newOwner({ oneTimeKeys: 2 });
    const other = await newOwner();
    const before = await storedOf(owner);
    const body = { preKeys: makePreKeys(2) };
    const statuses: number[] = [];
    for (let time = 0; time < 25; time++) statuses.push((await upload(owner, body)).status);
    assert.deepEqual(statuses, [...Array(10).fill(409), ...Array(15).fill(429)]);
    assertLimited(await upload(owner, body), 'key-uploads', 3600);
    assert.deepEqual(await storedOf(owner), before);
    await must(upload(other, body), 204);
  });

  it('B4: keys are handed out in the order of the upload, none twice, and a new list replaces the rest', async () => {
    const owner = await newOwner();
    await must(upload(owner, { preKeys: makePreKeys(50) }), 204);
    const second = makePreKeys(50, 51).reverse();
    await must(upload(owner, { preKeys: second }), 204);
    const given: (number | undefined)[] = [];
    for (let index = 0; index < 60; index++) given.push((await fetchBundle(owner, index)).preKey?.keyId);
    assert.deepEqual(given, [...second.map(({ keyId }) => keyId), ...Array(10).fill(undefined)]);
    assert.equal(await countSets(owner), 1);
  });

  it('never hands out a key again that a later upload contains, also one that was replaced before', async () => {
    const owner = await newOwner();
    const [first, second] = [makePreKeys(5), makePreKeys(2, 6)];
    await must(upload(owner, { preKeys: first }), 204);
    for (let index = 0; index < 3; index++) await fetchBundle(owner, index);
    // keys 1 to 3 were handed out
    const overlapping = [...first, ...second];
    for (let time = 0; time < 2; time++) await must(upload(owner, { preKeys: overlapping }), 204);
    assert.equal((await stateOf(owner)).count, 4);
    assert.equal((await fetchBundle(owner, 3)).preKey?.keyId, 4);
    await must(upload(owner, { preKeys: makePreKeys(1, 20) }), 204);
    // the first upload arrives again, after the one that replaced it
    await must(upload(owner, { preKeys: first }), 204);
    assert.equal((await fetchBundle(owner, 4)).preKey?.keyId, 5);
    assert.equal((await fetchBundle(owner, 5)).preKey, undefined);
  });

  it('never hands out a key again that a rotation of the identity key, or an upload after it, contains', async () => {
    const owner = await newOwner({ oneTimeKeys: 3 });
    const { body, token } = owner;
    const [one, two] = [await fetchBundle(owner, 0), await fetchBundle(owner, 1)];
    assert.deepEqual([one.preKey?.keyId, one.pqPreKey.keyId, two.preKey?.keyId, two.pqPreKey.keyId], [1, 1, 2, 2]);
    const identity = makeIdentity();
    // the same one-time keys, signed by the new identity key
    const pqPreKeys = makePqPreKeys(identity, 3);
    const rotation = makeRotation(identity, ['1']);
    Object.assign(rotation.devices[0] ?? {}, { preKeys: body.preKeys });
    const foreign = structuredClone(rotation);
    Object.assign(foreign.devices[0] ?? {}, { preKeys: makePreKeys(1, 3) });
    const conflict = await api.rotateIdentity({ token, body: foreign });
    assert.deepEqual([conflict.status, conflict.body.keyIds], [409, [3]]);
    await must(api.rotateIdentity({ token, body: rotation }), 204);
    const { count, pqCount } = await stateOf(owner);
    assert.deepEqual([count, pqCount], [1, 0], 'key 3 is left');
    await must(upload(owner, { pqPreKeys }), 204);
    const three = await fetchBundle(owner, 2);
    assert.deepEqual([three.preKey?.keyId, three.pqPreKey.keyId], [3, 3]);
    await must(upload(owner, { preKeys: [...(body.preKeys ?? []), ...makePreKeys(1, 9)] }), 204);
    assert.equal((await fetchBundle(owner, 3)).preKey?.keyId, 9);
    assert.equal((await fetchBundle(owner, 4)).preKey, undefined);
  });

  it('loses no change of uploads and hand-outs at the same time', async () => {
    const owner = await newOwner();
    const lists = Array.from({ length: 6 }, (_, index) => makePreKeys(10, 1 + 10 * index));
    await must(upload(owner, { preKeys: makePreKeys(10, 900) }), 204);
    const [uploads, bundles] = await Promise.all([
      Promise.all(lists.map((preKeys) => upload(owner, { preKeys }))),
      atOnce(30, (index) => fetchBundle(owner, index)),
    ]);
    assert.deepEqual(
      uploads.map(({ status }) => status),
      Array(6).fill(204),
    );
    const given = bundles.flatMap(({ preKey }) => preKey?.keyId ?? []);
    assert.equal(new Set(given).size, given.length);
    assert.equal(await countSets(owner), 1);
  });

  it('changes every kind of key at once', async () => {
    const owner = await newOwner({ oneTimeKeys: 2 });
    const { identity } = owner;
    const body = {
      signedPreKey: makeSignedPreKey(identity, 77),
      preKeys: makePreKeys(3, 10),
      pqLastResortPreKey: makePqPreKey(identity, 78),
      pqPreKeys: makePqPreKeys(identity, 4, 10),
    };
    await must(upload(owner, body), 204);
    const { digest, ...state } = await stateOf(owner);
    assert.deepEqual(state, { count: 3, pqCount: 4, signedPreKeyId: 77, pqLastResortPreKeyId: 78 });
    assert.equal(digest, digestOf(identity, [77, 78, 3, 10, 11, 12, 4, 10, 11, 12, 13]));
    const { deviceId, registrationId, ...bundle } = await fetchBundle(owner, 0);
    assert.deepEqual([deviceId, registrationId], ['1', owner.body.registrationId]);
    const { signedPreKey, preKeys, pqPreKeys } = body;
    assert.deepEqual(bundle, { signedPreKey, preKey: preKeys[0], pqPreKey: pqPreKeys[0] });
    assert.equal((await stateOf(owner)).digest, digest, 'a hand-out does not change what was published');
  });

  it('B10: an empty list changes nothing, and an empty key is refused', async () => {
    const owner = await newOwner({ oneTimeKeys: 2 });
    const before = await storedOf(owner);
    for (const body of [{}, { preKeys: [] }, { preKeys: [], pqPreKeys: [] }]) await must(upload(owner, body), 204);
    const [key] = makePreKeys(1, 40);
    assert.ok(key);
    for (const body of [
      { preKeys: [{ ...key, publicKey: '' }] },
      { preKeys: [key, { keyId: 41 }] },
      { preKeys: [key, key] },
      { preKeys: makePreKeys(101) },
      { preKeys: [{ ...key, keyId: 0 }] },
      { preKeys: [{ ...key, keyId: 2 ** 31 }] },
      { preKeys: [{ ...key, keyId: '40' }] },
      { preKeys: null },
    ]) {
      assert.equal((await upload(owner, body as never)).status, 400, JSON.stringify(body).slice(0, 80));
    }
    assert.deepEqual(await storedOf(owner), before);
  });

  it('B12: no malformed curve key is accepted as prekey or identity key', async () => {
    const owner = await newOwner({ oneTimeKeys: 1 });
    const newcomer = await person(people++);
    const before = await storedOf(owner);
    for (const [name, bytes] of Object.entries(badCurveKeys())) {
      const publicKey = bytes.toString('base64');
      const signature = sign(owner.identity, Buffer.from(bytes));
      for (const body of [
        { preKeys: [...makePreKeys(1, 60), { keyId: 61, publicKey }] },
        { signedPreKey: { keyId: 62, publicKey, signature } },
      ]) {
        assert.equal((await upload(owner, body)).status, 400, name);
      }
      const body = makeDevice(owner.identity, { identityKey: publicKey });
      assert.equal((await api.addDevice({ token: newcomer.token, body })).status, 400, name);
    }
    assert.deepEqual(await storedOf(owner), before);
    assert.deepEqual(await storedOf(newcomer), { device: null, sets: [] });
  });

  it('K3: a signature of another identity, of other bytes, changed or empty is refused, and nothing is stored', async () => {
    const owner = await newOwner({ oneTimeKeys: 1 });
    const before = await storedOf(owner);
    const { identity } = owner;
    const signed = makeSignedPreKey(identity, 90);
    const pq = makePqPreKeys(identity, 3, 90);
    const [good, bad] = [pq[0] ?? assert.fail(), makePqPreKey(makeIdentity(), 91)];
    const bare = sign(identity, Uint8Array.from(Buffer.from(signed.publicKey, 'base64').subarray(1)));
    const refused: [KeyUpload, string[]][] = [
      [{ signedPreKey: makeSignedPreKey(makeIdentity(), 90) }, ['signedPreKey.signature']],
      [{ signedPreKey: { ...signed, signature: bare } }, ['signedPreKey.signature']],
      [{ signedPreKey: { ...signed, signature: flipped(signed.signature) } }, ['signedPreKey.signature']],
      [{ signedPreKey: { ...signed, signature: '' } }, ['signedPreKey.signature']],
      [{ pqLastResortPreKey: { ...good, signature: flipped(good.signature) } }, ['pqLastResortPreKey.signature']],
      [{ preKeys: makePreKeys(2, 90), pqPreKeys: [good, bad] }, ['pqPreKeys.1.signature']],
    ];
    for (const [body, paths] of refused) {
      const answer = await upload(owner, body);
      assert.deepEqual([answer.status, answer.body.details?.map(({ path }) => path)], [400, paths]);
    }
    assert.deepEqual(await storedOf(owner), before);
  });

  it('K6: keys are those of the calling device: no other account or device can be named', async () => {
    const owner = await newOwner({ oneTimeKeys: 1 });
    const attacker = await newOwner();
    const before = await storedOf(owner);
    const preKeys = makePreKeys(1, 70);
    for (const field of ['userId', 'deviceId', 'identityKey']) {
      const answer = await upload(attacker, { preKeys, [field]: owner.userId } as never);
      assert.deepEqual([answer.status, answer.body.details[0].path], [400, field]);
    }
    for (const path of [`/users/${owner.userId}/keys`, `/users/${owner.userId}/devices/1/keys`, '/devices/1/keys']) {
      const { status } = await call(url, 'PUT', `/api/v1${path}`, { token: attacker.token, body: { preKeys } });
      assert.ok(status === 404 || status === 405, `${path}: ${status}`);
    }
    const { token } = await person(people++);
    const answers = [await api.uploadKeys({ token, body: { preKeys } }), await api.readKeyState({ token })];
    assert.deepEqual(
      answers.map(({ status }) => status),
      [403, 403],
      'a session without a device',
    );
    assert.deepEqual(await storedOf(owner), before);
  });
});

describe('GET /api/v1/users/{id}/keys', () => {
  it('B5: when none is left, counts are 0, the owner is told, and bundles have the last-resort key', async () => {
    const owner = await newOwner({ oneTimeKeys: 11 });
    for (let index = 0; index < 11; index++) {
      const { preKey, pqPreKey } = await fetchBundle(owner, index);
      assert.deepEqual([preKey?.keyId, pqPreKey.keyId], [index + 1, index + 1]);
    }
    const { count, pqCount } = await stateOf(owner);
    assert.deepEqual({ count, pqCount }, { count: 0, pqCount: 0 });
    for (let index = 11; index < 13; index++) {
      const { preKey, pqPreKey } = await fetchBundle(owner, index);
      assert.deepEqual({ preKey, pqPreKey }, { preKey: undefined, pqPreKey: owner.body.pqLastResortPreKey });
    }
    const told = (await auditOf('keys-low', owner)).map(({ metadata: { kind, left } }) => `${kind} ${left}`);
    assert.deepEqual(told.sort(), ['pqPreKeys 0', 'pqPreKeys 9', 'preKeys 0', 'preKeys 9']);
    const fetches = (await auditOf('keys-fetch', owner)).map(({ event: { reason } }) => reason ?? 'given');
    assert.deepEqual(fetches, [...Array(11).fill('given'), 'none-left', 'none-left']);
  });

  it('B6: of two parallel fetches of the last keys, on two api nodes, exactly one gets them, every time', async () => {
    const owner = await newOwner({ oneTimeKeys: 2 });
    await raceForLastKeys(25, {
      database: behind.database,
      userId: owner.userId,
      total: 2,
      lastResortId: owner.body.pqLastResortPreKey.keyId,
      fetchTwice: (round) =>
        Promise.all([api, otherApi].map((client, index) => must(fetchKeys(owner, 2 * round + index, client)))),
    });
  });

  it('B7: a drainer is limited, an honest caller still gets a bundle, and the owner is told', async () => {
    const owner = await newOwner({ oneTimeKeys: 4 });
    const [drainer, honest] = [await person(people++), await person(people++)];
    const { userId } = owner;
    for (let time = 0; time < 6; time++) await must(api.takeKeys({ userId, token: drainer.token }));
    for (const client of [api, otherApi]) {
      assertLimited(await client.takeKeys({ userId, token: drainer.token }), 'keys-per-pair', 600);
      assertLimited(await client.takeDeviceKeys({ userId, deviceId: '1', token: drainer.token }), 'keys-per-pair', 600);
    }
    const { body } = await must(api.takeKeys({ userId, token: honest.token }));
    assert.deepEqual(body.devices[0]?.pqPreKey, owner.body.pqLastResortPreKey);
    assert.equal(body.devices[0]?.preKey, undefined);
    assert.equal((await auditOf('keys-low', owner)).filter(({ metadata }) => metadata.left === 0).length, 2);
  });

  it('K1: beyond the limit of the target bundles come without one-time keys, and the callers are not told why', async () => {
    const owner = await newOwner({ oneTimeKeys: 70 });
    await atOnce(60, (index) => fetchBundle(owner, index));
    const left = await stateOf(owner);
    assert.deepEqual([left.count, left.pqCount], [10, 10]);
    const answer = await must(fetchKeys(owner, 61));
    assert.equal(answer.body.devices[0]?.preKey, undefined);
    assert.deepEqual(answer.body.devices[0]?.pqPreKey, owner.body.pqLastResortPreKey);
    assert.ok(Number(answer.headers.get('ratelimit-remaining')) > 0);
    assert.deepEqual(await stateOf(owner), left);
    assert.equal((await auditOf('keys-fetch', owner)).at(-1)?.event.reason, 'limited');
  });

  it('K2: of 50 parallel fetches with one key left, exactly one gets it', async () => {
    const owner = await newOwner({ oneTimeKeys: 1 });
    const answers = await atOnce(50, (index) => fetchKeys(owner, index, index % 2 === 0 ? api : otherApi));
    const devices = answers.flatMap(({ body }) => body.devices);
    assert.equal(devices.length, 50);
    assert.equal(devices.filter(({ preKey }) => preKey !== undefined).length, 1);
    assert.equal(devices.filter(({ pqPreKey }) => pqPreKey.keyId === 1).length, 1);
  });

  it('answers for every device, or for one, and loses neither when the keys of one cannot be read', async () => {
    const owner = await newOwner({ oneTimeKeys: 3 });
    const log = await must(api.beginLogInAlias({ body: { identifier: owner.name, password: goodPassword } }));
    const second = await addDevice({ token: log.body.accessToken }, owner.identity, { oneTimeKeys: 3 });
    const { body } = await must(fetchKeys(owner, 0));
    assert.equal(body.identityKey, owner.identity.publicKey);
    assert.deepEqual(
      body.devices.map(({ deviceId, preKey }) => [deviceId, preKey]),
      [
        ['1', owner.body.preKeys[0]],
        ['2', second.body.preKeys[0]],
      ],
    );
    const token = callers[0]?.token ?? '';
    const one = await must(api.takeDeviceKeys({ userId: owner.userId, deviceId: '2', token }));
    assert.deepEqual(
      one.body.devices.map(({ preKey }) => preKey),
      [second.body.preKeys[1]],
    );
    const { device } = await storedOf(owner);
    await behind.database
      .collection('prekeyPages')
      .deleteOne({ _id: `${device?.devices.d1.preKeys.setId}/0` as never });
    const torn = (await must(fetchKeys(owner, 2))).body.devices;
    assert.deepEqual(
      torn.map(({ preKey }) => preKey),
      [undefined, second.body.preKeys[2]],
    );
    assert.deepEqual(torn[0]?.pqPreKey, owner.body.pqPreKeys[1]);
  });

  it('answers the same for users that are unknown, disabled or without a device, and for devices that do not exist', async () => {
    const [deviceless, disabled, owner] = [await person(people++), await newOwner(), await newOwner()];
    const disabledAt = { $set: { disabledAt: new Date() } };
    await behind.database.collection('users').updateOne({ _id: disabled.userId as never }, disabledAt);
    const token = callers[0]?.token ?? '';
    const answers = [
      ...(await atOnce(3, (index) => fetchKeys([deviceless, disabled, { userId: 'nobody' }][index] ?? owner, 0))),
      ...(await Promise.all(
        ['2', '0', '01', '__proto__', 'd1', '1.preKeys'].map((deviceId) =>
          api.takeDeviceKeys({ userId: owner.userId, deviceId, token }),
        ),
      )),
    ];
    const seen = answers.map(({ status, body: { error, error_code } }) => ({ status, error, error_code }));
    assert.deepEqual(seen, Array(9).fill({ status: 404, error: 'Not found', error_code: 'NOT_FOUND' }));
    assert.equal((await auditOf('keys-fetch', owner)).length, 0);
  });
});

/** Waits for the audit events of an action on the keys of a user, which are sent in batches after the answers. */
async function auditOf(action: 'keys-low' | 'keys-fetch', { userId }: { userId: string }) {
  const marker = await newOwner({ oneTimeKeys: 1 });
  await fetchBundle(marker, 71);
  await eventually(async () => {
    const events = await behind.auditEvents('keys-fetch');
    return events.find(({ user }) => user?.target?.id === marker.userId);
  });
  return (await behind.auditEvents(action)).filter(({ user }) => user?.target?.id === userId);
}

/** SHA-256 of the identity key and of numbers of 8 bytes, as docs/devices.md defines the digest. */
function digestOf(identity: TestIdentity, numbers: number[]): string {
  const hash = createHash('sha256').update(Buffer.from(identity.publicKey, 'base64'));
  for (const number of numbers) {
    const bytes = Buffer.alloc(8);
    bytes.writeBigUInt64BE(BigInt(number));
    hash.update(bytes);
  }
  return hash.digest('base64');
}

function flipped(signature: string): string {
  const bytes = Buffer.from(signature, 'base64');
  bytes[40] = (bytes[40] ?? 0) ^ 1;
  return bytes.toString('base64');
}

/** Serialised keys that are no curve keys: of low order, not canonical, too long, and of another type. */
function badCurveKeys(): Record<string, Buffer> {
  const p = `ed${'ff'.repeat(30)}7f`;
  const points = {
    zero: '00'.repeat(32),
    one: `01${'00'.repeat(31)}`,
    'order 8': 'e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800',
    'order 8 again': '5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157',
    'p - 1': `ec${'ff'.repeat(30)}7f`,
    p,
    'p + 1': `ee${'ff'.repeat(30)}7f`,
    'p + 9': `f6${'ff'.repeat(30)}7f`,
    '2^255 - 1': `${'ff'.repeat(31)}7f`,
    'top bit': `09${'00'.repeat(30)}80`,
  };
  const base = `09${'00'.repeat(31)}`;
  return {
    ...Object.fromEntries(Object.entries(points).map(([name, point]) => [name, Buffer.from(`05${point}`, 'hex')])),
    '34 bytes': Buffer.from(`05${base}00`, 'hex'),
    '32 bytes': Buffer.from(base, 'hex'),
    'type 4': Buffer.from(`04${base}`, 'hex'),
    'type 8': Buffer.from(`08${base}`, 'hex'),
  };
}
