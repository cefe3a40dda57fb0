/**
 * Both sides of a link, call by call. The server compares the hash of a nonce and nothing else, so the ciphertexts are
 * random here; the client's own tests have the cryptography.
 */
import { createHash, randomBytes } from 'node:crypto';
import type { Device } from '../../contract/devices.ts';
import { makeDevice, makeIdentity, type TestIdentity } from './device-keys.ts';
import type { SignedIn } from './people.ts';
import { must } from './registrations.ts';
import type { ReplyOf, RestClient } from './rest-client.ts';

/** A user with a device and its session. */
export interface Owner extends SignedIn {
  identity: TestIdentity;
  deviceId: string;
}

/** A link as its new device has it. */
export interface NewDeviceLink {
  linkId: string;
  linkToken: string;
  uri: string;
  publicKey: string;
  nonce: string;
  nonceHash: string;
  expiresAt: string;
}

/** Where a call goes to and comes from. */
export interface Way {
  /** URL of another api. */
  at?: string | undefined;
  /** Loopback address to connect from. */
  from?: string | undefined;
}

/** Returns random bytes in base64. */
export function random(bytes: number): string {
  return randomBytes(bytes).toString('base64');
}

/** Makes what a new device asks for, and the nonce that it keeps. */
export function makeOffer() {
  const nonce = random(32);
  const nonceHash = createHash('sha256')
    .update('vyry link nonce v1')
    .update(Buffer.from(nonce, 'base64'))
    .digest('base64');
  return { deviceName: 'Desk', client: 'desktop', publicKey: random(1216), nonce, nonceHash };
}

/** The steps of links at an api. */
export function createLinkSteps(api: RestClient) {
  /** Makes the session of a user one of the first device. */
  async function ownerOf(person: SignedIn): Promise<Owner> {
    const identity = makeIdentity();
    const { body } = await must(api.addDevice({ token: person.token, body: makeDevice(identity) }), 201);
    return { ...person, ...body, token: body.accessToken, identity, deviceId: body.device?.deviceId ?? '' };
  }

  async function start(way: Way = {}): Promise<NewDeviceLink> {
    const { nonce, ...offer } = makeOffer();
    const { body } = await must(api.createLink({ ...way, body: offer }), 201);
    const { publicKey, nonceHash } = offer;
    return { ...body, publicKey, nonceHash, nonce };
  }

  const claim = ({ linkId }: Pick<NewDeviceLink, 'linkId'>, { token }: Pick<Owner, 'token'>, way: Way = {}) =>
    api.claimLink({ ...way, linkId, token, body: { encapsulation: random(1120), nonce: random(32) } });
  const reveal = ({ linkId, linkToken, nonce }: NewDeviceLink, way: Way = {}) =>
    api.revealLink({ ...way, linkId, token: linkToken, body: { nonce } });
  const approve = ({ linkId }: Pick<NewDeviceLink, 'linkId'>, { token }: Pick<Owner, 'token'>, way: Way = {}) =>
    api.approveLink({ ...way, linkId, token, body: { sealedProvision: random(200) } });
  const deny = (
    { linkId }: Pick<NewDeviceLink, 'linkId'>,
    { token }: Pick<Owner, 'token'>,
    body: { report?: boolean; wrongCode?: boolean } = {},
  ) => api.denyLink({ linkId, token, body });
  const complete = ({ linkId, linkToken }: NewDeviceLink, body: Device, way: Way = {}) =>
    api.completeLink({ ...way, linkId, token: linkToken, body });
  const stateOf = async ({ linkId, linkToken }: NewDeviceLink) =>
    (await must(api.readLink({ linkId, token: linkToken }))).body;

  /** A link that a device of the owner has claimed and its new device has revealed. */
  async function revealed(owner: Owner, way: Way = {}): Promise<NewDeviceLink> {
    const link = await start(way);
    await must(claim(link, owner, way), 204);
    await must(reveal(link, way), 204);
    return link;
  }

  /** A link that a device of the owner has approved. */
  async function approved(owner: Owner, way: Way = {}): Promise<NewDeviceLink> {
    const link = await revealed(owner, way);
    await must(approve(link, owner, way), 204);
    return link;
  }

  /** Another device of the owner, linked by the whole protocol. */
  async function linked(owner: Owner, way: Way = {}): Promise<ReplyOf<'completeLink'>['body'] & { token: string }> {
    const { body } = await must(complete(await approved(owner, way), makeDevice(owner.identity), way), 201);
    return { ...body, token: body.accessToken };
  }

  return { ownerOf, start, claim, reveal, approve, deny, complete, stateOf, revealed, approved, linked };
}
