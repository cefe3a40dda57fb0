// @rerun never
/** Messages between devices of the client, on a running system. */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import type { VyryEvents } from '../../client/events.ts';
import { openFileStore } from '../../client/file-store.ts';
import { createMemoryStore } from '../../client/memory-store.ts';
import { contentBytesMax } from '../../client/messaging.ts';
import type { VyryOptions } from '../../client/vyry.ts';
import { runNode } from '../support/node-process.ts';
import { goodPassword } from '../support/registrations.ts';
import * as sdk from '../support/sdk.ts';
import { eventually, unlessHung, until } from '../support/until.ts';
import { withSystem } from '../support/with-system.ts';

const { url, account } = await withSystem();
const folder = await mkdtemp(join(tmpdir(), 'vyry-sdk-'));
const opened: sdk.SdkDevice[] = [];
after(async () => {
  await Promise.all(opened.map(({ vyry }) => vyry.close()));
  await rm(folder, { recursive: true });
});

function track<D extends sdk.SdkDevice>(device: D): D {
  opened.push(device);
  return device;
}

/** The first device of a new person, connected. */
async function person(index: number, options: Partial<VyryOptions> = {}): Promise<sdk.OwnedDevice> {
  const device = track(await sdk.firstDevice({ url, account }, index, options));
  device.vyry.connect();
  await sdk.untilStatus(device, 'connected');
  return device;
}

/** A second device of a person, connected. */
async function secondDevice(existing: sdk.SdkDevice): Promise<sdk.SdkDevice> {
  const device = track(await sdk.linkedDevice(url, existing));
  device.vyry.connect();
  await sdk.untilStatus(device, 'connected');
  return device;
}

/** Two people who have accepted each other. */
async function friends(first: number): Promise<[sdk.OwnedDevice, sdk.OwnedDevice]> {
  const [one, other] = [await person(first), await person(first + 1)];
  await befriend(one, other);
  return [one, other];
}

async function befriend(one: sdk.OwnedDevice, other: sdk.OwnedDevice): Promise<void> {
  await one.vyry.conversations.accept(other.userId);
  await other.vyry.conversations.accept(one.userId);
}

/** The next event of a device. */
function next<E extends keyof VyryEvents>({ vyry }: sdk.SdkDevice, event: E): Promise<VyryEvents[E]> {
  const heard = new Promise<VyryEvents[E]>((resolve) => {
    const stop = vyry.on(event, (payload) => {
      stop();
      resolve(payload);
    });
  });
  return unlessHung(heard, event);
}

/** Sends a text and waits until the server has it. */
async function say({ vyry }: sdk.SdkDevice, { userId }: { userId: string }, text: string) {
  return await unlessHung((await vyry.send(userId, text)).sent, `the answer to ${text}`);
}

