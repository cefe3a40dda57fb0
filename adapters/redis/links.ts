/**
 * Links of new devices: `link:{id}` HASH, until an hour after it expires, and `links:{userId}` ZSET of the links that are
 * meant for a user, by their expiry. `link-report:{source}` exists while a source must wait. The token of a link is stored
 * as SHA-256.
 *
 * Consistency: one script decides on each change of a link, and no field is written twice, so of parallel changes on
 * several processes one wins. A caller whose change was refused reads the link to learn why. A change is published in the
 * channels of the link and of its user, and announced to the devices of the user. When Redis is unavailable: fails closed.
 */
import {
  type DenialReason,
  type DeviceLink,
  type LinkState,
  linkAt,
  reportWaitMs,
  runningStates,
} from '../../domain/link.ts';
import type { Announcements } from '../../platform/announcements.ts';
import { loadScript, type Redis, type Script } from './connect.ts';
import { keyFamilies, keys } from './keys.ts';

/** A new link. */
export type NewLink = Omit<DeviceLink, 'state'>;

/** A claim by a device of a user. */
export type LinkClaim = Required<
  Pick<DeviceLink, 'userId' | 'claimedBy' | 'claimedAt' | 'epoch' | 'encapsulation' | 'claimNonce'>
>;

/** The reservation of a link for the device that is being added. */
interface LinkReservation {
  /** SHA-256 of the device. */
  taker: string;
  /** Milliseconds since the Unix epoch. */
  takenAt: number;
}

/** The store of links. */
export type Links = ReturnType<typeof createLinks>;

/** How long a link is stored after it expires, so that a late device learns what became of it. */
const lateMs = keyFamilies.link.life.seconds * 1000;
/** Longest duration of adding a device; after that its process has failed. */
const reservationMs = 10_000;

/** A change of a link. */
interface Change {
  from: readonly LinkState[];
  to: LinkState;
  /** Fields that must have these values. */
  where?: Record<string, string | number>;
  set?: Record<string, string | number>;
  /** Milliseconds since the Unix epoch; 0 for a change after the expiry. */
  now: number;
}

/** The announcements of links. */
type LinkAnnouncements = Pick<Announcements, 'linkRequested' | 'linkChanged'>;

/**
 * Creates the store of links.
 *
 * @param announcements tells the devices of the user that a link is meant for
 */
export function createLinks(redis: Redis, announcements: LinkAnnouncements) {
  const create = loadScript(redis, 'link-create');
  const change = createChange(redis, loadScript(redis, 'link-change'), announcements);
  const read = async (linkId: string, now: number): Promise<DeviceLink | undefined> => {
    const link = linkIn(linkId, await redis.hgetall(keys.link({ linkId })));
    return link === undefined ? undefined : linkAt(link, now);
  };
  return {
    /** Stores a link. One with an account is listed for it. Safe to repeat: an existing link stays. */
    async create(link: NewLink): Promise<void> {
      const { linkId, userId, expiresAt } = link;
      // listed first, so that no link of a user is missing in the list; a listed link without a record is ignored
      if (userId !== undefined) await list(redis, userId, link);
      const fields = Object.entries({ ...link, state: 'pending' }).flat();
      const isNew = (await create([keys.link({ linkId })], [expiresAt + lateMs, ...fields])) === 1;
      if (userId === undefined) return;
      await redis.publish(keys.links({ userId }), linkId);
      if (isNew) await announcements.linkRequested(userId, link);
    },

    /** Returns a link as of now, or undefined if the id is unknown or the link ended long ago. */
    read,

    /** Returns the links that are meant for a user and have not expired, oldest first. */
    async listOf(userId: string, now: number): Promise<DeviceLink[]> {
      const ids = await redis.zrange(keys.links({ userId }), `(${now}`, '+inf', 'BYSCORE');
      const found = await Promise.all(ids.map((linkId) => read(linkId, now)));
      // a claim that lost has listed its user too
      return found.flatMap((link) => (link?.userId === userId ? [link] : []));
    },

    ...createSteps(redis, change),
    ...createReservations(redis, change),
    ...createReports(redis),
  };
}

type ChangeLink = (link: Pick<DeviceLink, 'linkId' | 'userId' | 'state'>, change: Change) => Promise<boolean>;

function createChange(redis: Redis, script: Script, announcements: LinkAnnouncements): ChangeLink {
  return async ({ linkId, userId, state }, { from, to, where = {}, set = {}, now }) => {
    const compared = Object.entries(where);
    const args = [now, `,${from.join()},`, to, compared.length, ...compared.flat(), ...Object.entries(set).flat()];
    const isChanged = (await script([keys.link({ linkId })], args)) === 1;
    if (!isChanged || userId === undefined) return isChanged;
    await redis.publish(keys.links({ userId }), linkId);
    // a repeat begins another session of a completed link
    if (state !== to) await announcements.linkChanged(userId, { linkId, state: to });
    return true;
  };
}

