// @rerun never
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { Redis } from '../../../adapters/redis/connect.ts';
import { createLinks, type LinkClaim, type Links, type NewLink } from '../../../adapters/redis/links.ts';
import type { DeviceLink } from '../../../domain/link.ts';
import { newId } from '../../../platform/crypto.ts';
import { atOnce, connectTestRedis, uniqueName } from '../../support/redis.ts';

let redis: Redis;
let subscriber: Redis;
let links: Links;
/** What was announced. */
const told: string[] = [];

before(() => {
  redis = connectTestRedis();
  subscriber = connectTestRedis();
  links = createLinks(redis, {
    linkRequested: async (userId, { linkId }) => void told.push(`${userId} ${linkId} requested`),
    linkChanged: async (userId, { linkId, state }) => void told.push(`${userId} ${linkId} ${state}`),
  });
});
after(() => {
  redis.disconnect();
  subscriber.disconnect();
});

const now = Date.now();
const later = now + 3600_000;

const newLink = (given: Partial<NewLink> = {}): NewLink => ({
  linkId: newId(),
  kind: 'link',
  tokenHash: 'token',
  deviceName: 'Desk',
  client: 'desktop',
  publicKey: 'key',
  nonceHash: 'hash',
  createdAt: now,
  expiresAt: later,
  ip: '192.0.2.1',
  userAgent: 'node',
  source: 'source',
  ...given,
});
const claimOf = (userId: string, claimedBy = '1'): LinkClaim => ({
  userId,
  claimedBy,
  claimedAt: now,
  epoch: 0,
  encapsulation: `from ${claimedBy}`,
  claimNonce: 'nonce',
});

async function created(given: Partial<NewLink> = {}): Promise<DeviceLink> {
  const link = newLink(given);
  await links.create(link);
  return stored(link.linkId);
}

async function stored(linkId: string, at = now): Promise<DeviceLink> {
  const link = await links.read(linkId, at);
  assert.ok(link);
  return link;
}

/** A link in each state on the way to an approval. */
async function linkIn(state: 'claimed' | 'revealed' | 'approved', userId = newId()): Promise<DeviceLink> {
  const { linkId } = await created();
  assert.ok(await links.claim(await stored(linkId), claimOf(userId)));
  if (state === 'claimed') return stored(linkId);
  assert.ok(await links.reveal(await stored(linkId), 'new nonce', now));
  if (state === 'revealed') return stored(linkId);
  assert.ok(await links.approve(await stored(linkId), { sealedProvision: 'encrypted', claimedBy: '1' }, now));
  return stored(linkId);
}

const count = (results: boolean[]) => results.filter(Boolean).length;

describe('link-create.lua', () => {
  it('stores what was asked for, and a repeat or another request with its id changes nothing', async () => {
    const link = await created();
    await links.create({ ...newLink({ linkId: link.linkId }), publicKey: 'another' });
    assert.deepEqual(await stored(link.linkId), { ...link, state: 'pending' });
    assert.equal(await redis.pexpiretime(`link:{${link.linkId}}`), later + 3600_000);
    assert.equal(await links.read(newId(), now), undefined);
  });

  it('lists an approval for its account until it expires, and a link after its claim', async () => {
    const userId = newId();
    const approval = await created({ kind: 'approval', userId, registrationId: newId() });
    const link = await created({ expiresAt: later + 1 });
    assert.deepEqual(
      (await links.listOf(userId, now)).map(({ linkId }) => linkId),
      [approval.linkId],
    );
    await links.claim(link, claimOf(userId));
    assert.deepEqual(
      (await links.listOf(userId, now)).map(({ linkId }) => linkId),
      [approval.linkId, link.linkId],
    );
    assert.deepEqual(await links.listOf(userId, later + 1), []);
  });
});

