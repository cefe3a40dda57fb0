// @rerun never
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { fromBase64, toBase64, utf8 } from '../../client/bytes.ts';
import { generateKeyPair, sign } from '../../client/crypto/curve.ts';
import { decryptFrom, readSessions } from '../../client/crypto/devices.ts';
import { pad, unpad } from '../../client/crypto/padding.ts';
import { decodeRetry, encodeRetry } from '../../client/crypto/retry.ts';
import { decodeSessions, encodeSessions } from '../../client/crypto/session.ts';
import { pruneKeys } from '../../client/keys.ts';
import {
  type Clock,
  type CryptoDevice,
  contentOf,
  createDevice,
  delivered,
  exchange,
  send,
  testStart,
  textsOf,
} from '../support/crypto-devices.ts';

const dayMs = 86_400_000;

async function pair(options: { oneTimeKeys?: number; clock?: Clock } = {}): Promise<[CryptoDevice, CryptoDevice]> {
  return [await createDevice({ userId: 'alice', ...options }), await createDevice({ userId: 'bob', ...options })];
}

const sessionsOf = (device: CryptoDevice, peer: CryptoDevice) =>
  device.store.transaction((state) => readSessions(state, peer));
const message = { kind: 'message', isIdentityChanged: false };

describe('a conversation', () => {
  it('goes both ways, and its first messages repeat the handshake until an answer arrives', async () => {
    const [alice, bob] = await pair();
    const types: string[] = [];
    for (const [from, to] of [
      [alice, bob],
      [alice, bob],
      [bob, alice],
      [alice, bob],
    ] as const) {
      const outgoing = await send(from, to, `text ${types.length}`);
      types.push(outgoing.messages[0]?.type ?? '');
      assert.deepEqual(await to.mailbox.receive(delivered(from, outgoing)), message);
    }
    assert.deepEqual(types, ['prekey', 'prekey', 'message', 'message']);
    assert.deepEqual(await textsOf(bob), ['text 0', 'text 1', 'text 3']);
    assert.deepEqual(await textsOf(alice), ['text 2']);
    assert.equal(contentOf(await send(alice, bob, 'x'.repeat(128))).length, 250);
  });

  it('encrypts long texts as well, by the encryption of the runtime', async () => {
    const [alice, bob] = await pair();
    const long = 'é'.repeat(40_000);
    assert.deepEqual(await exchange(alice, bob, long), message);
    assert.deepEqual(await textsOf(bob), [long]);
  });

  it('settles on one session after both sides have begun one at the same time', async () => {
    const [alice, bob] = await pair();
    const first = await send(alice, bob, 'from alice');
    const second = await send(bob, alice, 'from bob');
    assert.deepEqual(await bob.mailbox.receive(delivered(alice, first)), message);
    assert.deepEqual(await alice.mailbox.receive(delivered(bob, second)), message);
    for (let round = 0; round < 2; round += 1) {
      assert.deepEqual(await exchange(alice, bob, 'a'), message);
      assert.deepEqual(await exchange(bob, alice, 'b'), message);
    }
    const [[one], [other]] = [await sessionsOf(alice, bob), await sessionsOf(bob, alice)];
    assert.deepEqual(one?.handshake, other?.handshake);
    assert.equal((await sessionsOf(alice, bob)).length, 2);
  });

  it('is not opened by another device, nor when the server swaps the sender', async () => {
    const [alice, bob] = await pair();
    await exchange(alice, bob, 'hello');
    await exchange(bob, alice, 'hello');
    const mallory = await createDevice({ userId: 'mallory' });
    const outgoing = await send(alice, bob, 'secret');
    const swapped = { ...delivered(alice, outgoing), from: { userId: 'mallory', deviceId: '1' } };
    assert.equal((await bob.mailbox.receive(swapped)).kind, 'undecryptable');
    assert.equal((await mallory.mailbox.receive(delivered(alice, outgoing))).kind, 'undecryptable');
    assert.deepEqual(await bob.mailbox.receive(delivered(alice, outgoing)), message);
    const unknown = await send(mallory, bob, 'a first message');
    const asAlice = { ...delivered(mallory, unknown), from: { userId: 'alice', deviceId: '1' } };
    assert.equal((await bob.mailbox.receive(asAlice)).kind, 'undecryptable', 'the address is authenticated');
    assert.deepEqual(await textsOf(bob), ['hello', 'secret']);
  });

  it('keeps forty archived sessions, in the order of their use', async () => {
    const [alice, bob] = await pair({ oneTimeKeys: 0 });
    const late: ReturnType<typeof delivered>[] = [];
    for (let count = 0; count < 43; count += 1) {
      late.push(delivered(alice, await send(alice, bob, `late ${count}`)));
      assert.deepEqual(await exchange(alice, bob, `text ${count}`), message);
      await alice.store.transaction((state) => {
        state.sessions = {};
      });
    }
    assert.equal((await sessionsOf(bob, alice)).length, 41);
    const [gone, , kept] = late;
    assert.ok(gone && kept);
    assert.deepEqual(await bob.mailbox.receive(kept), message, 'the oldest that is kept');
    assert.equal((await bob.mailbox.receive(gone)).kind, 'undecryptable', 'its handshake cannot be repeated');
  });

  it('does not send any more in a session that had no answer for thirty days', async () => {
    const clock = { now: testStart };
    const [alice, bob] = await pair({ clock });
    await send(alice, bob, 'one');
    clock.now += 30 * dayMs - 1;
    await send(alice, bob, 'two');
    clock.now += 1;
    const input = { clientMessageId: 'c', userId: 'bob', deviceIds: ['1'], plain: utf8('three') };
    await assert.rejects(alice.mailbox.queue(input), { code: 'SESSION_NEEDED', fields: { deviceIds: ['1'] } });
    const [begun] = await sessionsOf(alice, bob);
    await send(alice, bob, 'three');
    assert.notDeepEqual((await sessionsOf(alice, bob))[0]?.handshake, begun?.handshake);
  });

  it('goes on with a device that has new keys, after the server has said so', async () => {
    const [alice, bob] = await pair();
    await exchange(alice, bob, 'hello');
    await alice.mailbox.queue({ clientMessageId: 'kept', userId: 'bob', deviceIds: ['1'], plain: utf8('again') });
    const again = await createDevice({ userId: 'bob' });
    const changes = { stale: ['1'], bundles: again.takeBundles() };
    assert.deepEqual(await alice.mailbox.amend('kept', changes), { isIdentityChanged: true });
    const [outgoing] = await alice.mailbox.outbox();
    assert.ok(outgoing);
    assert.deepEqual(await again.mailbox.receive(delivered(alice, outgoing)), message);
    await alice.mailbox.amend('kept', { extra: ['1'] });
    assert.deepEqual((await alice.mailbox.outbox())[0]?.messages, []);
    assert.deepEqual(await sessionsOf(alice, bob), []);
  });

  it('is stored in a form with a version, which is refused when it is damaged', async () => {
    const [alice, bob] = await pair();
    await exchange(alice, bob, 'hello');
    await exchange(bob, alice, 'hello');
    await send(alice, bob, 'lost');
    await exchange(alice, bob, 'after it');
    const sessions = await sessionsOf(bob, alice);
    const stored = encodeSessions(sessions);
    assert.deepEqual(decodeSessions(stored), sessions);
    assert.ok(stored.length < 600, `${stored.length} bytes`);
    assert.throws(() => decodeSessions(Uint8Array.of(2, ...stored.subarray(1))), /cannot be read/);
    assert.throws(() => decodeSessions(stored.subarray(0, -1)), /cannot be read/);
  });
});

