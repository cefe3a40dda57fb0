import type { Counter } from 'prom-client';
import { type DenialReason, type LinkKind, linkKinds } from '../../domain/link.ts';
import type { Outputs } from './outputs.ts';

interface LinkOfDevice {
  linkId: string;
  userId: string;
  /** The device that acted. */
  deviceId: string;
}

interface AnsweredLink extends LinkOfDevice {
  kind: LinkKind;
}

interface RequestedApproval {
  linkId: string;
  userId: string;
  registrationId: string;
}

/** The audit action of an answer. */
const answers = { link: 'device-link', approval: 'approval-answer' } as const;

/** Creates the events of links and approvals. */
export function createLinkEvents(outputs: Outputs) {
  const { counter, report } = outputs;
  const links = counter('device_links_total', 'Links and approvals of new devices, by kind and outcome', [
    'kind',
    'outcome',
  ]);
  // the first report must be a growth, which is what the alert sees
  for (const kind of linkKinds) links.inc({ kind, outcome: 'reported' }, 0);

  return {
    ...createAnswerEvents(outputs, links),
    /** A new device asks to be linked. Its address is that of the request; nobody is asked before a claim. */
    linkRequested({ linkId }: Pick<LinkOfDevice, 'linkId'>): void {
      report({
        counter: links,
        labels: { kind: 'link', outcome: 'requested' },
        log: { event: 'link.requested', linkId },
        audit: {
          action: 'device-link',
          message: 'A new device asked to be linked',
          reason: 'requested',
          once: `${linkId} requested`,
          isMinor: true,
          metadata: { link: linkId },
        },
      });
    },
    /** A device has scanned a link. */
    linkClaimed({ linkId, userId, deviceId }: LinkOfDevice): void {
      report({
        counter: links,
        labels: { kind: 'link', outcome: 'claimed' },
        log: { event: 'link.claimed', linkId, userId, deviceId },
        audit: {
          action: 'device-link',
          message: 'A device claimed the link of a new device',
          reason: 'claimed',
          once: `${linkId} claimed`,
          userId,
          metadata: { link: linkId, device: deviceId },
        },
      });
    },
    /** A registration asks the devices of an account. */
    approvalRequested({ linkId, userId, registrationId }: RequestedApproval): void {
      report({
        counter: links,
        labels: { kind: 'approval', outcome: 'requested' },
        log: { event: 'approval.requested', linkId, userId, registrationId },
        audit: {
          action: 'approval-request',
          message: 'The devices of an account were asked to approve a registration',
          once: linkId,
          targetUserId: userId,
          details: { registration: { id: registrationId } },
          metadata: { link: linkId },
        },
      });
    },
  };
}

/** The events of the ends of links and approvals. */
function createAnswerEvents({ report }: Outputs, links: Counter<'kind' | 'outcome'>) {
  return {
    linkApproved({ linkId, userId, deviceId, kind }: AnsweredLink): void {
      report({
        counter: links,
        labels: { kind, outcome: 'approved' },
        log: { event: `${kind}.approved`, linkId, userId, deviceId },
        audit: {
          action: answers[kind],
          message: kind === 'link' ? 'A device approved a new device' : 'A device approved a registration',
          reason: 'approved',
          once: `${linkId} approved`,
          userId,
          metadata: { link: linkId, device: deviceId },
        },
      });
    },
    /** `reported`: the source of the request waits, and its other requests were denied with it. */
    linkDenied({ linkId, userId, deviceId, kind, reason }: AnsweredLink & { reason: DenialReason }): void {
      report({
        counter: links,
        labels: { kind, outcome: reason },
        level: 'warn',
        log: { event: `${kind}.denied`, linkId, userId, deviceId, reason },
        audit: {
          action: answers[kind],
          status: 'failure',
          message: kind === 'link' ? 'A device denied a new device' : 'A device denied a registration',
          reason,
          once: `${linkId} denied`,
          userId,
          metadata: { link: linkId, device: deviceId },
        },
      });
    },
    /** Nobody completed a link that a device had claimed, or answered a request for approval. */
    linkExpired({ linkId, userId, kind }: { linkId: string; userId: string; kind: LinkKind }): void {
      report({
        counter: links,
        labels: { kind, outcome: 'expired' },
        log: { event: `${kind}.expired`, linkId, userId },
        audit: {
          action: answers[kind],
          status: 'failure',
          message: kind === 'link' ? 'The link of a new device expired' : 'A request for approval expired',
          reason: 'expired',
          once: `${linkId} expired`,
          targetUserId: userId,
          metadata: { link: linkId },
        },
      });
    },
  };
}
