/** Notifications that the api has sent, of what no workflow tells. */
import { startWorkflow } from '../adapters/temporal/client-calls.ts';
import { type Notification, notificationWorkflowId } from '../domain/notifications.ts';
import { notification } from '../workflows/notification.ts';
import { userAttributesOf } from '../workflows/search-attributes.ts';
import type { ApiDeps } from './deps.ts';

/**
 * Has a notification sent to the owner of an account; nobody waits for it. A second one of the same kind and occasion is not sent.
 * Never rejects: while Temporal is away the notification is lost, and an event says so.
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
