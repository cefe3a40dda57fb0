/** An approval: a registration whose identity has an account asks the devices of that account. */
import type { LinkOffer } from '../domain/link.ts';
import type { ApiDeps, Caller } from './deps.ts';
import { accountKeyOf, andConsume, type LimitDeps, orRefund } from './limits/counting.ts';
import { limitApproval, limitLink } from './limits/persons.ts';
import { recordOf, requireNotReported } from './links/create.ts';
import { startLinkWorkflow } from './links/workflow.ts';
import type { Minted } from './serve.ts';

/** The dependencies of asking the devices of an account. */
export type ApprovalLinkDeps = LimitDeps & Pick<ApiDeps, 'links' | 'temporal' | 'events'>;

/** What a registration asks for. */
export interface ApprovalRequest extends LinkOffer {
  registrationId: string;
  /** The account that has the identity. */
  userId: string;
  caller: Caller;
  minted: Minted;
}

/** A request for approval, and the token of its new device. */
export interface StartedApproval {
  linkId: string;
  linkToken: string;
  /** Milliseconds since the Unix epoch. */
  expiresAt: number;
}

/**
 * Asks every device of an account to approve a registration: the request is in their list at once, they are woken up and
 * the owner is notified. The new device continues as with a link; when a device has answered, the workflow of the
 * registration gets the signal `approvalAnswered`. Safe to repeat with the same minted values.
 *
 * @throws {Failure} rate-limited; unavailable
 */
export async function createApprovalLink(deps: ApprovalLinkDeps, request: ApprovalRequest): Promise<StartedApproval> {
  const { registrationId, userId, caller, minted, deviceName, client, publicKey, nonceHash } = request;
  const record = recordOf(deps, caller, minted);
  const { linkId, expiresAt } = record;
  await requireNotReported(deps, caller);
  const counted = await limitLink(deps, caller, linkId);
  const consumed = await andConsume(counted, () => limitApproval(deps, caller, accountKeyOf(deps, userId), linkId));
  const offer = { deviceName, client, publicKey, nonceHash };
  const link = { ...offer, ...record, kind: 'approval', userId, registrationId } as const;
  await orRefund(consumed, () => deps.links.create(link));
  await startLinkWorkflow(deps, { ...link, state: 'pending' });
  deps.events.approvalRequested({ linkId, userId, registrationId });
  return { linkId, linkToken: minted.token, expiresAt };
}
