/** Linking over REST: both sides of the protocol of client/linking.ts, by long polls. */

import type { linkOperations } from '../contract/device-links.ts';
import type { AnswerOf, BodyOf } from '../contract/operation.ts';
import type { Calls } from './calls.ts';
import { hasCode, VyryError } from './errors.ts';
import { ExistingDeviceLink, type LinkParties, NewDeviceLink, type Provision } from './linking.ts';

type LinkState = AnswerOf<(typeof linkOperations)['readLink']>['body'];
type LinkRequest = AnswerOf<(typeof linkOperations)['readLinkRequest']>['body'];

/** Seconds of one long poll. */
const waitSeconds = '25';
/** Between two polls: some states are answered at once. */
const pollPauseMs = 300;

/** A link or an approval that was requested. */
export interface RequestedLink {
  linkId: string;
  linkToken: string;
}

/** What both sides of a link need. */
export interface LinkFlow {
  calls: Calls;
  origin: string;
  /** Waits, and fails once the client is closed. */
  delay(ms: number): Promise<void>;
}

type Polling = Pick<LinkFlow, 'calls' | 'delay'>;

/** The new device's side, from the request on. */
export interface NewDeviceFlow extends RequestedLink {
  /** The text of the QR code; an approval needs none. */
  qrText: string;
  /**
   * Waits until an existing device has claimed the link, and returns the six digits to show.
   *
   * @throws {VyryError} LINK_ENDED, LINK_PROVISION
   */
  code(): Promise<string>;
  /**
   * Waits until a person has typed the digits, and returns what the existing device sent. Called after `code`.
   *
   * @throws {VyryError} LINK_ENDED, LINK_PROVISION
   */
  provision(): Promise<Provision>;
}

/** Begins the new device's side: `request` asks the server with the public key and the hash of the nonce. */
export async function requestLink(
  { calls, origin, delay }: LinkFlow,
  request: (offer: { publicKey: string; nonceHash: string }) => Promise<RequestedLink>,
): Promise<NewDeviceFlow> {
  const link = await NewDeviceLink.create();
  const { linkId, linkToken } = await request(link.request);
  const waitFor = (...states: LinkState['state'][]) => waitForState({ calls, delay }, { linkId, linkToken }, states);
  // the protocol accepts one claim; a call that failed after it goes on from there
  let accepted: { nonce: string; code: string } | undefined;
  return {
    linkId,
    linkToken,
    qrText: link.qrText(origin, linkId),
    async code() {
      if (accepted === undefined) {
        const { encapsulation = '', nonce = '' } = await waitFor('claimed', 'revealed', 'approved');
        accepted = await link.acceptClaim({ linkId, origin }, { encapsulation, nonce });
      }
      await calls.revealLink({ linkId, token: linkToken, body: { nonce: accepted.nonce } });
      return accepted.code;
    },
    async provision() {
      const { sealedProvision = '' } = await waitFor('approved');
      return await link.openProvision(sealedProvision);
    },
  };
}

async function waitForState(
  { calls, delay }: Polling,
  { linkId, linkToken }: RequestedLink,
  states: readonly LinkState['state'][],
): Promise<LinkState> {
  // the first answer comes at once: the state may have been reached while nothing waited
  for (let seconds = '0'; ; seconds = waitSeconds) {
    const link = await calls.readLink({ linkId, token: linkToken, query: { waitSeconds: seconds } }).catch(endedIfGone);
    if (states.includes(link.state)) return link;
    if (link.state === 'denied' || link.state === 'expired') throw ended(link);
    await delay(pollPauseMs);
  }
}

function endedIfGone(err: unknown): never {
  throw hasCode(err, 'GONE', 'NOT_FOUND') ? ended({ state: 'expired' }) : err;
}

function ended({ state, reason }: Pick<LinkState, 'state' | 'reason'>): VyryError {
  const message = state === 'denied' ? 'The link was denied' : 'The link has expired';
  return new VyryError('LINK_ENDED', message, { fields: { state, reason } });
}

/** The existing device's side. */
export interface ExistingDeviceFlow {
  /** What to show beside the device's own place and network before a person decides. */
  request: LinkRequest;
  /**
   * Claims the link, after which the new device shows its digits. Needs a recent authentication.
   *
   * @throws {VyryError} LINK_KEY, or a refusal of the server
   */
  claim(): Promise<void>;
  /**
   * Compares the digits that a person read on the new device, then sends it the identity key pair. After three wrong
   * ones the link is denied.
   *
   * @throws {VyryError} LINK_CODE, LINK_NONCE, or a refusal of the server
   */
  approve(digits: string): Promise<void>;
  /** Refuses the link; with `isReported` every open request of its source ends. */
  deny(options?: { isReported?: boolean }): Promise<void>;
}

/** Begins the existing device's side: `publicKeyHash` is that of a QR code, and absent for an approval. */
export async function openLink(
  { calls, origin, delay }: LinkFlow,
  link: { linkId: string; publicKeyHash?: string | undefined; userId: string },
  provision: () => Promise<Provision>,
): Promise<ExistingDeviceFlow> {
  const { linkId, publicKeyHash } = link;
  const parties: LinkParties = { linkId, origin, userId: link.userId };
  const request = await calls.readLinkRequest({ linkId });
  const { publicKey, nonceHash } = request;
  const side = await ExistingDeviceLink.create(parties, { publicKey, nonceHash, publicKeyHash });
  // encrypted once: the new device decrypts the first message of the context only
  let sealedProvision: string | undefined;
  const deny = async (body: BodyOf<(typeof linkOperations)['denyLink']>) => {
    await calls.denyLink({ linkId, body });
  };
  return {
    request,
    async claim() {
      await calls.claimLink({ linkId, body: side.claim });
    },
    async approve(digits) {
      try {
        await side.acceptReveal(await revealedNonce({ calls, delay }, linkId));
        side.confirmCode(digits);
      } catch (err) {
        if (hasCode(err, 'LINK_NONCE')) await deny({});
        if (hasCode(err, 'LINK_CODE') && err.attemptsLeft === 0) await deny({ wrongCode: true });
        throw err;
      }
      sealedProvision ??= await side.sealProvision(await provision());
      await calls.approveLink({ linkId, body: { sealedProvision } });
    },
    deny: ({ isReported = false } = {}) => deny({ report: isReported }),
  };
}

async function revealedNonce({ calls, delay }: Polling, linkId: string): Promise<string> {
  for (;;) {
    const { nonce } = await calls.readLinkRequest({ linkId, query: { waitSeconds } }).catch(endedIfGone);
    if (nonce !== undefined) return nonce;
    await delay(pollPauseMs);
  }
}
