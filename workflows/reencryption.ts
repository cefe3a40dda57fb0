/**
 * Re-encryption: moves every account and its devices to the current keys after a rotation of `DATA_KEY`. An operator starts it
 * with `vyry keys reencrypt`; there is one at a time.
 *
 * 1. Move a page of accounts, in order of their ids.
 * 2. Continue with the next page, in a new run after many pages.
 *
 * Nothing is compensated: what has been moved stays, and another start finds it moved. An interrupted one continues with the
 * page at which it was.
 */
import { defineQuery, proxyActivities, setHandler } from '@temporalio/workflow';
import type { ReencryptionActivities, ReencryptResult } from '../activities/reencryption.ts';
import { continueOnCurrentBuild } from './continuation.ts';

/** How far it is. */
export interface ReencryptionProgress {
  /** The accounts that were looked at, and those that were changed. */
  accounts: number;
  changed: number;
  /** Passwords and PINs that need an earlier key until their owner uses them. */
  earlierHashes: number;
}

/** The input; `after` and `before` are those of an earlier run. */
export interface ReencryptionInput {
  retire: boolean;
  after?: string;
  before?: ReencryptionProgress;
}

/** Returns how far it is. */
export const reencryptionProgress = defineQuery<ReencryptionProgress>('reencryptionProgress');

const pagesMax = 200;

const { reencryptPage } = proxyActivities<ReencryptionActivities>({
  startToCloseTimeout: '10m',
  heartbeatTimeout: '10s',
  retry: { initialInterval: '1s', backoffCoefficient: 2, maximumInterval: '1m' },
});

/** Moves all accounts. Returns what it did. */
export async function reencryption({ retire, after = '', before }: ReencryptionInput): Promise<ReencryptionProgress> {
  let progress = before ?? { accounts: 0, changed: 0, earlierHashes: 0 };
  setHandler(reencryptionProgress, () => progress);
  let next: string | undefined = after;
  for (let pages = 0; next !== undefined; pages++) {
    if (pages === pagesMax)
      await continueOnCurrentBuild<typeof reencryption>({ retire, after: next, before: progress });
    const page: ReencryptResult = await reencryptPage({ after: next, retire });
    progress = {
      accounts: progress.accounts + page.accounts,
      changed: progress.changed + page.changed,
      earlierHashes: progress.earlierHashes + page.earlierHashes,
    };
    next = page.last;
  }
  return progress;
}
