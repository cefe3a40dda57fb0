/** What the user of this account decided about others: who may write, and who gets receipts. */
import type { Conversation } from '../contract/messages.ts';
import type { Calls } from './calls.ts';
import { hasCode } from './errors.ts';

/** The decision about a user. */
export interface ListedConversation extends Conversation {
  userId: string;
  /** ISO 8601 */
  changedAt: string;
}

/** The conversations of the account. */
export interface Conversations {
  /** Lists everybody with whom there is something, the newest decision first. */
  list(): Promise<ListedConversation[]>;
  /** Returns what was decided about a user; undefined if nothing was, and nothing was received. */
  read(userId: string): Promise<Conversation | undefined>;
  /** Lets a user write. */
  accept(userId: string): Promise<Conversation>;
  /** Keeps everything of a user away, who sees no difference. */
  block(userId: string): Promise<Conversation>;
  /** Ends a block: the user is a stranger again, until `accept` or a message. */
  unblock(userId: string): Promise<Conversation>;
  /** Chooses whether a user gets receipts, typing and presence of this account. */
  shareReceipts(userId: string, receipts: boolean): Promise<Conversation>;
}

/** The conversations, for the other parts of a client. */
export interface ConversationSides extends Conversations {
  /** Returns whether a user was accepted and gets receipts. What the client does by itself must not accept a stranger. */
  isShared(userId: string): Promise<boolean>;
  /** Returns whether a user was accepted. */
  isAccepted(userId: string): Promise<boolean>;
  /** Forgets what is known of a user: another device or a message may have changed it. */
  forget(userId: string): void;
}

/** Creates the functions on conversations; `accepted` is called when a user was accepted. */
export function createConversations(calls: Calls, accepted: (userId: string) => void): ConversationSides {
  // only what lets receipts pass is remembered: another device may accept a user at any time
  const accepting = new Map<string, Conversation>();
  const keep = (userId: string, side: Conversation): Conversation => {
    if (side.state === 'accepted') accepting.set(userId, side);
    else accepting.delete(userId);
    return side;
  };
  const read = async (userId: string) => {
    try {
      return keep(userId, await calls.readConversation({ userId }));
    } catch (err) {
      if (hasCode(err, 'NOT_FOUND')) return undefined;
      throw err;
    }
  };
  const change = async (userId: string, state: Conversation['state'], receipts?: boolean) => {
    const body = { state, ...(receipts !== undefined && { receipts }) };
    return keep(userId, await calls.changeConversation({ userId, body }));
  };
  const known = async (userId: string) => accepting.get(userId) ?? (await read(userId));
  return {
    list: () => listAll(calls),
    read,
    async accept(userId) {
      const side = await change(userId, 'accepted');
      accepted(userId);
      return side;
    },
    block: (userId) => change(userId, 'blocked'),
    unblock: (userId) => change(userId, 'requested'),
    shareReceipts: async (userId, receipts) =>
      await change(userId, (await read(userId))?.state ?? 'requested', receipts),
    async isShared(userId) {
      const side = await known(userId);
      return side?.state === 'accepted' && side.receipts;
    },
    isAccepted: async (userId) => (await known(userId))?.state === 'accepted',
    forget: (userId) => accepting.delete(userId),
  };
}

async function listAll(calls: Calls): Promise<ListedConversation[]> {
  const all: ListedConversation[] = [];
  for (let cursor: string | null | undefined; cursor !== null; ) {
    const page = await calls.listConversations({ query: { limit: '100', ...(cursor !== undefined && { cursor }) } });
    all.push(...page.items);
    cursor = page.nextCursor;
  }
  return all.sort((one, other) => (one.changedAt < other.changedAt ? 1 : -1));
}
