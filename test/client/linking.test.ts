// @rerun never
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { describe, it } from 'node:test';
import { generateKeyPair } from '../../client/crypto/curve.ts';
import {
  ExistingDeviceLink,
  hashDeviceSet,
  type LinkParties,
  NewDeviceLink,
  readQrText,
} from '../../client/linking.ts';
import { attackLink, attackUncommittedLink, exportOf, repeatableRandom } from '../support/link-server.ts';

const origin = 'https://chat.example.org';
const parties: LinkParties = { linkId: 'Xq3VqWzj5rT0k2mB9nYc1w', origin, userId: 'u-4711' };

/** Two devices up to the digits, through an honest server. */
async function linkUpToDigits() {
  const newDevice = await NewDeviceLink.create();
  const { publicKeyHash } = readQrText(newDevice.qrText(origin, parties.linkId), origin);
  const existing = await ExistingDeviceLink.create(parties, { ...newDevice.request, publicKeyHash });
  const { nonce, code } = await newDevice.acceptClaim(parties, existing.claim);
  await existing.acceptReveal(nonce);
  return { newDevice, existing, code };
}

/** Digits that are not the right ones. */
function otherDigits(code: string): string {
  return String((Number(code) + 1) % 1_000_000).padStart(6, '0');
}

describe('linking a device', () => {
  it('gives the new device the identity key pair and the hash of the device set, after the digits were compared', async () => {
    const { newDevice, existing, code } = await linkUpToDigits();
    const provision = {
      userId: parties.userId,
      identity: generateKeyPair(),
      deviceSetHash: hashDeviceSet(['d-1', 'd-2']),
    };
    assert.match(code, /^\d{6}$/);
    await assert.rejects(existing.sealProvision(provision), { code: 'LINK_CODE' });
    existing.confirmCode(` ${code.slice(0, 3)}-${code.slice(3)} `);
    assert.deepEqual(await newDevice.openProvision(await existing.sealProvision(provision)), provision);
  });

  it('C6 accepts three tries of the digits', async () => {
    const { existing, code } = await linkUpToDigits();
    for (const attemptsLeft of [2, 1, 0])
      assert.throws(() => existing.confirmCode(otherDigits(code)), { code: 'LINK_CODE', attemptsLeft });
    assert.throws(() => existing.confirmCode(code), { code: 'LINK_CODE', attemptsLeft: 0 });
  });

  it('C2 refuses a public key that the server changed after the scan', async () => {
    const [scanned, other] = [await NewDeviceLink.create(), await NewDeviceLink.create()];
    const { publicKeyHash } = readQrText(scanned.qrText(origin, parties.linkId), origin);
    const changed = { ...scanned.request, publicKey: other.request.publicKey, publicKeyHash };
    await assert.rejects(ExistingDeviceLink.create(parties, changed), { code: 'LINK_KEY' });
    const malformed = { ...scanned.request, publicKey: Buffer.alloc(1215).toString('base64') };
    await assert.rejects(ExistingDeviceLink.create(parties, malformed), { code: 'LINK_KEY' });
  });

  it('C4 refuses a reveal of another nonce, and digits before the reveal', async () => {
    const newDevice = await NewDeviceLink.create();
    const existing = await ExistingDeviceLink.create(parties, newDevice.request);
    const { nonce, code } = await newDevice.acceptClaim(parties, existing.claim);
    assert.throws(() => existing.confirmCode(code), { code: 'LINK_CODE' });
    const bytes = Buffer.from(nonce, 'base64');
    const others = [Buffer.alloc(32), bytes.subarray(0, 31), Buffer.concat([bytes, Buffer.of(0)]), Buffer.alloc(0)];
    for (const other of others)
      await assert.rejects(existing.acceptReveal(other.toString('base64')), { code: 'LINK_NONCE' });
    await assert.rejects(existing.acceptReveal(`${nonce} `), { code: 'LINK_NONCE' });
    await existing.acceptReveal(nonce);
    existing.confirmCode(code);
  });

  it('shows other digits when the server tells the devices different people, links or addresses', async () => {
    const differences = [{ linkId: 'another' }, { origin: 'https://chat.example.com' }];
    for (const difference of differences) {
      const newDevice = await NewDeviceLink.create();
      const existing = await ExistingDeviceLink.create({ ...parties, ...difference }, newDevice.request);
      const { nonce, code } = await newDevice.acceptClaim(parties, existing.claim);
      await existing.acceptReveal(nonce);
      assert.throws(() => existing.confirmCode(code), { code: 'LINK_CODE' }, JSON.stringify(difference));
    }
    const newDevice = await NewDeviceLink.create();
    const existing = await ExistingDeviceLink.create(parties, newDevice.request);
    const encapsulation = Buffer.from(existing.claim.encapsulation, 'base64');
    encapsulation.set(Buffer.from('u-4712'), encapsulation.length - 6);
    const changed = { ...existing.claim, encapsulation: encapsulation.toString('base64') };
    const { nonce, code } = await newDevice.acceptClaim(parties, changed);
    await existing.acceptReveal(nonce);
    assert.throws(() => existing.confirmCode(code), { code: 'LINK_CODE' });
  });

  it('accepts one claim only, and reveals nothing to a malformed one', async () => {
    const newDevice = await NewDeviceLink.create();
    const existing = await ExistingDeviceLink.create(parties, newDevice.request);
    await newDevice.acceptClaim(parties, existing.claim);
    await assert.rejects(newDevice.acceptClaim(parties, existing.claim), { code: 'LINK_PROVISION' });
    for (const bad of [{ nonce: 'AA==' }, { nonce: '*' }, { encapsulation: 'AA==' }, { encapsulation: '' }]) {
      const another = await NewDeviceLink.create();
      await assert.rejects(another.acceptClaim(parties, { ...existing.claim, ...bad }), { code: 'LINK_PROVISION' });
    }
  });

  it('refuses what another device sent, what was changed, and the provision of another person', async () => {
    const { newDevice, existing, code } = await linkUpToDigits();
    existing.confirmCode(code);
    const provision = { userId: parties.userId, identity: generateKeyPair(), deviceSetHash: hashDeviceSet([]) };
    const other = await linkUpToDigits();
    other.existing.confirmCode(other.code);
    const ofOther = await other.existing.sealProvision(provision);
    await assert.rejects(newDevice.openProvision(ofOther), { code: 'LINK_PROVISION' });
    const changed = Buffer.from(await existing.sealProvision(provision), 'base64');
    changed.writeUInt8(changed.readUInt8(40) ^ 1, 40);
    await assert.rejects(newDevice.openProvision(changed.toString('base64')), { code: 'LINK_PROVISION' });
    const ofAnother = await other.existing.sealProvision({ ...provision, userId: 'u-1' });
    await other.newDevice.openProvision(ofOther);
    await assert.rejects(other.newDevice.openProvision(ofAnother), { code: 'LINK_PROVISION' });
  });
});

