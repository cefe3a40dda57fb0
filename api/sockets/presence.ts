/**
 * Presence: which connections of this process follow whether a user is online.
 *
 * Each followed user has one subscription in the process. A publication has no content: the state is read again, and with
 * it whether the follower may still know it. A process that dies publishes nothing, so the leases of all followed users
 * are read again with each renewal.
 */
import { presenceChannel } from '../../adapters/redis/node-channel.ts';
import type { Subscriptions } from '../../adapters/redis/subscriptions.ts';
import type { ApiDeps } from '../deps.ts';
import type { Emit } from './delivery.ts';
import { type ConversationDeps, isShared } from './sharing.ts';

/** The dependencies of presence. */
export type PresenceDeps = ConversationDeps & Pick<ApiDeps, 'inboxes'> & { subscriptions: Subscriptions };

/** A connection that follows users. */
export interface Follower {
  userId: string;
  emit: Emit;
}

/** Who follows a user, and what each was told last. */
type Followers = Map<Follower, boolean | undefined>;

/** The followers of a process. */
export type Presence = ReturnType<typeof createPresence>;

/** Creates the followers of a process. */
export function createPresence(deps: PresenceDeps) {
  const followed = new Map<string, Followers>();
  const byFollower = new Map<Follower, Set<string>>();

  async function follow(follower: Follower, userId: string): Promise<void> {
    const followers = followed.get(userId);
    byFollower.set(follower, (byFollower.get(follower) ?? new Set()).add(userId));
    if (followers !== undefined) return void followers.set(follower, undefined);
    followed.set(userId, new Map([[follower, undefined]]));
    await deps.subscriptions.subscribe(presenceChannel(userId), () => void tell(userId, true).catch(() => undefined));
  }

  async function leave(follower: Follower, userId: string): Promise<void> {
    const followers = followed.get(userId);
    followers?.delete(follower);
    byFollower.get(follower)?.delete(userId);
    if (followers?.size !== 0) return;
    followed.delete(userId);
    await deps.subscriptions.unsubscribe(presenceChannel(userId));
  }

  /** Tells the followers of a user what is new to them. */
  async function tell(userId: string, isPermissionRead: boolean): Promise<void> {
    if (!followed.has(userId)) return;
    const state = await deps.inboxes.isOnline(userId);
    for (const follower of followed.get(userId)?.keys() ?? []) {
      const isAllowed = !isPermissionRead || (await isShared(deps, userId, follower.userId));
      await tellOne(follower, userId, isAllowed ? state : undefined);
    }
  }

  /** Somebody who may not know it any more sees what is seen of a user who goes offline. */
  async function tellOne(
    follower: Follower,
    userId: string,
    state: { isOnline: boolean; seenAt?: number } | undefined,
  ): Promise<void> {
    const followers = followed.get(userId);
    // it may have left meanwhile
    if (followers?.has(follower) !== true) return;
    const told = followers.get(follower);
    const { isOnline, seenAt } = state ?? { isOnline: false };
    followers.set(follower, isOnline);
    if (told !== isOnline) follower.emit('presence:changed', changeOf(userId, isOnline, seenAt));
    if (state === undefined) await leave(follower, userId);
  }

  const ofFollower = (follower: Follower) => [...(byFollower.get(follower) ?? [])];

  return {
    /** Lets a connection follow these users instead of those before, and tells their present state. */
    async replace(follower: Follower, userIds: readonly string[]): Promise<void> {
      const wanted = new Set(userIds);
      for (const userId of ofFollower(follower)) if (!wanted.has(userId)) await leave(follower, userId);
      for (const userId of wanted) {
        await follow(follower, userId);
        await tell(userId, false);
      }
    },

    /** Ends everything that a connection follows. */
    async remove(follower: Follower): Promise<void> {
      for (const userId of ofFollower(follower)) await leave(follower, userId);
      byFollower.delete(follower);
    },

    /** Reads the leases of all followed users again. */
    async refresh(): Promise<void> {
      for (const userId of [...followed.keys()]) await tell(userId, false);
    },
  };
}

function changeOf(userId: string, online: boolean, seenAt: number | undefined) {
  const isKnown = !online && seenAt !== undefined;
  return { userId, online, ...(isKnown && { lastSeenAt: new Date(seenAt).toISOString() }) };
}