describe('messages', () => {
  it('go both ways, with their ids, times and contents', async () => {
    const [ada, bob] = [await person(0), await person(1)];
    const [toAda, toBob] = [sdk.reader(ada), sdk.reader(bob)];
    const told = next(ada, 'sent');
    const first = await ada.vyry.send(bob.userId, 'hello', { clientMessageId: 'first' });
    const { messageId, serverTimestamp } = await first.sent;
    assert.deepEqual(await told, { clientMessageId: 'first', userId: bob.userId, messageId, serverTimestamp });
    const arrived = await toBob();
    assert.deepEqual(
      [arrived.messageId, arrived.userId, arrived.text, arrived.isOwn, arrived.serverTimestamp],
      [messageId, ada.userId, 'hello', false, serverTimestamp],
    );
    const bytes = Uint8Array.from({ length: contentBytesMax }, (_, index) => index);
    await (await bob.vyry.send(ada.userId, bytes)).sent;
    const answer = await toAda();
    assert.deepEqual([answer.content, answer.text], [bytes, undefined]);
    assert.deepEqual((await sdk.stateOf(ada)).outbox, []);
  });

  it('arrive in their order, and each once when one is sent again under its id', async () => {
    const [ada, bob] = await friends(2);
    const toBob = sdk.reader(bob);
    const queued = await Promise.all(
      Array.from({ length: 20 }, (_, index) =>
        ada.vyry.send(bob.userId, `${index}`, { clientMessageId: `id-${index}` }),
      ),
    );
    const sent = await Promise.all(queued.map((one) => one.sent));
    const again = await (await ada.vyry.send(bob.userId, 'other text', { clientMessageId: 'id-3' })).sent;
    assert.equal(again.messageId, sent[3]?.messageId);
    await say(ada, bob, 'last');
    const texts: (string | undefined)[] = [];
    while (texts.at(-1) !== 'last') texts.push((await toBob()).text);
    assert.deepEqual(texts, [...Array.from({ length: 20 }, (_, index) => `${index}`), 'last']);
  });

  it('are sent once when answers are lost, without a connection too', async () => {
    const bob = await person(5);
    let lost = 0;
    const losing: typeof fetch = async (input, init) => {
      const response = await fetch(input, init);
      if (!String(input).includes('/messages/') || response.status !== 200 || lost >= 2) return response;
      lost += 1;
      await response.arrayBuffer();
      throw new TypeError('the answer was lost');
    };
    const ada = track(await sdk.firstDevice({ url, account }, 4, { fetch: losing }));
    await befriend(ada, bob);
    await say(ada, bob, 'only once');
    assert.equal(lost, 2);
    const toBob = sdk.reader(bob);
    assert.equal((await toBob()).text, 'only once');
    await say(ada, bob, 'next');
    assert.equal((await toBob()).text, 'next');
  });

  it('stay until the loop asks for the next one, and there is one loop', async () => {
    const [ada, bob] = [await person(6), await person(7)];
    await say(ada, bob, 'unfinished');
    for await (const { text } of bob.vyry.messages()) {
      assert.equal(text, 'unfinished');
      assert.throws(() => bob.vyry.messages(), { code: 'LOOP_RUNNING' });
      break;
    }
    assert.equal((await sdk.reader(bob)()).text, 'unfinished');
  });

  it('are refused for good where the person has not accepted, or they are too long', async () => {
    const [ada, bob] = [await person(8), await person(9)];
    await say(ada, bob, 'the one message of a stranger');
    await sdk.reader(bob)();
    await bob.vyry.conversations.block(ada.userId);
    await bob.vyry.conversations.unblock(ada.userId);
    const refused = next(ada, 'refused');
    const second = await ada.vyry.send(bob.userId, 'another', { clientMessageId: 'second' });
    await assert.rejects(second.sent, { code: 'FORBIDDEN' });
    const { clientMessageId, error } = await refused;
    assert.deepEqual([clientMessageId, error.code, error.remedy.length > 0], ['second', 'FORBIDDEN', true]);
    assert.ok(error.requestId);
    assert.deepEqual((await sdk.stateOf(ada)).outbox, []);
    await assert.rejects(ada.vyry.send(bob.userId, new Uint8Array(contentBytesMax + 1)), { code: 'CONTENT_TOO_LARGE' });
    const nobody = await ada.vyry.send('0'.repeat(32), 'hello');
    await assert.rejects(nobody.sent, { code: 'NOT_FOUND' });
  });
});

