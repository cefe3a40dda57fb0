/**
 * Link: a new device of an account, from the moment that the account is known: a device of it has claimed the link, or a
 * registration asks for its approval. The api decides on every step in Redis; the workflow has what must happen later.
 *
 * 1. Wake up the devices of the account. Approval: notify the owner at once, by every channel.
 * 2. Wait until the link is completed, denied or approved for a registration, and until it expires at the latest.
 * 3. Approval: tell the registration how it ended.
 * 4. Completed link: the owner was notified when the device was added. Notify the owner again after one to three hours, if
 *    the device is still there: an attacker who has the owner's attention for a moment does not have it twice.
 *
 * Compensation: a link that is not completed in time expires, and a device that was added by it is removed. This is done
 * once when the link expires and once a minute later, when no request can be adding the device any more.
 *
 * Each activity is retried until it succeeds, however long its dependency is unavailable.
 */
import { WorkflowExecutionAlreadyStartedError } from '@temporalio/common';
import {
  condition,
  defineSignal,
  executeChild,
  getExternalWorkflowHandle,
  proxyActivities,
  setHandler,
  sleep,
  upsertSearchAttributes,
} from '@temporalio/workflow';
import type { LinkActivities } from '../activities/links.ts';
import type { DenialReason, LinkKind } from '../domain/link.ts';
import { deviceRemovalWorkflowId, registrationWorkflowId } from '../domain/workflow-ids.ts';
import { deviceRemoval } from './device-removal.ts';
import { Flow } from './flow.ts';
import { notifyOwner } from './notification.ts';
import { approvalAnswered } from './registration-messages.ts';
import { heartbeatTimeout, retry } from './retries.ts';
import { stateAttributesOf, userAttributesOf } from './search-attributes.ts';
import { wakeDevices } from './wake-up.ts';

/** The input of a link. */
export interface DeviceLinkInput {
  linkId: string;
  kind: LinkKind;
  userId: string;
  /** Milliseconds since the Unix epoch. */
  expiresAt: number;
  /** Of an approval. */
  registrationId?: string;
  /** The device that claimed it; absent while an approval is unclaimed. */
  claimedBy?: string;
}

/** What became of a link, and the device that decided it. */
export interface LinkNews {
  state: 'approved' | 'denied' | 'completed';
  /** The device that approved or denied it, or the new device. Absent when a report about another link denied it. */
  deviceId?: string;
  reason?: DenialReason;
}

/** How a link ended. */
export type LinkEnd = 'completed' | 'approved' | 'denied' | 'expired';

/** Tells the workflow what became of its link. Repeats are ignored. */
export const linkChanged = defineSignal<[LinkNews]>('linkChanged');

/** When no request can be adding a device any more. */
const undoAgainMs = 60_000;
const hourMs = 3600_000;

const { endLink, findLinkedDevice, readIdentityKey } = proxyActivities<LinkActivities>({
  taskQueue: 'registration',
  startToCloseTimeout: '30s',
  heartbeatTimeout,
  retry,
});

/** Executes a link. Returns how it ended. */
export async function deviceLink(input: DeviceLinkInput): Promise<LinkEnd> {
  const { kind, userId, linkId, expiresAt, claimedBy } = input;
  const flow = new Flow({ isOver: () => false });
  const news: Partial<Record<LinkNews['state'], LinkNews>> = {};
  setHandler(linkChanged, (change) => {
    if (news[change.state] === undefined) flow.note(lineOf(change));
    news[change.state] ??= change;
  });
  flow.note(kind === 'link' ? `claimed by device ${claimedBy}` : 'the devices of the account are asked');
  await wakeDevices(flow.calls, { userId, occasion: linkId, reason: 'device-link' });
  if (kind === 'approval') await notifyOwner({ userId, kind: 'device-link-requested', occasion: linkId });
  const isOver = () => news.completed ?? news.denied ?? (kind === 'approval' ? news.approved : undefined);
  await condition(() => isOver() !== undefined, Math.max(1, expiresAt - Date.now()), { summary: 'The link expires' });
  const end = isOver()?.state ?? (await expire(input, flow));
  upsertSearchAttributes(stateAttributesOf({ state: attributes[end] }));
  if (kind === 'approval' && end !== 'completed') await tellRegistration(input, end, flow);
  if (end === 'completed') await remindOwner(input, flow);
  return end;
}

/** The state by which operators find links, of those that registrations have. */
const attributes = { completed: 'completed', approved: 'completed', denied: 'rejected', expired: 'expired' } as const;

function lineOf({ state, deviceId, reason }: LinkNews): string {
  const what = { approved: 'approved', denied: `denied: ${reason?.replaceAll('-', ' ')}`, completed: 'device added' };
  return deviceId === undefined ? what[state] : `${what[state]} (device ${deviceId})`;
}

/** Ends a link whose time is over, unless it was completed or denied without word of it, and undoes what it left. */
async function expire(link: DeviceLinkInput, flow: Flow): Promise<LinkEnd> {
  const { linkId, userId } = link;
  const { state, mayHaveDevice } = await endLink({ linkId, userId });
  flow.note(state);
  if (state !== 'expired' || !mayHaveDevice) return state;
  await removeDevice(link, flow);
  await sleep(undoAgainMs, { summary: 'Look again for a device that was being added' });
  await removeDevice(link, flow);
  return state;
}

async function removeDevice({ linkId, userId }: DeviceLinkInput, flow: Flow): Promise<void> {
  const device = await findLinkedDevice({ linkId, userId });
  if (device === null) return;
  const { deviceId } = device;
  try {
    await executeChild(deviceRemoval, {
      args: [{ userId, ...device, at: Date.now(), why: 'revoked' }],
      workflowId: deviceRemovalWorkflowId(userId, deviceId),
      staticSummary: 'Remove a device whose link was not completed',
      typedSearchAttributes: userAttributesOf(userId),
    });
  } catch (err) {
    // its user removes it at the same moment
    if (!(err instanceof WorkflowExecutionAlreadyStartedError)) throw err;
  }
  flow.note(`device ${deviceId} removed: the link was not completed`);
}

async function tellRegistration(
  { linkId, userId, registrationId = '' }: DeviceLinkInput,
  outcome: Exclude<LinkEnd, 'completed'>,
  flow: Flow,
): Promise<void> {
  const identityKey = outcome === 'approved' ? await readIdentityKey({ userId }) : null;
  const answer = { linkId, outcome, ...(identityKey !== null && { identityKey }) };
  const asking = getExternalWorkflowHandle(registrationWorkflowId(registrationId));
  const isTold = await asking.signal(approvalAnswered, answer).then(
    () => true,
    // it has ended meanwhile
    () => false,
  );
  flow.note(isTold ? 'the registration was told' : 'the registration has ended');
}

async function remindOwner({ linkId, userId }: DeviceLinkInput, flow: Flow): Promise<void> {
  // the random numbers of a workflow are the same at each replay
  const waitMs = Math.round((1 + 2 * Math.random()) * hourMs);
  flow.note(`the owner is notified again in ${Math.round(waitMs / 60_000)} minutes`);
  await sleep(waitMs, { summary: 'Notify the owner again' });
  if ((await findLinkedDevice({ linkId, userId })) === null) return flow.note('device removed meanwhile');
  await notifyOwner({ userId, kind: 'device-added', occasion: linkId });
  flow.note('owner notified again');
}
