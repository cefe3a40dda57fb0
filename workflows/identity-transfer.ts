/**
 * Transfer: a user name, number or address that the directory now gives to another entry leaves the account that holds
 * it. It is a part of the workflows that claim identifiers for an entry.
 *
 * 1. Look up the entries of the holders by their immutable ids. What an entry still has stays.
 * 2. Move the claims of what it no longer has, and end the sessions of the account that loses them.
 * 3. Emit the event, and notify both owners. The one who loses is notified at the addresses from before.
 *
 * There are no compensations: what the directory has taken from an entry belongs to it no longer, whatever becomes of
 * the claiming workflow.
 */
import { proxyActivities } from '@temporalio/workflow';
import type { DirectoryActivities } from '../activities/directory.ts';
import type { IdentityChangeActivities } from '../activities/identity-change.ts';
import type { IdentityTransferActivities } from '../activities/identity-transfer.ts';
import type { UserAdministrationActivities } from '../activities/user-administration.ts';
import type { EntryStatus, Holder } from '../domain/directory.ts';
import { type Recipient, recipientsOf } from '../domain/notifications.ts';
import { notifyOwner } from './notification.ts';
import { heartbeatTimeout, retry } from './retries.ts';

/** The account that claims. */
export interface Claimant {
  /** Unique to the change that causes it, the same for every retry. */
  changeId: string;
  userId: string;
  /** Who is notified; by default those of the account. */
  recipients?: Recipient[];
}

type ReadEntries = () => Promise<EntryStatus[]>;

const { readEntryStatuses } = proxyActivities<DirectoryActivities>({
  taskQueue: 'directory',
  startToCloseTimeout: '5m',
  heartbeatTimeout,
  retry,
  summary: 'Look up the entries of other accounts',
});
const { judgeHolder, transferIdentifiers, tellTransferred } = proxyActivities<IdentityTransferActivities>({
  startToCloseTimeout: '30s',
  heartbeatTimeout,
  retry,
});
const { readIdentity } = proxyActivities<IdentityChangeActivities>({
  startToCloseTimeout: '30s',
  heartbeatTimeout,
  retry,
});
const { endSessions } = proxyActivities<UserAdministrationActivities>({
  startToCloseTimeout: '30s',
  heartbeatTimeout,
  retry,
});

/**
 * Transfers what the entries of the holders no longer have. Returns whether there was anything.
 *
 * @param wait calls the directory; it returns undefined to give up while the directory is unavailable
 */
export async function transfer(
  claimant: Claimant,
  holders: readonly Holder[],
  wait: (read: ReadEntries) => Promise<EntryStatus[] | undefined>,
): Promise<boolean> {
  const people = holders.map(({ directoryId, username }) => ({
    ...(directoryId !== undefined && { directoryId }),
    ...(username !== undefined && { username }),
  }));
  const entries = await wait(() => readEntryStatuses({ people }));
  let isAny = false;
  for (const [index, holder] of holders.entries()) {
    const entry = entries?.[index];
    if (entry !== undefined && (await transferOf(claimant, holder, entry))) isAny = true;
  }
  return isAny;
}

async function transferOf(
  { changeId, userId, recipients }: Claimant,
  holder: Holder,
  entry: EntryStatus,
): Promise<boolean> {
  const identifiers = await judgeHolder({ holder, entry });
  if (identifiers.length === 0) return false;
  const before = (await readIdentity({ userId: holder.userId })) ?? {};
  const move = { changeId, fromId: holder.userId, toId: userId, identifiers };
  await transferIdentifiers(move);
  await endSessions({ userId: holder.userId, at: Date.now() });
  await tellTransferred(move);
  const told = { kind: 'identity-transferred', occasion: changeId } as const;
  await notifyOwner({ ...told, userId: holder.userId, recipients: recipientsOf(before) });
  await notifyOwner({ ...told, userId, ...(recipients && { recipients }) });
  return true;
}