describe('the QR text', () => {
  it('is the address of the link page with the hash of the public key in its fragment, about 102 characters', async () => {
    const newDevice = await NewDeviceLink.create();
    const text = newDevice.qrText(origin, parties.linkId);
    const hash = createHash('sha256').update(newDevice.request.publicKey, 'base64').digest('base64url');
    assert.equal(text, `${origin}/app/link#1.${parties.linkId}.${hash}`);
    assert.deepEqual(readQrText(text, origin), { linkId: parties.linkId, publicKeyHash: hash });
  });

  it('is refused when it is of another server, of another suite, or something else', async () => {
    const text = (await NewDeviceLink.create()).qrText(origin, parties.linkId);
    const others = [
      text.replace('chat.', 'chat-example.'),
      text.replace('https', 'http'),
      text.replace('#1.', '#2.'),
      text.replace('/app/', '/app/../app/'),
      text.replace('#', '?'),
      `${text}A`,
      text.slice(0, -1),
      `${text}\n`,
      '',
      'sgnl://linkdevice?uuid=1',
    ];
    for (const other of others) assert.throws(() => readQrText(other, origin), { code: 'LINK_ADDRESS' }, other);
  });
});

describe('the hash of the device set', () => {
  it('depends on every id, not on their order or on where one ends', () => {
    assert.equal(hashDeviceSet(['a', 'b', 'c']), hashDeviceSet(['c', 'a', 'b']));
    const sets = [[], ['a'], ['a', 'b'], ['ab'], ['a', 'b', 'b'], ['b']].map(hashDeviceSet);
    assert.equal(new Set(sets).size, sets.length);
  });
});

describe('a server that owns the network', () => {
  it('exports as RFC 9180 does (appendix A.1.1)', () => {
    const secret = Buffer.from('45ff1c2e220db587171952c0592d5f5ebe103f1561a2614e38f2ffd47e99e3f8', 'hex');
    const suiteId = '48504b45002000010001';
    const exported = [new Uint8Array(), Buffer.of(0)].map((context) => exportOf(secret, suiteId, context, 32));
    assert.deepEqual(
      exported.map((bytes) => Buffer.from(bytes).toString('hex')),
      [
        '3853fe2b4035195a573ffc53856e77058e15d9ea064de3e59f4961d0095250ee',
        '2e8f0b54673c7029649d4eb9d5e33bf1872cf76d623ff164ac185da9e88c21a5',
      ],
    );
  });

  it('makes the digits of 100,000 links agree at most once in a million tries', async () => {
    const random = repeatableRandom(16);
    let accepted = 0;
    for (let link = 0; link < 100_000; link += 1)
      if ((await attackLink(parties, random, link % 2 === 0)).isAccepted) accepted += 1;
    assert.ok(accepted <= 1, `${accepted} links were accepted`);
  });

  it('makes them agree in every link that has no commitment', async () => {
    const random = repeatableRandom(61);
    const shown = new Set<string>();
    for (let link = 0; link < 20; link += 1) {
      const outcome = await attackUncommittedLink(parties, random);
      assert.equal(outcome.isAccepted, true);
      shown.add(outcome.shown);
    }
    assert.ok(shown.size > 15, 'the digits are not fixed');
  });
});