describe('prekeys', () => {
  it('are erased after the first message has opened, not before', async () => {
    const [alice, bob] = await pair();
    const outgoing = await send(alice, bob, 'hello');
    const counts = () => bob.store.transaction(({ keys }) => [keys.preKeys.length, keys.pqPreKeys.length]);
    const changed = contentOf(outgoing);
    changed[changed.length - 1] = (changed.at(-1) ?? 0) ^ 1;
    assert.equal((await bob.mailbox.receive(delivered(alice, outgoing, changed))).kind, 'undecryptable');
    assert.deepEqual(await counts(), [1, 1]);
    assert.deepEqual(await bob.mailbox.receive(delivered(alice, outgoing)), message);
    assert.deepEqual(await counts(), [0, 0]);
  });

  it('that the device does not have are named as the reason', async () => {
    const [alice, bob] = await pair();
    const outgoing = await send(alice, bob, 'hello');
    for (const kind of ['preKeys', 'pqPreKeys', 'signedPreKey'] as const) {
      const kept = await bob.store.transaction((state) => state.keys[kind].splice(0));
      const result = await bob.mailbox.receive(delivered(alice, outgoing));
      assert.equal(result.kind === 'undecryptable' && result.reason, 'unknown-key');
      await bob.store.transaction((state) => state.keys[kind].push(...kept));
    }
    assert.deepEqual(await bob.mailbox.receive(delivered(alice, outgoing)), message);
  });

  it('B14 of the signed prekey before last open a message for thirty days; later the sender is asked again, once', async () => {
    const clock = { now: testStart };
    const [alice, bob] = await pair({ clock });
    const outgoing = [await send(alice, bob, 'one'), await send(alice, bob, 'two')] as const;
    await bob.store.transaction((state) => {
      for (const key of state.keys.signedPreKey) key.replacedAt = testStart;
      state.keys.signedPreKey.push({ keyId: 9, secret: toBase64(generateKeyPair().privateKey), createdAt: testStart });
    });
    const backup = await bob.store.transaction((state) => structuredClone(state));
    clock.now = testStart + 29 * dayMs;
    assert.deepEqual(await bob.mailbox.receive(delivered(alice, outgoing[0])), message);
    await bob.store.transaction((state) => Object.assign(state, backup));
    clock.now = testStart + 31 * dayMs;
    const refused = { kind: 'undecryptable', reason: 'unknown-key' };
    assert.deepEqual(await bob.mailbox.receive(delivered(alice, outgoing[0])), { ...refused, willRetry: true });
    assert.deepEqual(await bob.mailbox.receive(delivered(alice, outgoing[1])), { ...refused, willRetry: true });
    const [first, second] = await bob.mailbox.retries();
    assert.ok(first && second);
    await bob.mailbox.queueRetry(first.from, alice.takeBundles());
    assert.deepEqual((await bob.mailbox.outbox()).length, 1, 'one request names both');
    const third = delivered(alice, await send(alice, bob, 'three'), Uint8Array.of(1));
    assert.equal((await bob.mailbox.receive(third)).kind, 'undecryptable');
    assert.deepEqual(await bob.mailbox.retries(), [], 'within the hour nothing is asked again');
  });

  it('B16 of last resort open each handshake once, also when its session was deleted', async () => {
    const [alice, bob] = await pair({ oneTimeKeys: 0 });
    const outgoing = await send(alice, bob, 'pay 100');
    assert.deepEqual(await bob.mailbox.receive(delivered(alice, outgoing)), message);
    const refused = { kind: 'undecryptable', reason: 'repeated', willRetry: true };
    assert.deepEqual(await bob.mailbox.receive(delivered(alice, outgoing)), refused);
    await bob.store.transaction((state) => {
      state.sessions = {};
      state.retriedAt = {};
    });
    assert.deepEqual(await bob.mailbox.receive(delivered(alice, outgoing)), { ...refused, reason: 'key-used' });
    assert.deepEqual(await textsOf(bob), ['pay 100']);
    await bob.store.transaction((state) => {
      const [key] = state.keys.pqLastResortPreKey;
      assert.ok(key);
      key.replacedAt = testStart;
      pruneKeys(state, testStart + 30 * dayMs - 1);
      assert.equal(state.usedHandshakes.length, 1);
      pruneKeys(state, testStart + 30 * dayMs);
      assert.deepEqual(state.usedHandshakes, [], 'without the key the handshake cannot be repeated');
    });
  });

  it('are refused when a signature is wrong, or a key is malformed', async () => {
    const [alice, bob] = await pair();
    const bundles = bob.takeBundles();
    const [device] = bundles.devices;
    assert.ok(device);
    const other = generateKeyPair();
    const wrong = [
      { ...device, signedPreKey: { ...device.signedPreKey, publicKey: toBase64(other.publicKey) } },
      { ...device, signedPreKey: { ...device.signedPreKey, signature: device.pqPreKey.signature } },
      { ...device, pqPreKey: { ...device.pqPreKey, signature: device.signedPreKey.signature } },
      { ...device, preKey: { keyId: 1, publicKey: toBase64(Uint8Array.of(5, ...new Uint8Array(32))) } },
      { ...device, preKey: { keyId: 1, publicKey: 'no base64' } },
      { ...device, signedPreKey: { ...device.signedPreKey, signature: '' } },
      { ...device, pqPreKey: { ...device.pqPreKey, publicKey: `${device.pqPreKey.publicKey}=` } },
    ];
    for (const changed of wrong)
      await assert.rejects(send(alice, bob, 'x', { bundles: { ...bundles, devices: [changed] } }), {
        code: 'BUNDLE_INVALID',
      });
    const lowOrder = toBase64(Uint8Array.of(5, ...new Uint8Array(32)));
    for (const identityKey of [lowOrder, 'no base64'])
      await assert.rejects(send(alice, bob, 'x', { bundles: { ...bundles, identityKey } }), { code: 'BUNDLE_INVALID' });
    const kem = Uint8Array.of(0x0a, ...fromBase64(device.pqPreKey.publicKey).subarray(1));
    const identity = await bob.store.transaction((state) => fromBase64(state.identity?.privateKey ?? ''));
    const pqPreKey = { keyId: 7, publicKey: toBase64(kem), signature: toBase64(sign(identity, kem)) };
    await assert.rejects(send(alice, bob, 'x', { bundles: { ...bundles, devices: [{ ...device, pqPreKey }] } }), {
      code: 'BUNDLE_INVALID',
    });
    const weak = Uint8Array.of(5, ...new Uint8Array(32));
    const signedPreKey = { keyId: 8, publicKey: toBase64(weak), signature: toBase64(sign(identity, weak)) };
    await assert.rejects(send(alice, bob, 'x', { bundles: { ...bundles, devices: [{ ...device, signedPreKey }] } }), {
      code: 'BUNDLE_INVALID',
    });
    assert.deepEqual(await alice.mailbox.outbox(), []);
    assert.deepEqual(await sessionsOf(alice, bob), []);
  });
});

