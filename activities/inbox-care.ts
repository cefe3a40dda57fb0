/**
 * Activities that care for the inboxes of devices that are not connected: old messages move from Redis to MongoDB or
 * expire, and a linked device that nobody uses gets no more messages, after its user was warned.
 */
import type { Archive, ExpiredPage } from '../adapters/mongo/archive.ts';
import type { Devices } from '../adapters/mongo/devices.ts';
import type { DeviceActivity } from '../adapters/redis/device-activity.ts';
import type { InboxMove } from '../adapters/redis/inbox-archive.ts';
import type { InboxState } from '../adapters/redis/inbox-devices.ts';
import type { Inboxes } from '../adapters/redis/inboxes.ts';
import { deviceIn } from '../domain/device.ts';
import { archiveEndOf, idleSharesOf, inboxMs, takenAt } from '../domain/message.ts';
import type { Events } from '../platform/events/events.ts';

/** Where an activity is: a later attempt continues there. */
interface Progress {
  /** Returns what the last attempt saved; undefined if it saved nothing, or there was none. */
  read(): unknown;
  save(details: unknown): void;
}

/** Dependencies of the care for inboxes. */
export interface InboxCareDeps {
  inboxes: Pick<
    Inboxes,
    'scanInboxes' | 'readArchiveEnd' | 'beginMove' | 'finishMove' | 'expireMessages' | 'settleArchived' | 'suspend'
  >;
  archive: Pick<Archive, 'put' | 'discard' | 'drop' | 'acknowledge' | 'takeExpired' | 'remove'>;
  devices: Pick<Devices, 'read'>;
  activity: Pick<DeviceActivity, 'read' | 'readWarnings' | 'noteWarning'>;
  events: Pick<Events, 'inboxesArchived' | 'deviceSuspended' | 'idleDeviceWarned'>;
  newId: () => string;
  progress: Progress;
  /** Messages that wait for longer move to the archive, in milliseconds. */
  archiveAfterMs: number;
  /** A linked device that is not used for longer gets no more messages, in milliseconds. */
  idleMs: number;
}

/** The input of the care. */
export interface CareInput {
  /** Milliseconds since the Unix epoch. */
  now: number;
  /** `0` to begin, then that of the last result. */
  cursor: string;
}

/** A linked device that was not used for long. Its user is to be warned. */
export interface IdleDevice {
  userId: string;
  deviceId: string;
  /** When it was used last, in milliseconds since the Unix epoch. */
  activeAt: number;
}

/** What the care did. */
export interface CareResult {
  /** Where it continues; `0` when all inboxes were seen. */
  cursor: string;
  moved: number;
  expired: number;
  suspended: number;
  idle: IdleDevice[];
}

/** The activities of the registration role that care for inboxes. */
export type InboxCareActivities = ReturnType<typeof createInboxCareActivities>;

/** Devices whose messages move at once. Each has a page of at most 1 MiB, unless one message has more. */
const devicesAtOnce = 32;
/** Messages that expire at once. */
const expiringAtOnce = 500;
/** Pages of the archive that expire at once. */
const pagesAtOnce = 50;
/** Idle devices after which the care lets their users be warned before it continues. */
const idleMax = 50;