describe('a client without a connection', () => {
  it('keeps what is sent, also when its process is killed, and sends it later', async () => {
    const bob = await person(11);
    const file = join(folder, 'ada.json');
    const store = await openFileStore(file);
    const { vyry, userId } = await sdk.firstDevice({ url, account }, 10, { store });
    await vyry.close();
    await store[Symbol.asyncDispose]();
    const child = ['test/support/sdk-child.ts', 'http://127.0.0.1:9', file, 'queue', bob.userId, 'from the grave'];
    const ended = await runNode(child, {
      onOutput: (stdout, kill) => {
        if (stdout.includes('queued')) kill('SIGKILL');
      },
    });
    assert.equal(ended.signal, 'SIGKILL', ended.stderr);
    await using again = await openFileStore(file);
    await using ada = sdk.newClient(url, { store: again }).vyry;
    ada.connect();
    const { text, userId: from } = await sdk.reader(bob)();
    assert.deepEqual([text, from], ['from the grave', userId]);
  });

  it('connects again by itself, and loses nothing of what was sent meanwhile', async () => {
    await using wire = await sdk.openWire(url);
    const [ada, bob] = [await person(12), track(await sdk.firstDevice({ url: wire.url, account }, 13))];
    bob.vyry.connect();
    await sdk.untilStatus(bob, 'connected');
    await befriend(ada, bob);
    const [toAda, toBob] = [sdk.reader(ada), sdk.reader(bob)];
    await say(ada, bob, 'one');
    assert.equal((await toBob()).text, 'one');
    wire.cut();
    const status = await sdk.untilStatus(bob, 'offline');
    assert.equal(status.kind === 'offline' && status.reason, 'unreachable');
    await bob.vyry.send(ada.userId, 'from bob');
    await ada.vyry.send(bob.userId, 'two');
    wire.mend();
    assert.equal((await toAda()).text, 'from bob');
    assert.equal((await toBob()).text, 'two');
    await sdk.untilStatus(bob, 'connected');
  });

  it('is told when another process is connected as the same device, and leaves it the connection', async () => {
    const ada = await person(14);
    const copy = createMemoryStore();
    const state = await sdk.stateOf(ada);
    await copy.transaction((empty) => {
      Object.assign(empty, state);
    });
    const ended = next(ada, 'session-ended');
    const other = track(sdk.newClient(url, { store: copy }));
    other.vyry.connect();
    assert.deepEqual(await ended, { reason: 'replaced' });
    const status = ada.vyry.state.current;
    assert.equal(status.kind === 'offline' && status.reason, 'replaced');
    await sdk.untilStatus(other, 'connected');
  });

  it('is signed out when its session was ended', async () => {
    const ada = await person(15);
    const other = track(sdk.newClient(url));
    const { username = '' } = await ada.vyry.profile.read();
    await other.vyry.signIn({ identifier: username, password: goodPassword });
    await other.vyry.sessions.endOthers();
    await sdk.untilStatus(ada, 'signed-out');
    await assert.rejects(ada.vyry.send(ada.userId, 'x'), { code: 'SIGNED_OUT' });
  });
});

describe('a device that signs in again', () => {
  it('is the same device, with its sessions; another account on the same store forgets everything', async () => {
    const [ada, bob] = await friends(16);
    const [toAda, toBob] = [sdk.reader(ada), sdk.reader(bob)];
    await say(ada, bob, 'before');
    assert.equal((await toBob()).text, 'before');
    const { username = '' } = await ada.vyry.profile.read();
    const before = await sdk.stateOf(ada);
    await ada.vyry.signOut();
    assert.equal(ada.vyry.state.current.kind, 'signed-out');
    await ada.vyry.signIn({ identifier: username, password: goodPassword });
    await assert.rejects(ada.vyry.send(bob.userId, 'x'), { code: 'NO_KEYS' });
    assert.deepEqual(await ada.vyry.devices.add('Desk'), { deviceId: before.deviceId });
    await say(bob, ada, 'after');
    ada.vyry.connect();
    assert.equal((await toAda()).text, 'after');
    assert.equal((await ada.vyry.devices.list()).length, 1);
    await ada.vyry.signOut();
    const { name, userId } = await account(18);
    await ada.vyry.signIn({ identifier: name, password: goodPassword });
    const { sessions, identity, identities, ...state } = await sdk.stateOf(ada);
    assert.deepEqual([state.userId, identity, sessions, identities], [userId, undefined, {}, []]);
  });
});