describe('a message that cannot be decrypted', () => {
  it('is acknowledged, and its sender asked again in a new session, once an hour', async () => {
    const clock = { now: testStart };
    const [alice, bob] = await pair({ oneTimeKeys: 3, clock });
    await exchange(alice, bob, 'hello');
    await exchange(bob, alice, 'hello');
    await alice.store.transaction((state) => {
      state.sessions = {};
    });
    const lost = delivered(bob, await send(bob, alice, 'lost'));
    const refused = { kind: 'undecryptable', reason: 'no-session', willRetry: true };
    assert.deepEqual(await alice.mailbox.receive(lost), refused);
    assert.deepEqual(await alice.mailbox.receive(lost), { kind: 'seen' });
    const lostToo = delivered(bob, await send(bob, alice, 'lost too'));
    assert.deepEqual(await alice.mailbox.receive(lostToo), refused);
    const [retry] = await alice.mailbox.retries();
    assert.deepEqual(retry, { from: { userId: 'bob', deviceId: '1' }, messageId: lost.messageId });
    await alice.mailbox.queueRetry(retry.from, bob.takeBundles());
    assert.deepEqual(await alice.mailbox.retries(), []);
    const [outgoing] = await alice.mailbox.outbox();
    assert.equal(outgoing?.messages[0]?.type, 'retry');
    const asked = await bob.mailbox.receive(delivered(alice, outgoing));
    const messageIds = [lost.messageId, lostToo.messageId];
    assert.deepEqual(asked, { kind: 'retry', messageIds, isIdentityChanged: false });
    const later = delivered(bob, await send(bob, alice, 'changed'), Uint8Array.of(1));
    assert.deepEqual(await alice.mailbox.receive(later), { ...refused, reason: 'malformed', willRetry: false });
    assert.deepEqual(await exchange(bob, alice, 'sent again'), message, 'in the new session');
    clock.now += 3_600_000;
    const nonsense = { ...lost, messageId: 'm-x', content: 'AAAA' };
    assert.deepEqual(await alice.mailbox.receive(nonsense), { ...refused, reason: 'malformed', willRetry: true });
    await alice.mailbox.queueRetry(retry.from, { ...bob.takeBundles(), devices: [] });
    assert.deepEqual([await alice.mailbox.retries(), await sessionsOf(alice, bob)], [[], []], 'the device is no more');
  });

  it('is not made of another message by its type', async () => {
    const [alice, bob] = await pair();
    const outgoing = await send(alice, bob, 'please pay');
    const asRetry = { ...delivered(alice, outgoing), type: 'retry' as const };
    assert.equal((await bob.mailbox.receive(asRetry)).kind, 'undecryptable');
    const request = encodeRetry(['1-0', '2-0']);
    assert.deepEqual(decodeRetry(request), ['1-0', '2-0']);
    assert.throws(() => decodeRetry(Uint8Array.of(0, ...request.subarray(1))), { code: 'UNDECRYPTABLE' });
  });

  it('is refused, and not fetched for ever, when its keys are of low order or its version is unknown', async () => {
    const [alice, bob] = await pair();
    const outgoing = await send(alice, bob, 'hello');
    const [identity, base, version] = [contentOf(outgoing), contentOf(outgoing), contentOf(outgoing)];
    identity.fill(0, 16, 48);
    base.fill(0, 49, 81);
    version[0] = 2;
    for (const content of [identity, base, version]) {
      const result = await bob.mailbox.receive(delivered(alice, outgoing, content));
      assert.equal(result.kind === 'undecryptable' && result.reason, 'malformed');
    }
    assert.deepEqual(await bob.mailbox.receive(delivered(alice, outgoing)), message);
  });

  it('has an error without key material', async () => {
    const [alice, bob] = await pair();
    await exchange(alice, bob, 'hello');
    const outgoing = await send(alice, bob, 'secret text');
    const bytes = contentOf(outgoing);
    bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) ^ 1;
    const failure = await failureOf(bob, alice, bytes);
    assert.match(failure, /^VyryError: The message cannot be decrypted. It was changed/);
    assert.doesNotMatch(failure, /secret|cause/);
  });
});