describe('link-change.lua', () => {
  it('announces a request once, and each other state to the user of the link', async () => {
    const [userId, ofApproval] = [newId(), newId()];
    const { linkId } = await linkIn('approved', userId);
    await links.withdraw(await stored(linkId));
    await links.withdraw(await stored(linkId));
    const approval = newLink({ kind: 'approval', userId: ofApproval });
    await links.create(approval);
    await links.create(approval);
    const of = (id: string) => told.flatMap((text) => (text.startsWith(id) ? [text.slice(id.length + 34)] : []));
    assert.deepEqual(of(userId), ['claimed', 'revealed', 'approved', 'denied']);
    assert.deepEqual(of(ofApproval), ['requested']);
  });

  it('C3: lets one of 50 parallel claims win, and its fields stay', async () => {
    const link = await created();
    const userIds = Array.from({ length: 50 }, () => newId());
    const won = await atOnce(50, (index) => links.claim(link, claimOf(userIds[index] ?? '', String(index))));
    assert.equal(count(won), 1);
    const winner = won.indexOf(true);
    const { state, userId, claimedBy, encapsulation } = await stored(link.linkId);
    assert.deepEqual(
      [state, userId, claimedBy, encapsulation],
      ['claimed', userIds[winner], `${winner}`, `from ${winner}`],
    );
    // the list of a loser does not have it
    assert.deepEqual(await links.listOf(userIds[winner === 0 ? 1 : 0] ?? '', now), []);
  });

  it('C4: refuses a reveal before the claim and an approval before the reveal', async () => {
    const link = await created();
    assert.equal(await links.reveal(link, 'nonce', now), false);
    await links.claim(link, claimOf('user'));
    const approval = { sealedProvision: 'encrypted', claimedBy: '1' };
    assert.equal(await links.approve(await stored(link.linkId), approval, now), false);
    assert.equal((await stored(link.linkId)).state, 'claimed');
  });

  it('refuses every step after the expiry, and reads the link as expired', async () => {
    const link = await linkIn('revealed');
    const approval = { sealedProvision: 'encrypted', claimedBy: '1' };
    assert.equal(await links.approve(link, approval, later), false);
    assert.equal((await stored(link.linkId, later)).state, 'expired');
    assert.equal((await stored(link.linkId, later - 1)).state, 'revealed');
  });

  it('J5: accepts an approval of the device that claimed only, and one of a denial and an approval at once', async () => {
    const link = await linkIn('revealed');
    assert.equal(await links.approve(link, { sealedProvision: 'encrypted', claimedBy: '2' }, now), false);
    for (let round = 0; round < 20; round++) {
      const raced = await linkIn('revealed');
      const approval = { sealedProvision: 'encrypted', claimedBy: '1' };
      const [, isDenied] = await Promise.all([links.approve(raced, approval, now), links.deny(raced, 'denied', now)]);
      // a denial after the approval still counts
      assert.equal((await stored(raced.linkId)).state, isDenied ? 'denied' : 'approved');
      assert.equal(isDenied, true);
    }
  });

  it('J6: does not deny a link that another account has claimed meanwhile, nor claim the approval of another', async () => {
    const unclaimed = await created();
    await links.claim(unclaimed, claimOf('owner'));
    assert.equal(await links.deny(unclaimed, 'denied', now), false);
    const approval = await created({ kind: 'approval', userId: 'owner', registrationId: 'r' });
    assert.equal(await links.claim(approval, claimOf('another')), false);
    assert.equal(await links.claim(approval, claimOf('owner')), true);
  });

  it('publishes each change in the channels of the link and of its user', async () => {
    const userId = newId();
    const link = await created();
    const heard: string[] = [];
    await subscriber.subscribe(`link:{${link.linkId}}`, `links:${userId}`);
    const both = new Promise<void>((resolve) => {
      subscriber.on('message', (channel: string) => {
        if (heard.push(channel) === 2) resolve();
      });
    });
    await links.claim(link, claimOf(userId));
    await both;
    assert.deepEqual(heard.sort(), [`link:{${link.linkId}}`, `links:${userId}`]);
  });

  it('ends an approved link whose time is over, but no approval of a registration', async () => {
    const link = await linkIn('approved');
    assert.equal(await links.expire(link), true);
    const completion = { taker: 'body', deviceId: '2', sessionId: 's' };
    assert.equal(await links.complete(link, completion, now), false);
    assert.equal((await stored(link.linkId)).state, 'expired');
    const { linkId } = await created({ kind: 'approval', userId: 'u', registrationId: 'r' });
    await links.claim(await stored(linkId), claimOf('u'));
    await links.reveal(await stored(linkId), 'nonce', now);
    await links.approve(await stored(linkId), { sealedProvision: 'encrypted', claimedBy: '1' }, now);
    assert.equal(await links.expire(await stored(linkId)), false);
    assert.equal((await stored(linkId, later)).state, 'approved');
  });
});

