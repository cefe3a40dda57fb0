/**
 * Conversations: `conversations` has a document for each side, by `userId/peerId`. The first decision about a user also
 * leaves an empty document for the other side, so that those who know a user are found by the documents of that user:
 * `_id` is the only index that is needed.
 *
 * Consistency: a change reads the side, decides by the rules of domain/conversation.ts, and writes on condition that
 * `version` is unchanged; otherwise it reads again. When MongoDB is unavailable, calls throw; every change may be repeated.
 */
import { type Connection, type Model, Schema, trusted } from 'mongoose';
import {
  acceptedSide,
  begunSide,
  type ConversationChange,
  type ConversationSide,
  changedSide,
} from '../../domain/conversation.ts';
import { isDuplicateKey } from './connect.ts';

/** The store of conversations. */
export type Conversations = ReturnType<typeof createConversations>;

/** A side with the other user. */
export interface ListedSide extends ConversationSide {
  peerId: string;
  changedAt: Date;
}

interface SideDocument {
  _id: string;
  /** Absent while the user decided nothing and received nothing. */
  state?: ConversationSide['state'];
  was?: 'a' | 'n' | 'r';
  receipts: boolean;
  changedAt: Date;
  version: number;
}

type Sides = Model<SideDocument>;
/** Decides what a side becomes. The same side: it stays. */
type Rule = (side: ConversationSide | undefined) => ConversationSide;

const schema = new Schema<SideDocument>(
  {
    _id: { type: String, required: true },
    state: { type: String, required: false },
    was: { type: String, required: false },
    receipts: { type: Boolean, required: true },
    changedAt: { type: Date, required: true },
    version: { type: Number, required: true },
  },
  { collection: 'conversations', versionKey: false, strict: 'throw' },
);

/** Ids in one query. */
const idsPage = 1000;

/** Creates the store of conversations. */
export function createConversations(connection: Connection) {
  const sides = connection.model<SideDocument>('ConversationSide', schema);
  const decide = (userId: string, peerId: string, rule: Rule) => decideSide(sides, { userId, peerId }, rule);
  return {
    /** Returns the side of a user about another one; undefined if there is nothing between them for that user. */
    async read(userId: string, peerId: string): Promise<ConversationSide | undefined> {
      return sideOf(await sides.findById(idOf({ userId, peerId })).lean());
    },

    /** Stores a decision of a user about another one, and returns the side. Safe to repeat. */
    change: (userId: string, peerId: string, change: ConversationChange): Promise<ConversationSide> =>
      decide(userId, peerId, (side) => changedSide(side, change)),

    /** Accepts another user, unless that user is blocked. Returns the side. Safe to repeat. */
    accept: (userId: string, peerId: string): Promise<ConversationSide> => decide(userId, peerId, acceptedSide),

    /** Records that the one message of a stranger was received. Returns the side. Safe to repeat. */
    begin: (userId: string, peerId: string): Promise<ConversationSide> => decide(userId, peerId, begunSide),

    /** Returns the ids of those who have accepted a user. */
    async contactsOf(userId: string): Promise<string[]> {
      const peers = await peersOf(sides, userId);
      const found = await pages(peers, (page) =>
        sides.find({ _id: trusted({ $in: idsOf(page, userId) }), state: 'accepted' }, { _id: 1 }).lean(),
      );
      return found.map(({ _id }) => _id.slice(0, _id.indexOf('/')));
    },

    /** Returns the sides of a user, in the order of the ids of the others: of those after one, and at most so many. */
    async list(
      userId: string,
      { after, limit }: { after?: string | undefined; limit?: number } = {},
    ): Promise<ListedSide[]> {
      const all = sides.find({ _id: ofUser(userId, after), state: trusted({ $exists: true }) }).sort({ _id: 1 });
      const found = await (limit === undefined ? all : all.limit(limit)).lean();
      return found.flatMap((document) => {
        const side = sideOf(document);
        return side === undefined ? [] : [{ ...side, peerId: peerIn(document), changedAt: document.changedAt }];
      });
    },

    /** Deletes the sides of a user and those of others about the user. Safe to repeat: the own ones are deleted last. */
    async erase(userId: string): Promise<void> {
      const peers = await peersOf(sides, userId);
      await pages(peers, async (page) => {
        await sides.deleteMany({ _id: trusted({ $in: idsOf(page, userId) }) });
        return [];
      });
      await sides.deleteMany({ _id: ofUser(userId) });
    },
  };
}

/** The users of a side. */
interface Pair {
  userId: string;
  peerId: string;
}

async function decideSide(sides: Sides, pair: Pair, rule: Rule): Promise<ConversationSide> {
  const _id = idOf(pair);
  // ends: when a write misses, another one was made
  for (;;) {
    const found = await sides.findById(_id).lean();
    const side = sideOf(found);
    const decided = rule(side);
    if (side !== undefined && isSame(side, decided)) return side;
    if (found === null) {
      await insertEmpty(sides, { userId: pair.peerId, peerId: pair.userId });
      await insertEmpty(sides, pair);
      continue;
    }
    const { hasReceipts: receipts, was, state } = decided;
    const $set = { state, receipts, changedAt: new Date(), version: found.version + 1, ...(was && { was }) };
    const update = was === undefined ? { $set, $unset: { was: 1 as const } } : { $set };
    if ((await sides.updateOne({ _id, version: found.version }, update)).matchedCount > 0) return decided;
  }
}

/** Inserts a side without a decision. An existing one stays. */
async function insertEmpty(sides: Sides, pair: Pair): Promise<void> {
  try {
    await sides.create({ _id: idOf(pair), receipts: true, changedAt: new Date(), version: 0 });
  } catch (err) {
    if (!isDuplicateKey(err)) throw err;
  }
}

function isSame(one: ConversationSide, other: ConversationSide): boolean {
  return one.state === other.state && one.was === other.was && one.hasReceipts === other.hasReceipts;
}

function sideOf(document: SideDocument | null): ConversationSide | undefined {
  if (document?.state === undefined) return undefined;
  const { state, was, receipts: hasReceipts } = document;
  return { state, hasReceipts, ...(was !== undefined && { was }) };
}

async function peersOf(sides: Sides, userId: string): Promise<string[]> {
  return (await sides.find({ _id: ofUser(userId) }, { _id: 1 }).lean()).map(peerIn);
}

/** Runs a query for a list of ids, page by page. */
async function pages<T>(all: readonly string[], query: (page: string[]) => Promise<T[]>): Promise<T[]> {
  const found: T[] = [];
  for (let index = 0; index < all.length; index += idsPage) {
    found.push(...(await query(all.slice(index, index + idsPage))));
  }
  return found;
}

/** The condition that a side is one of a user: its id begins with the user and a slash, whose next character is 0. */
function ofUser(userId: string, after = '') {
  return trusted({ $gt: `${userId}/${after}`, $lt: `${userId}0` });
}

/** The ids of the sides of others about a user. */
function idsOf(peers: readonly string[], userId: string): string[] {
  return peers.map((peer) => idOf({ userId: peer, peerId: userId }));
}

function idOf({ userId, peerId }: Pair): string {
  return `${userId}/${peerId}`;
}

function peerIn({ _id }: Pick<SideDocument, '_id'>): string {
  return _id.slice(_id.indexOf('/') + 1);
}
