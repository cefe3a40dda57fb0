/** The workflow of a link: its start, and what it is told. */
import { signalWorkflow, startWorkflow } from '../../adapters/temporal/client-calls.ts';
import type { DeviceLink } from '../../domain/link.ts';
import { deviceLinkWorkflowId } from '../../domain/workflow-ids.ts';
import { deviceLink, type LinkNews, linkChanged } from '../../workflows/device-link.ts';
import { stateAttributesOf, userAttributesOf } from '../../workflows/search-attributes.ts';
import type { ApiDeps } from '../deps.ts';
import { refundLink } from '../limits/persons.ts';

/** A link that is meant for an account. */
export interface OwnedLink extends DeviceLink {
  userId: string;
}

/**
 * Starts the workflow of a link: before it, a link only expires. Safe to repeat.
 *
 * @throws {Error} Temporal is unavailable
 */
export async function startLinkWorkflow(deps: Pick<ApiDeps, 'temporal'>, link: OwnedLink): Promise<void> {
  const { linkId, kind, userId, expiresAt, registrationId, claimedBy } = link;
  await startWorkflow(deps, deviceLink, {
    taskQueue: 'registration',
    workflowId: deviceLinkWorkflowId(linkId),
    staticSummary: kind === 'link' ? 'Link of a new device' : 'Approval of a registration by a device',
    args: [
      {
        linkId,
        kind,
        userId,
        expiresAt,
        ...(registrationId !== undefined && { registrationId }),
        ...(claimedBy !== undefined && { claimedBy }),
      },
    ],
    // it waits for hours, so a deploy moves it: recorded histories are replayed against every change
    versioningOverride: 'AUTO_UPGRADE',
    typedSearchAttributes: [
      ...userAttributesOf(userId),
      ...(stateAttributesOf({ state: 'pending' }).filter(({ value }) => value !== null) as never[]),
    ],
  });
}

/** Tells the workflow of a link what became of it. Safe to repeat. @throws {Error} Temporal is unavailable */
export async function tellLinkWorkflow(deps: Pick<ApiDeps, 'temporal'>, linkId: string, news: LinkNews): Promise<void> {
  await signalWorkflow(deps, deviceLinkWorkflowId(linkId), linkChanged, news);
}

/** Ends what an open link holds: its place in the limits, and its workflow, if it has one. Safe to repeat. */
export async function closeLink(
  deps: Pick<ApiDeps, 'temporal' | 'config' | 'rateLimits' | 'limitHash'>,
  link: DeviceLink,
  news: LinkNews,
): Promise<void> {
  await refundLink(deps, link);
  if (link.userId !== undefined) await tellLinkWorkflow(deps, link.linkId, news);
}
