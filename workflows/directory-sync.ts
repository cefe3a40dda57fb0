/**
 * Directory sync: disables accounts whose directory entry is gone, and adopts the new names of people. Started by the
 * schedule `directory-sync`.
 *
 * 1. Read a page of accounts that are linked to an entry, and look up the entries by their immutable ids.
 * 2. Disable each account whose entry is gone, which ends its sessions. The account remains, and an operator can enable
 *    it again.
 * 3. Change the user name of each account whose entry has another one.
 * 4. Continue with the next page until the last.
 *
 * When the directory is unavailable, the run ends without a result and the next run starts over. A page with most
 * entries missing is ignored: a wrong search base or filter is the more likely cause.
 */
import { WorkflowExecutionAlreadyStartedError } from '@temporalio/common';
import { executeChild, proxyActivities, workflowInfo } from '@temporalio/workflow';
import type { DirectoryActivities } from '../activities/directory.ts';
import type { DirectorySyncActivities, Renamed, SyncedPage } from '../activities/directory-sync.ts';
import { identityChangeWorkflowId, userAdministrationWorkflowId } from '../domain/workflow-ids.ts';
import { continueOnCurrentBuild } from './continuation.ts';
import { identityChange } from './identity-change.ts';
import { isOutage } from './refusals.ts';
import { heartbeatTimeout, retry } from './retries.ts';
import { userDisabling } from './user-administration.ts';

/** Where a run continues, and its results so far. */
export interface SyncState extends Synced {
  /** Id of the last account that was read. */
  afterId: string;
}

/** The result of a run: how many accounts were checked and disabled. */
export interface Synced {
  checked: number;
  disabled: number;
  /** The directory was unavailable and the remaining accounts were not checked. */
  isCut?: boolean;
}

/** A page is ignored when more than this share, and at least this number, of its entries are missing. */
const missingShareMax = 0.5;
const missingMin = 10;
/** Pages per workflow run, to keep the history short. */
const pagesMax = 20;

const { readWatched, judgeEntryStatuses, findRenamed, tellDoubt } = proxyActivities<DirectorySyncActivities>({
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

/** Checks every linked account. Returns how many were checked and how many disabled. Idempotent. */
export async function directorySync(
  { afterId, ...found }: SyncState = { afterId: '', checked: 0, disabled: 0 },
): Promise<Synced> {
  let next: string | undefined = afterId;
  for (let page = 0; next !== undefined; page++) {
    if (page === pagesMax) await continueOnCurrentBuild<typeof directorySync>({ afterId: next, ...found });
    const { people, nextId }: SyncedPage = await readWatched({ afterId: next });
    const disabled = await check(people);
    if (disabled === undefined) return { ...found, isCut: true };
    found.checked += people.length;
    found.disabled += disabled;
    next = nextId;
  }
  return found;
}

/** Returns how many accounts of a page were disabled; undefined when the directory is unavailable. */
async function check(people: SyncedPage['people']): Promise<number | undefined> {
  if (people.length === 0) return 0;
  const sought = people.map(({ userId: _userId, ...person }) => person);
  const entryStatuses = await readEntryStatuses({ people: sought }).catch((err: unknown) => {
    if (isOutage(err)) return undefined;
    throw err;
  });
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
  for (const renamed of await findRenamed({ people, entryStatuses })) await adoptName(renamed);
  return lost.length;
}

/** Changes a user name. While another change of the user is in progress, the next run does it. */
async function adoptName({ userId, username }: Renamed): Promise<void> {
  const wanted = { kind: 'username', value: username } as const;
  try {
    await executeChild(identityChange, {
      workflowId: identityChangeWorkflowId(userId),
      args: [{ changeId: `${workflowInfo().runId}-${userId}`, userId, wanted, isFromDirectory: true }],
    });
  } catch (err) {
    if (!(err instanceof WorkflowExecutionAlreadyStartedError)) throw err;
  }
}
