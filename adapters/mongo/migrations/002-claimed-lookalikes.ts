/** Migration 002: the claims of skeletons, for user names from before names were compared by their look. */
import type { Collection } from 'mongoose';
import { skeletonOf } from '../../../domain/usernames.ts';
import { isDuplicateKey } from '../connect.ts';
import type { Migration } from './migration.ts';

/** Accounts per page. */
const page = 1000;

interface Claim {
  _id: string;
  userId: string;
  createdAt: Date;
}

/**
 * Claims the skeletons of user names that accounts had before skeletons were claimed. Of accounts that look alike
 * already, the first keeps the claim.
 */
export const claimedLookalikes: Migration = {
  id: '002-claimed-lookalikes',
  about: 'claims what user names look like, for accounts that are older than this rule',
  async run({ connection, hashOf, position, save }) {
    const users = connection.collection<{ _id: string; username?: string }>('users');
    const claims = connection.collection<Claim>('claims');
    for (let last = position ?? ''; ; ) {
      const found = await users
        .find({ _id: { $gt: last } }, { projection: { username: 1 } })
        .sort({ _id: 1 })
        .limit(page)
        .toArray();
      const claimed = found.flatMap(({ _id: userId, username }) =>
        username === undefined
          ? []
          : hashOf.all('lookalike', skeletonOf(username)).map((hash) => ({ _id: `lookalike:${hash}`, userId })),
      );
      for (const claim of claimed) await insertMissing(claims, claim);
      const end = found.at(-1);
      if (end === undefined || found.length < page) return;
      last = end._id;
      await save(last);
    }
  },
};

async function insertMissing(claims: Collection<Claim>, claim: Omit<Claim, 'createdAt'>): Promise<void> {
  if ((await claims.findOne({ _id: claim._id })) !== null) return;
  await claims.insertOne({ ...claim, createdAt: new Date() }).catch((err: unknown) => {
    if (!isDuplicateKey(err)) throw err;
  });
}
