/**
 * Care for inboxes: keeps in Redis only what waits for devices that are in use. Started by the schedule `inbox-care`.
 *
 * 1. Look at all inboxes: move old messages to MongoDB, let those that waited for too long expire, and suspend linked
 *    devices that nobody uses and whose users were warned.
 * 2. Warn the users of linked devices that will be suspended, once: notify them, and wake up the device.
 * 3. Continue until all inboxes were seen.
 * 4. Let messages in the archive expire.
 *
 * There are no compensations: each step is retried until it succeeds, and a repeat finds what was done.
 */
import { proxyActivities } from '@temporalio/workflow';
import type { CareResult, IdleDevice, InboxCareActivities } from '../activities/inbox-care.ts';
import { continueOnCurrentBuild } from './continuation.ts';
import { Flow } from './flow.ts';
import { notifyOwner } from './notification.ts';
import { wakeDevices } from './wake-up.ts';

/** Where a run continues, and what it did so far. */
export interface CareState extends Pick<CareResult, 'cursor' | 'moved' | 'expired' | 'suspended'> {
  /** When the run began, in milliseconds since the Unix epoch. */
  now: number;
  warned: number;
}

/** What a run did. */
export type Cared = Omit<CareState, 'cursor' | 'now'>;

/** Parts per workflow run, to keep the history short. */
const partsMax = 20;
/** The next run warns those whose warning did not begin in this time. */
const giveUpMs = 3_600_000;

const { careForInboxes, expireArchive, noteIdleWarning } = proxyActivities<InboxCareActivities>({
  startToCloseTimeout: '6h',
  heartbeatTimeout: '10s',
  retry: { initialInterval: '1s', backoffCoefficient: 2, maximumInterval: '1m' },
});

/** Cares for all inboxes. Returns what it did, in messages and devices. Idempotent. */
export async function inboxCare(state?: CareState): Promise<Cared> {
  const done = state ?? { cursor: '0', now: Date.now(), moved: 0, expired: 0, suspended: 0, warned: 0 };
  const { now } = done;
  for (let part = 0; ; part++) {
    if (part === partsMax) await continueOnCurrentBuild<typeof inboxCare>(done);
    const { cursor, idle, ...found } = await careForInboxes({ now, cursor: done.cursor });
    done.cursor = cursor;
    done.moved += found.moved;
    done.expired += found.expired;
    done.suspended += found.suspended;
    for (const one of idle) await warn(one, now);
    done.warned += idle.length;
    if (cursor === '0') break;
  }
  done.expired += await expireArchive({ now });
  const { cursor: _end, now: _began, ...cared } = done;
  return cared;
}

/** The warning is noted last: one that was interrupted is repeated, and a second notification of an occasion is not sent. */
async function warn(idle: IdleDevice, now: number): Promise<void> {
  const { userId, deviceId, activeAt } = idle;
  const { calls } = new Flow({ isOver: () => Date.now() > now + giveUpMs });
  const occasion = `${deviceId}-${activeAt}`;
  await notifyOwner({ userId, kind: 'device-idle', occasion });
  await wakeDevices(calls, { userId, deviceId, occasion: `idle-${userId}-${occasion}`, reason: 'device-idle' });
  await noteIdleWarning(idle, now);
}