describe('the devices of a person', () => {
  it('all get what is sent to the person, and copies of what another of them sends', async () => {
    const [ada, desk] = await friends(20);
    await say(ada, desk, 'to one device');
    const phone = await secondDevice(desk);
    const [toAda, toDesk, toPhone] = [sdk.reader(ada), sdk.reader(desk), sdk.reader(phone)];
    assert.equal((await toDesk()).text, 'to one device');
    const { messageId } = await say(desk, ada, 'from the desk');
    assert.equal((await toAda()).text, 'from the desk');
    const copy = await toPhone();
    assert.deepEqual(
      [copy.isOwn, copy.userId, copy.text, copy.messageId],
      [true, ada.userId, 'from the desk', messageId],
    );
    await say(ada, desk, 'to two devices again');
    assert.equal((await toPhone()).text, 'to two devices again');
    assert.equal((await toDesk()).text, 'to two devices again');
    await (await phone.vyry.send(desk.userId, 'note to self')).sent;
    const note = await toDesk();
    assert.deepEqual([note.isOwn, note.userId, note.text], [true, desk.userId, 'note to self']);
  });

  it('are told of a removed one, get a new identity key by an encrypted message, and others see one change', async () => {
    const [ada, desk] = [await person(22), await person(23)];
    const [phone, tablet] = [await secondDevice(desk), await secondDevice(desk)];
    const toAda = sdk.reader(ada);
    await say(desk, ada, 'hello');
    await toAda();
    await say(ada, desk, 'answer');
    const { digits } = await ada.vyry.identities.safetyNumber(desk.userId);
    assert.equal((await desk.vyry.identities.safetyNumber(ada.userId)).digits, digits);
    await ada.vyry.identities.verify(desk.userId, digits);
    await assert.rejects(ada.vyry.identities.verify(desk.userId, digits.replaceAll('1', '2').replaceAll('3', '4')), {
      code: 'IDENTITY_CHANGED',
    });
    const changed = next(phone, 'devices-changed');
    const { deviceId = '' } = await sdk.stateOf(tablet);
    assert.deepEqual(await desk.vyry.devices.remove(deviceId), { rotationAdvised: true, isRotated: true });
    assert.equal((await changed).deviceId, deviceId);
    await sdk.untilStatus(tablet, 'signed-out');
    const { identity } = await sdk.stateOf(desk);
    await until(async () => (await sdk.stateOf(phone)).identity?.publicKey === identity?.publicKey);
    const held = next(ada, 'identity-changed');
    await say(phone, ada, 'from the phone, with the new key');
    assert.equal((await toAda()).text, 'from the phone, with the new key');
    assert.deepEqual(await held, { userId: desk.userId, isHeld: false });
    assert.equal((await ada.vyry.identities.safetyNumber(desk.userId)).isVerified, false);
    const toPhone = sdk.reader(phone);
    await say(ada, desk, 'after the change');
    await eventually(async () => ((await toPhone()).text === 'after the change' ? true : undefined));
  });

  it('hold what is sent to another identity key than the verified one, until it is accepted', async () => {
    const [ada, bob] = [await person(24), await person(25)];
    await say(ada, bob, 'hello');
    const { digits } = await ada.vyry.identities.safetyNumber(bob.userId);
    await ada.vyry.identities.verify(bob.userId, digits);
    await bob.vyry.rotateIdentity();
    // as after a new registration: no session is left
    await ada.store.transaction((state) => {
      state.sessions = {};
    });
    await bob.vyry.conversations.accept(ada.userId);
    const changed = next(ada, 'identity-changed');
    const { sent } = await ada.vyry.send(bob.userId, 'held');
    assert.equal((await changed).isHeld, true);
    assert.equal((await sdk.stateOf(ada)).outbox.length, 1);
    await ada.vyry.identities.accept(bob.userId);
    await sent;
    const toBob = sdk.reader(bob);
    assert.deepEqual([(await toBob()).text, (await toBob()).text], ['hello', 'held']);
  });
});

