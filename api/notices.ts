/** Notices that the api has sent, of what no workflow tells. */
import { startOnce } from '../adapters/temporal/orders.ts';
import { type Notice, noticeWorkflowId } from '../domain/notices.ts';
import { notice } from '../workflows/notice.ts';
import { userAttributesOf } from '../workflows/search-attributes.ts';
import type { ApiDeps } from './deps.ts';

/**
 * Has a notice sent to the owner of an account; nobody waits for it. A second one of the same kind and occasion is not sent.
 * Never rejects: while Temporal is away the notice is lost, and an event says so.
 */
export async function notifyOwner(deps: Pick<ApiDeps, 'temporal' | 'events'>, told: Notice): Promise<void> {
  try {
    await startOnce(deps, notice, {
      taskQueue: 'registration',
      workflowId: noticeWorkflowId(told),
      staticSummary: `Notice: ${told.kind}`,
      args: [told],
      typedSearchAttributes: userAttributesOf(told.userId),
    });
  } catch {
    deps.events.noticeLost(told);
  }
}