describe('link-take.lua and link-release.lua', () => {
  const first = { taker: 'body', takenAt: now };

  it('J1: reserves an approved link for one of 50 parallel requests', async () => {
    const { linkId } = await linkIn('approved');
    const taken = await atOnce(50, (index) => links.take(linkId, { taker: `body ${index % 2}`, takenAt: now }));
    assert.equal(taken.filter(({ outcome }) => outcome === 'taken').length, 1);
    assert.equal(taken.filter(({ outcome }) => outcome === 'busy').length, 24);
    assert.equal(taken.filter(({ outcome }) => outcome === 'refused').length, 25);
  });

  it('reserves it again for the same device only, once the process must have failed', async () => {
    const { linkId } = await linkIn('approved');
    assert.deepEqual(await links.take(linkId, first), { outcome: 'taken' });
    assert.deepEqual(await links.take(linkId, { ...first, takenAt: now + 9999 }), { outcome: 'busy', busyMs: 1 });
    assert.deepEqual(await links.take(linkId, { taker: 'other', takenAt: now + 10_000 }), { outcome: 'refused' });
    assert.deepEqual(await links.take(linkId, { ...first, takenAt: now + 10_000 }), { outcome: 'taken' });
  });

  it('ends the own reservation, and not one that was made since', async () => {
    const { linkId } = await linkIn('approved');
    await links.take(linkId, first);
    await links.take(linkId, { ...first, takenAt: now + 10_000 });
    await links.release(linkId, first);
    assert.equal((await links.take(linkId, { taker: 'other', takenAt: now + 10_001 })).outcome, 'refused');
    await links.release(linkId, { ...first, takenAt: now + 10_000 });
    assert.equal((await links.take(linkId, { taker: 'other', takenAt: now + 10_001 })).outcome, 'taken');
  });

  it('refuses a link that is not approved or has expired, and completes one for its reservation only', async () => {
    const revealed = await linkIn('revealed');
    assert.equal((await links.take(revealed.linkId, first)).outcome, 'refused');
    const link = await linkIn('approved');
    assert.equal((await links.take(link.linkId, { ...first, takenAt: later })).outcome, 'refused');
    await links.take(link.linkId, first);
    const completion = { taker: 'other', deviceId: '2', sessionId: 's' };
    assert.equal(await links.complete(link, completion, now), false);
    assert.equal(await links.complete(link, { ...completion, taker: 'body' }, now), true);
    assert.equal((await links.take(link.linkId, first)).outcome, 'refused');
    await links.release(link.linkId, first);
    const { state, taker, deviceId } = await stored(link.linkId, later);
    assert.deepEqual([state, taker, deviceId], ['completed', 'body', '2']);
  });
});

describe('reports', () => {
  it('make a source wait for an hour', async () => {
    const source = uniqueName();
    assert.equal(await links.reportedSeconds(source), 0);
    await links.report(source);
    assert.equal(await links.reportedSeconds(source), 3600);
  });
});