/** The steps of both devices. Each returns whether it changed the link: once. */
function createSteps(redis: Redis, change: ChangeLink) {
  return {
    /** Claims a link for a device. An approval can only be claimed by a device of its user. */
    async claim(link: DeviceLink, claim: LinkClaim): Promise<boolean> {
      const { userId, claimedAt: now } = claim;
      await list(redis, userId, link);
      const { kind } = link;
      const where = kind === 'approval' ? { kind, userId } : { kind };
      return change({ ...link, userId }, { from: ['pending'], to: 'claimed', where, set: claim, now });
    },

    /** Stores the nonce of the new device, which the caller has compared with its hash. */
    reveal: (link: DeviceLink, nonce: string, now: number): Promise<boolean> =>
      change(link, { from: ['claimed'], to: 'revealed', set: { nonce }, now }),

    /** Stores the sealed provision, from the device that claimed. */
    approve: (link: DeviceLink, { sealedProvision, claimedBy }: Approval, now: number): Promise<boolean> =>
      change(link, { from: ['revealed'], to: 'approved', where: { claimedBy }, set: { sealedProvision }, now }),

    /** Denies a link that is not over, as read: not after another account has claimed it. */
    deny: (link: DeviceLink, denial: DenialReason, now: number): Promise<boolean> => {
      const { userId, kind } = link;
      const from = userId === undefined ? (['pending'] as const) : runningStates(kind);
      const where = userId === undefined ? {} : { userId };
      return change(link, { from, to: 'denied', where, set: { denial }, now });
    },

    /** Denies an approved link whose approver was removed at that moment. */
    withdraw: (link: DeviceLink): Promise<boolean> =>
      change(link, { from: ['approved'], to: 'denied', set: { denial: 'approver-gone' }, now: 0 }),

    /** Ends a link whose time is over. Without it a link expires too; after it no device is added any more. */
    expire: (link: DeviceLink): Promise<boolean> =>
      change(link, { from: runningStates(link.kind), to: 'expired', now: 0 }),
  };
}

type Approval = Required<Pick<DeviceLink, 'sealedProvision' | 'claimedBy'>>;

/** The steps of adding the new device. */
function createReservations(redis: Redis, change: ChangeLink) {
  const take = loadScript(redis, 'link-take');
  const release = loadScript(redis, 'link-release');
  return {
    /**
     * Reserves an approved link for a device. `busyMs`: another request adds the same device and has this long to do it.
     * `refused`: the link is not approved, or reserved for another device.
     */
    async take(
      linkId: string,
      { taker, takenAt }: LinkReservation,
    ): Promise<{ outcome: 'taken' | 'refused' } | { outcome: 'busy'; busyMs: number }> {
      const answer = Number(await take([keys.link({ linkId })], [takenAt, taker, reservationMs]));
      if (answer < 0) return { outcome: 'busy', busyMs: -answer };
      return { outcome: answer === 1 ? 'taken' : 'refused' };
    },

    /** Ends a reservation whose device was refused. Safe to repeat. */
    async release(linkId: string, { taker, takenAt }: LinkReservation): Promise<void> {
      await release([keys.link({ linkId })], [taker, takenAt]);
    },

    /** Completes a reserved link, or replaces the session of a completed one. */
    complete: (link: DeviceLink, { taker, deviceId, sessionId }: Completion, now: number): Promise<boolean> =>
      change(link, {
        from: ['approved', 'completed'],
        to: 'completed',
        where: { taker },
        set: { deviceId, sessionId },
        now,
      }),
  };
}

type Completion = Required<Pick<DeviceLink, 'taker' | 'deviceId' | 'sessionId'>>;

/** The waits of reported sources. */
function createReports(redis: Redis) {
  return {
    /** Makes a source wait, from now on. Safe to repeat. */
    async report(source: string): Promise<void> {
      await redis.set(keys.linkReport({ limitKey: source }), '1', 'PX', reportWaitMs);
    },

    /** Returns how long a source must wait, in seconds; 0 if it was not reported. */
    async reportedSeconds(source: string): Promise<number> {
      return Math.max(0, Math.ceil((await redis.pttl(keys.linkReport({ limitKey: source }))) / 1000));
    },
  };
}

async function list(redis: Redis, userId: string, { linkId, expiresAt }: Pick<DeviceLink, 'linkId' | 'expiresAt'>) {
  const key = keys.links({ userId });
  await redis
    .multi()
    .zadd(key, expiresAt, linkId)
    .zremrangebyscore(key, 0, Date.now())
    .pexpireat(key, expiresAt, 'NX')
    .pexpireat(key, expiresAt, 'GT')
    .exec();
}

const numbers: readonly string[] = ['createdAt', 'expiresAt', 'claimedAt', 'epoch'] satisfies (keyof DeviceLink)[];

function linkIn(linkId: string, fields: Record<string, string>): DeviceLink | undefined {
  if (fields.state === undefined) return undefined;
  const read = Object.entries(fields).map(([name, value]) => [name, numbers.includes(name) ? Number(value) : value]);
  // written by `create` and the steps only
  return { ...Object.fromEntries(read), linkId } as DeviceLink;
}