/** Returns everything that an error of `decryptFrom` shows. */
async function failureOf(device: CryptoDevice, from: CryptoDevice, content: Uint8Array): Promise<string> {
  try {
    await device.store.transaction((state) => decryptFrom(state, { from: addressOf(from), content }, testStart));
  } catch (err) {
    return `${err}${JSON.stringify(err)}${err instanceof Error && err.cause !== undefined ? ' cause' : ''}`;
  }
  throw new Error('it was decrypted');
}

const addressOf = ({ userId, deviceId }: CryptoDevice) => ({ userId, deviceId });

describe('padding', () => {
  it('has at least one byte, and hides the length up to 160', () => {
    for (const [length, padded] of [
      [0, 160],
      [159, 160],
      [160, 320],
      [161, 320],
    ] as const) {
      const text = new Uint8Array(length).fill(0x80);
      assert.equal(pad(text).length, padded);
      assert.deepEqual(unpad(pad(text)), text);
    }
  });

  it('is refused in any other form', () => {
    const [zeros, long, cut] = [new Uint8Array(160), new Uint8Array(320), pad(utf8('x')).subarray(1)];
    long[0] = 0x80;
    const other = new Uint8Array(160).fill(1, 0, 1);
    for (const bad of [zeros, long, cut, other, new Uint8Array()])
      assert.throws(() => unpad(bad), { code: 'UNDECRYPTABLE' });
  });
});