/** Creates the activities of the registration role that care for inboxes. Temporal retries outages. */
export function createInboxCareActivities(deps: InboxCareDeps) {
  return {
    /**
     * Cares for the inboxes in Redis, all of them or until there are many users to warn. Idempotent: what was moved, expired
     * or suspended is found so. A later attempt continues where the last one was.
     */
    async careForInboxes({ now, cursor }: CareInput): Promise<CareResult> {
      const begun = { cursor, moved: 0, expired: 0, suspended: 0, idle: [] };
      const result = (deps.progress.read() as CareResult | undefined) ?? begun;
      do {
        const part = await deps.inboxes.scanInboxes(result.cursor);
        await careForPart(deps, part.inboxes, now, result);
        result.cursor = part.cursor;
        deps.progress.save(result);
      } while (result.cursor !== '0' && result.idle.length < idleMax);
      deps.events.inboxesArchived(result);
      return result;
    },

    /** Lets messages in the archive expire. Returns their number. Idempotent: a page counts once, and then it is removed. */
    async expireArchive({ now }: Pick<CareInput, 'now'>): Promise<number> {
      let expired = 0;
      for (;;) {
        const pages = await deps.archive.takeExpired(now - inboxMs, { count: pagesAtOnce });
        for (const page of pages) expired += await expirePage(deps, page);
        if (pages.length < pagesAtOnce) break;
      }
      deps.events.inboxesArchived({ moved: 0, expired });
      return expired;
    },

    /** Records that the user of an idle device was warned, and emits the event. Idempotent by device and last use. */
    async noteIdleWarning(idle: IdleDevice, now: number): Promise<void> {
      await deps.activity.noteWarning(idle, now);
      deps.events.idleDeviceWarned(idle);
    },
  };
}

async function careForPart(
  deps: InboxCareDeps,
  inboxes: readonly InboxState[][],
  now: number,
  result: CareResult,
): Promise<void> {
  const waiting = inboxes.flat().filter(hasMessagesInRedis);
  for (let first = 0; first < waiting.length; first += devicesAtOnce) {
    const some = waiting.slice(first, first + devicesAtOnce);
    const expired = await Promise.all(some.map((one) => expireOld(deps, one, now - inboxMs)));
    result.expired += expired.reduce((sum, count) => sum + count, 0);
    result.moved += await moveOld(deps, some, now - deps.archiveAfterMs);
  }
  for (const one of inboxes.flat()) await clearArchive(deps, one);
  for (const ofUser of inboxes) await judgeIdle(deps, ofUser, now, result);
}

/** Returns whether the stream of a device has messages. */
function hasMessagesInRedis({ count, last, archive, createdAt }: InboxState): boolean {
  return count > 0 && last !== undefined && (archive === undefined || archiveEndOf(createdAt, archive).lastId !== last);
}

async function expireOld({ inboxes }: InboxCareDeps, device: InboxState, before: number): Promise<number> {
  let expired = 0;
  for (;;) {
    const count = await inboxes.expireMessages(device, before, expiringAtOnce);
    expired += count;
    if (count < expiringAtOnce) return expired;
  }
}

interface BegunMove extends InboxMove {
  device: InboxState;
  moveId: string;
}

/**
 * Moves the messages of some devices, page after page, and returns their number. The page of a move that did not finish, of
 * this or an earlier run, is discarded before the next one of its device is stored. No two moves share a page.
 */
async function moveOld(deps: InboxCareDeps, devices: readonly InboxState[], before: number): Promise<number> {
  const { inboxes, archive, newId } = deps;
  let moved = 0;
  for (let rest = devices; rest.length > 0; ) {
    const begun: BegunMove[] = [];
    for (const device of rest) {
      const moveId = newId();
      const move = await inboxes.beginMove(device, moveId, before);
      if (move !== undefined) begun.push({ ...move, device, moveId });
    }
    for (const { device, unfinishedId } of begun) {
      if (unfinishedId !== undefined) await archive.discard(device, { ...device, moveId: unfinishedId });
    }
    await archive.put(begun.map(({ device, moveId, entries }) => ({ ...addressOf(device), moveId, entries })));
    const finished = await Promise.all(
      begun.map(({ device, moveId, entries }) => inboxes.finishMove(device, moveId, entries)),
    );
    const done = begun.filter((_move, index) => finished[index]);
    moved += done.reduce((sum, { entries }) => sum + entries.length, 0);
    rest = done.map(({ device }) => device);
  }
  return moved;
}

/**
 * Deletes the archive of a suspended device, whose gap counts its messages, and forgets one that is empty. Only what was
 * archived by the time of the suspension is deleted, so a device that has connected since loses nothing.
 */
