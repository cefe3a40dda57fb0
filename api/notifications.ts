/** Notifications to account owners that the api starts, for events without a workflow of their own. */
import { startWorkflow } from '../adapters/temporal/client-calls.ts';
import type { Notification } from '../domain/notifications.ts';
import { notificationWorkflowId } from '../domain/workflow-ids.ts';
import { notification } from '../workflows/notification.ts';
import { userAttributesOf } from '../workflows/search-attributes.ts';
import type { ApiDeps } from './deps.ts';

/**
 * Sends a notification to the owner of an account, without waiting for it. A second one of the same kind and occasion
 * is not sent. Never rejects: while Temporal is unavailable the notification is lost, and an event records that.
 */
export async function notifyOwner(deps: Pick<ApiDeps, 'temporal' | 'events'>, told: Notification): Promise<void> {
  try {
    await startWorkflow(deps, notification, {
      taskQueue: 'registration',
      workflowId: notificationWorkflowId(told),
      staticSummary: `Notification: ${told.kind}`,
      args: [told],
      typedSearchAttributes: userAttributesOf(told.userId),
    });
  } catch {
    deps.events.notificationLost(told);
  }
}
