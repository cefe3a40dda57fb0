import type { DeviceAddress, InboxGap } from '../../domain/message.ts';
import { countRecent } from './flood.ts';
import type { Outputs } from './outputs.ts';

/** Creates the events of inboxes: what does not fit, and what waits too long. */
export function createInboxEvents({ counter, report }: Outputs) {
  const gaps = counter('inbox_gaps_total', 'Gaps that devices were told, by reason', ['reason']);
  const lost = counter('inbox_gap_messages_total', 'Messages in the gaps that devices were told, by reason', [
    'reason',
  ]);
  const suspended = counter('devices_suspended_total', 'Devices that get no messages until they connect, by reason', [
    'reason',
  ]);
  for (const reason of ['expired', 'overflow']) {
    gaps.inc({ reason }, 0);
    lost.inc({ reason }, 0);
  }
  for (const reason of ['overflow', 'idle']) suspended.inc({ reason }, 0);

  return {
    /** A device was told which messages it will never get. */
    gapTold({ userId, deviceId }: DeviceAddress, { count, reason }: Pick<InboxGap, 'count' | 'reason'>): void {
      lost.inc({ reason }, count);
      report({
        counter: gaps,
        labels: { reason },
        level: 'warn',
        log: { event: 'inbox.gap', userId, deviceId, reason, count },
        audit: {
          action: 'inbox-gap',
          message: 'A device was told that messages for it expired or did not fit',
          reason,
          userId,
          metadata: { device: deviceId, count },
        },
      });
    },
    /** `overflow`: its inbox is full. `idle`: it was not connected for `LINKED_DEVICE_IDLE_DAYS`. */
    deviceSuspended({ userId, deviceId, reason }: DeviceAddress & { reason: 'overflow' | 'idle' }): void {
      report({
        counter: suspended,
        labels: { reason },
        level: 'warn',
        log: { event: 'device.suspended', userId, deviceId, reason },
        // the request of a sender may be the cause; its user and address are not those of this event
        isDetached: true,
        audit: {
          action: 'device-suspend',
          message: 'A device gets no messages until it connects',
          reason,
          targetUserId: userId,
          metadata: { device: deviceId },
        },
      });
    },
  };
}

/** Creates the warnings of inboxes: to users of idle devices, and to operators about full inboxes. */
export function createInboxWarnings({ counter, report }: Outputs) {
  const warned = counter('idle_devices_warned_total', 'Users warned of a linked device that will be suspended', []);
  const recent = countRecent();
  return {
    /** The user of a linked device that nobody uses was told that it will get no more messages. */
    idleDeviceWarned({ userId, deviceId, activeAt }: DeviceAddress & { activeAt: number }): void {
      report({
        counter: warned,
        level: 'warn',
        log: { event: 'device.idle', userId, deviceId },
        audit: {
          action: 'device-idle',
          message: 'A linked device was not used for long, and its user was warned',
          reason: 'idle',
          once: `${userId} ${deviceId} ${activeAt}`,
          targetUserId: userId,
          metadata: { device: deviceId },
        },
      });
    },
    /** Senders are refused, because no device of the user has room. One event a minute; the sender is not recorded. */
    inboxFull({ userId }: { userId: string }): void {
      if (recent(userId) !== 1) return;
      report({
        level: 'warn',
        log: { event: 'inbox.full', userId },
        isDetached: true,
        audit: {
          action: 'inbox-full',
          status: 'failure',
          message: 'The inbox of a user is full: senders are refused',
          reason: 'inbox',
          targetUserId: userId,
          rule: 'inbox',
        },
      });
    },
  };
}

/** Creates the events of the archive of inboxes, and of how durable messages are. */
export function createArchiveEvents({ counter, gauge, log }: Outputs) {
  const archived = counter('archive_messages_total', 'Copies of messages that the archive took, removed or returned', [
    'outcome',
  ]);
  const durability = gauge(
    'message_durability_met',
    'Whether Redis keeps messages as MESSAGE_DURABILITY promises: 1, or 0 if not',
    ['setting'],
  );
  for (const outcome of ['moved', 'expired', 'returned']) archived.inc({ outcome }, 0);

  return {
    /** A run of the schedule moved messages from Redis to the archive, and removed those that waited too long. */
    inboxesArchived({ moved, expired }: { moved: number; expired: number }): void {
      archived.inc({ outcome: 'moved' }, moved);
      archived.inc({ outcome: 'expired' }, expired);
      log.info({ event: 'inboxes.archived', moved, expired });
    },
    /** A device got messages from the archive. */
    archiveReturned(count: number): void {
      archived.inc({ outcome: 'returned' }, count);
    },
    /** A check of Redis; `reason` says what is missing. */
    durabilityChecked({ setting, reason }: { setting: string; reason?: string | undefined }): void {
      durability.set({ setting }, reason === undefined ? 1 : 0);
      if (reason !== undefined) log.error({ event: 'durability.missing', setting, reason });
    },
    /** Redis, at the start of a process, costs more memory than it must, or does not tell how it is configured. */
    redisCriticized(warning: string): void {
      log.warn({ event: 'redis.criticized', warning });
    },
  };
}