async function clearArchive({ inboxes, archive }: InboxCareDeps, device: InboxState): Promise<void> {
  const { archive: state, createdAt, suspendedAt, count } = device;
  if (state === undefined) return;
  const end = archiveEndOf(createdAt, state);
  if (suspendedAt !== undefined) await archive.drop(device, end);
  else if (count > 0 || !(await archive.acknowledge(device, end, [])).isEmpty) return;
  await inboxes.settleArchived(device, { archive: state });
}

interface UnusedDevice extends IdleDevice {
  createdAt: number;
}

/** Suspends the linked devices of a user that were not used for too long, and finds those of which to warn. */
async function judgeIdle(
  deps: InboxCareDeps,
  inboxes: readonly InboxState[],
  now: number,
  result: CareResult,
): Promise<void> {
  const unused = await findUnused(deps, inboxes, now);
  const [first] = unused;
  if (first === undefined) return;
  const { graceMs } = idleSharesOf(deps.idleMs);
  const [linked, warnings] = await Promise.all([
    linkedOf(deps, first.userId, unused),
    deps.activity.readWarnings(first.userId),
  ]);
  for (const { userId, deviceId, activeAt } of linked) {
    const warning = warnings[deviceId];
    if (warning?.activeAt !== activeAt) result.idle.push({ userId, deviceId, activeAt });
    else if (now - activeAt >= deps.idleMs && now - warning.at >= graceMs) {
      result.suspended += await suspend(deps, { userId, deviceId });
    }
  }
}

/** Returns the devices of a user that were not used for so long that the user is warned of them. */
async function findUnused(
  { activity, idleMs }: InboxCareDeps,
  inboxes: readonly InboxState[],
  now: number,
): Promise<UnusedDevice[]> {
  const { warnMs } = idleSharesOf(idleMs);
  const old = inboxes.filter((one) => one.suspendedAt === undefined && !one.lease && now - one.createdAt >= warnMs);
  const [first] = old;
  // an only device is never suspended
  if (first === undefined || inboxes.length === 1) return [];
  const active = await activity.read(first.userId);
  return old
    .map(({ userId, deviceId, createdAt }) => {
      return { userId, deviceId, createdAt, activeAt: Math.max(createdAt, active[deviceId] ?? 0) };
    })
    .filter(({ activeAt }) => now - activeAt >= warnMs);
}

/** Returns those of some devices of a user that another device linked. */
async function linkedOf(
  { devices }: InboxCareDeps,
  userId: string,
  some: readonly UnusedDevice[],
): Promise<UnusedDevice[]> {
  const set = await devices.read(userId);
  return some.filter(({ deviceId, createdAt }) => {
    const device = deviceIn(set, deviceId);
    return device?.linkedBy !== undefined && device.createdAt === createdAt;
  });
}

/** Returns how many devices were suspended: 1, or 0 if no other device of the user takes messages. */
async function suspend({ inboxes, events }: InboxCareDeps, device: Omit<IdleDevice, 'activeAt'>): Promise<number> {
  if (!(await inboxes.suspend(device))) return 0;
  events.deviceSuspended({ ...device, reason: 'idle' });
  return 1;
}

/** Returns how many messages expire with a page; none if they are of a device that is gone, or had not moved. */
async function expirePage({ inboxes, archive }: InboxCareDeps, page: ExpiredPage): Promise<number> {
  const { userId, deviceId, firstId, lastId, count, bytes } = page;
  const end = await inboxes.readArchiveEnd({ userId, deviceId });
  const gap = { from: takenAt(firstId), to: takenAt(lastId), count, reason: 'expired' as const };
  const isLoss =
    end?.createdAt === page.createdAt &&
    (await inboxes.settleArchived({ userId, deviceId }, { count, bytes, gap, expiredId: lastId }));
  await archive.remove(page);
  return isLoss ? count : 0;
}

function addressOf({ userId, deviceId, createdAt }: InboxState) {
  return { userId, deviceId, createdAt };
}