describe('a message that a device cannot decrypt', () => {
  it('is asked for and sent again, and arrives under its own id, once', async () => {
    const [ada, bob] = [await person(30), await person(31)];
    const phone = await secondDevice(bob);
    const [toAda, toBob, toPhone] = [sdk.reader(ada), sdk.reader(bob), sdk.reader(phone)];
    await say(bob, ada, 'hello');
    await toAda();
    assert.equal((await toPhone()).isOwn, true);
    await say(ada, bob, 'answer');
    assert.deepEqual([(await toBob()).text, (await toPhone()).text], ['answer', 'answer']);
    // as after a restore from a backup
    await bob.store.transaction((state) => {
      state.sessions = {};
    });
    const told = next(bob, 'undecryptable');
    const { messageId } = await say(ada, bob, 'wedged');
    assert.deepEqual(await told, {
      messageId,
      from: { userId: ada.userId, deviceId: '1' },
      reason: 'no-session',
      willRetry: true,
    });
    const again = await toBob();
    assert.deepEqual([again.text, again.messageId], ['wedged', messageId]);
    await say(ada, bob, 'last');
    assert.equal((await toBob()).text, 'last');
    assert.deepEqual([(await toPhone()).text, (await toPhone()).text], ['wedged', 'last']);
  });

  it('is not asked for from a stranger: a request would accept the conversation', async () => {
    const ada = await person(32);
    // not connected yet: a connected client would upload a new key in place of the lost one
    const bob = track(await sdk.firstDevice({ url, account }, 33));
    await bob.store.transaction((state) => {
      state.keys.signedPreKey = [];
    });
    await say(ada, bob, 'hello');
    const told = next(bob, 'undecryptable');
    bob.vyry.connect();
    assert.equal((await told).reason, 'unknown-key');
    assert.equal((await bob.vyry.conversations.read(ada.userId))?.state, 'requested');
    assert.deepEqual(
      (await bob.vyry.conversations.list()).map(({ userId, state }) => [userId, state]),
      [[ada.userId, 'requested']],
    );
    await bob.vyry.conversations.accept(ada.userId);
    assert.equal((await sdk.reader(bob)()).text, 'hello');
  });
});

describe('receipts, typing and presence', () => {
  it('reach those who are accepted, and receipts wait for them', async () => {
    const [ada, bob] = [await person(40), await person(41)];
    const [toAda, toBob] = [sdk.reader(ada), sdk.reader(bob)];
    const { messageId } = await say(ada, bob, 'hello');
    await toBob();
    await bob.vyry.sendReceipt(ada.userId, [messageId], 'delivered');
    await until(async () => (await sdk.stateOf(bob)).outbox.length === 0);
    assert.equal((await bob.vyry.conversations.read(ada.userId))?.state, 'requested', 'a receipt accepts nobody');
    await say(bob, ada, 'accepted');
    await toAda();
    const [typing, presence] = [next(bob, 'typing'), next(bob, 'presence')];
    await bob.vyry.subscribePresence([ada.userId]);
    assert.deepEqual(await presence, { userId: ada.userId, online: true });
    ada.vyry.setTyping(bob.userId, true);
    assert.deepEqual(await typing, { userId: ada.userId, active: true });
    await ada.vyry.close();
    await bob.vyry.sendReceipt(ada.userId, [messageId], 'read');
    await until(async () => (await sdk.stateOf(bob)).outbox.length === 0);
    const later = track(sdk.newClient(url, { store: ada.store }));
    const receipt = next(later, 'receipt');
    later.vyry.connect();
    assert.deepEqual(await receipt, { userId: bob.userId, messageIds: [messageId], kind: 'read' });
  });
});

describe('a client that is closed', () => {
  it('leaves nothing: its process ends by itself', async () => {
    const ada = await person(51);
    const file = join(folder, 'bob.json');
    const store = await openFileStore(file);
    const { vyry, userId } = await sdk.firstDevice({ url, account }, 50, { store });
    await vyry.close();
    await store[Symbol.asyncDispose]();
    await say(ada, { userId }, 'hello');
    const ended = await runNode(['test/support/sdk-child.ts', url, file, 'answer']);
    assert.deepEqual([ended.code, ended.stdout, ended.stderr], [0, 'answered\nCLOSED\n', '']);
    assert.equal((await sdk.reader(ada)()).text, 'you said: hello');
  });

  it('ends its loop, its calls and what was not sent', async () => {
    const ada = await person(52);
    await using wire = await sdk.openWire(url);
    const bob = track(await sdk.firstDevice({ url: wire.url, account }, 53));
    wire.cut();
    bob.vyry.connect();
    const loop = bob.vyry.messages().next();
    const { sent } = await bob.vyry.send(ada.userId, 'never');
    await bob.vyry.close();
    assert.equal((await loop).done, true);
    await assert.rejects(sent, { code: 'CLOSED' });
    await assert.rejects(bob.vyry.profile.read(), { code: 'CLOSED' });
    assert.equal((await sdk.stateOf(bob)).outbox.length, 1);
  });
});
