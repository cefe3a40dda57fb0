import type { Notification, NotificationKind } from '../../domain/notifications.ts';
import { notificationWorkflowId } from '../../domain/workflow-ids.ts';
import type { Outputs } from './outputs.ts';

/** The fields of a notification to the owner of an account that events record. */
interface SentNotification {
  notificationId: string;
  userId: string;
  kind: NotificationKind | 'recovery';
  /** The recipient; only its pseudonym is recorded. */
  to: string;
  provider: string;
}

/** Creates the events of notifications. */
export function createNotificationEvents({ counter, report }: Outputs) {
  const notifications = counter('notifications_total', 'Notifications by outcome', ['kind', 'provider', 'outcome']);
  const handed = (
    notification: SentNotification,
    outcome: 'sent' | 'refused',
    { providerId, reason }: { providerId?: string; reason?: string },
  ): void => {
    const { notificationId, userId, kind, to, provider } = notification;
    report({
      counter: notifications,
      labels: { kind, provider, outcome },
      level: outcome === 'sent' ? 'info' : 'warn',
      log: { event: `notification.${outcome}`, notificationId, kind, provider, reason },
      audit: {
        action: 'notification-send',
        status: outcome === 'sent' ? 'success' : 'failure',
        message: `${provider} ${outcome === 'sent' ? 'accepted' : 'refused'} a notification: ${kind}`,
        reason,
        once: `${notificationId} ${outcome}`,
        targetUserId: userId,
        identity: to,
        details: { messaging: { provider, ...(providerId && { id: providerId }) } },
        metadata: { kind },
      },
    });
  };

  return {
    notificationSent: (notification: SentNotification, providerId: string): void =>
      handed(notification, 'sent', { providerId }),
    notificationRefused: (notification: SentNotification, reason: string): void =>
      handed(notification, 'refused', { reason }),
    /** The notification workflow could not be started, because Temporal was unavailable. */
    notificationLost({ userId, kind, occasion }: Notification): void {
      report({
        counter: notifications,
        labels: { kind, provider: 'none', outcome: 'lost' },
        level: 'error',
        log: { event: 'notification.lost', kind },
        audit: {
          action: 'notification-send',
          status: 'failure',
          message: `A notification was not started, because Temporal is unavailable: ${kind}`,
          reason: 'unavailable',
          once: `${notificationWorkflowId({ userId, kind, occasion })} lost`,
          targetUserId: userId,
          metadata: { kind },
        },
      });
    },
  };
}
