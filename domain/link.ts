/**
 * Links: a new device asks to become a device of an account, and a device of that account approves it.
 *
 * Terminology
 * - link: one request of a new device. Nobody is asked before a device claims it by the address in its QR code.
 * - approval: a link of a registration whose identity has an account already. It is meant for that account from the
 *   start, and its new device is added by the registration.
 * - claim: a device has scanned the link, and its account is the one that the link is for from then on.
 * - reveal: the new device discloses the nonce that it committed to. Both devices then show the same six digits.
 * - source: the network that the request came from.
 *
 * What a link asks for never changes: its public key and the hash of its nonce are fixed when it is created. Instants are
 * milliseconds since the Unix epoch.
 */

/** The kinds of links. */
export const linkKinds = ['link', 'approval'] as const;
/** A kind of link. */
export type LinkKind = (typeof linkKinds)[number];

/** The states of a link. */
export const linkStates = ['pending', 'claimed', 'revealed', 'approved', 'denied', 'expired', 'completed'] as const;
/** A state of a link. */
export type LinkState = (typeof linkStates)[number];

/** Why a link was denied. `approver-gone`: the device that approved it was removed at that moment. */
export const denialReasons = ['denied', 'wrong-code', 'reported', 'approver-gone'] as const;
/** A reason of a denial. */
export type DenialReason = (typeof denialReasons)[number];

/** What a new device asks for. */
export interface LinkOffer {
  deviceName: string;
  /** The kind of app, as the app reported it. */
  client: string;
  /** HPKE public key, base64. */
  publicKey: string;
  /** SHA-256 of `linkNonceLabel` and the nonce, base64. */
  nonceHash: string;
}

/** A link as it is stored. */
export interface DeviceLink extends LinkOffer {
  linkId: string;
  kind: LinkKind;
  state: LinkState;
  tokenHash: string;
  createdAt: number;
  expiresAt: number;
  ip: string;
  userAgent: string;
  /** The key of the limits of its source. */
  source: string;
  /** The account that it is for; absent before a claim. */
  userId?: string;
  /** Of an approval. */
  registrationId?: string;
  /** The device that claimed it. */
  claimedBy?: string;
  claimedAt?: number;
  /** The epoch of the account at the claim: a change of the account voids the link. */
  epoch?: number;
  encapsulation?: string;
  /** The nonce of the device that claimed. */
  claimNonce?: string;
  /** The nonce of the new device, once it is revealed. */
  nonce?: string;
  sealedProvision?: string;
  denial?: DenialReason;
  /** SHA-256 of the device that is being added or was added. */
  taker?: string;
  /** The new device and its session, once it is completed. */
  deviceId?: string;
  sessionId?: string;
}

/** How long a link lives. */
export const linkLifeMs = 180_000;
/** How long a source waits after one of its links was denied with a report. */
export const reportWaitMs = 3600_000;
/** How long after its creation a request from another network can be approved. */
const otherNetworkWaitMs = 30_000;
/** How long after a change of the number no device is linked. */
export const numberChangeWaitMs = 86_400_000;
/** What is hashed before the nonce of a new device. */
export const linkNonceLabel = 'vyry link nonce v1';

/** The states in which a link waits for a claim, a nonce or an approval. */
const openStates: readonly LinkState[] = ['pending', 'claimed', 'revealed'];

/** Returns whether a link waits for a claim, a nonce or an approval. */
export function isOpen({ state }: Pick<DeviceLink, 'state'>): boolean {
  return openStates.includes(state);
}

/** Returns the states that are not final. Once it is approved, an approval is over: its registration continues. */
export function runningStates(kind: LinkKind): readonly LinkState[] {
  return kind === 'link' ? [...openStates, 'approved'] : openStates;
}

/** Returns whether the state of a link is not final. */
export function isRunning({ state, kind }: Pick<DeviceLink, 'state' | 'kind'>): boolean {
  return runningStates(kind).includes(state);
}

/** Returns a link as of an instant: nothing writes that it has expired. */
export function linkAt(link: DeviceLink, now: number): DeviceLink {
  return isRunning(link) && now >= link.expiresAt ? { ...link, state: 'expired' } : link;
}

/** Returns when a request can be approved from the same network or another one. */
export function approvableAt({ createdAt }: Pick<DeviceLink, 'createdAt'>, isSameNetwork: boolean): number {
  return isSameNetwork ? createdAt : createdAt + otherNetworkWaitMs;
}
