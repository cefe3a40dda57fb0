/**
 * Directory watch: whoever lost their entry in the directory loses their access. Started by the schedule `directory-sync`.
 *
 * 1. Read a page of linked people, ask the directory how their names stand, compare the entries with those they are linked to.
 * 2. Disable whoever has none any more, which ends their sessions; their account stays, and an operator can enable it again.
 * 3. Go on with the next page, up to the last.
 *
 * A directory that is away is no verdict: the run ends, and the next one begins anew. One that has lost most of a page is not believed: it is more
 * likely asked in the wrong place, such as after a change of the base or the filter.
 */
import { continueAsNew, executeChild, proxyActivities, workflowInfo } from '@temporalio/workflow';
import type { DirectoryActivities } from '../activities/directory.ts';
import type { DirectorySyncActivities, SyncedPage } from '../activities/directory-sync.ts';
import { userAdministrationWorkflowId } from '../domain/account.ts';
import { isOutage } from './refusals.ts';
import { heartbeatTimeout, retry } from './retries.ts';
import { userDisabling } from './user-administration.ts';

/** Where a run goes on, and what it has found so far. */
export interface SyncState extends Synced {
  afterId: string;
}

/** What a run has found. */
export interface Synced {
  checked: number;
  disabled: number;
  /** The directory was away: the rest was not checked. */
  isCut?: boolean;
}

/** Beyond this share of a page, and this number, missing people are not believed. */
const missingShareMax = 0.5;
const missingMin = 10;
/** Pages of one run of the workflow: its history stays short. */
const pagesMax = 20;

const { readWatched, judgeEntryStatuses, tellDoubt } = proxyActivities<DirectorySyncActivities>({
  startToCloseTimeout: '1m',
  heartbeatTimeout,
  retry,
});
const { readEntryStatuses } = proxyActivities<DirectoryActivities>({
  taskQueue: 'directory',
  startToCloseTimeout: '5m',
  heartbeatTimeout,
  retry,
});

/** Checks every linked person; answers how many, and how many were disabled. Safe to run again. */
export async function directorySync(
  { afterId, ...found }: SyncState = { afterId: '', checked: 0, disabled: 0 },
): Promise<Synced> {
  let next: string | undefined = afterId;
  for (let page = 0; next !== undefined; page++) {
    if (page === pagesMax) await continueAsNew<typeof directorySync>({ afterId: next, ...found });
    const { people, nextId }: SyncedPage = await readWatched({ afterId: next });
    const disabled = await check(people);
    if (disabled === undefined) return { ...found, isCut: true };
    found.checked += people.length;
    found.disabled += disabled;
    next = nextId;
  }
  return found;
}

/** How many of a page were disabled; undefined when the directory is away. */
async function check(people: { userId: string; username: string }[]): Promise<number | undefined> {
  if (people.length === 0) return 0;
  const entryStatuses = await readEntryStatuses({ usernames: people.map(({ username }) => username) }).catch(
    (err: unknown) => {
      if (isOutage(err)) return undefined;
      throw err;
    },
  );
  if (entryStatuses === undefined) return undefined;
  const missing = entryStatuses.filter(({ entryStatus }) => entryStatus === 'missing').length;
  if (missing >= missingMin && missing > people.length * missingShareMax) {
    await tellDoubt({ runId: workflowInfo().runId, checked: people.length, missing });
    return 0;
  }
  const lost = await judgeEntryStatuses({ people, entryStatuses });
  for (const userId of lost) {
    await executeChild(userDisabling, {
      workflowId: userAdministrationWorkflowId(userId),
      args: [{ userId, at: Date.now(), operator: 'directory' }],
    });
  }
  return lost.length;
}
