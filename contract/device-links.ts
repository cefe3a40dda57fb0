/** Links of new devices, and approvals of registrations, by a device that the user has: `/device-links`. */
import { z } from 'zod';
import { denialReasons, linkKinds, linkStates } from '../domain/link.ts';
import { Device, deviceClient, deviceName } from './devices.ts';
import { base64Bytes, base64Text } from './keys.ts';
import { commonFailures, operation } from './operation.ts';
import { instant, Tokens, waitSeconds } from './schemas.ts';

const base = '/api/v1/device-links';
const one = `${base}/:linkId`;

/** Longest public key and encapsulated secret: those of MLKEM768-X25519 have 1,216 and 1,120 bytes. */
const hpkeBytesMax = 2048;
/** Longest nonce; the client sends 32 bytes. */
const nonceBytesMax = 64;

/** What the new device commits to before it is claimed. */
export const LinkOffer = {
  deviceName,
  publicKey: base64Text(hpkeBytesMax),
  nonceHash: base64Bytes(32).describe('SHA-256 of "vyry link nonce v1" and the nonce'),
};

/** A link as its new device sees it. */
const Link = z
  .object({
    state: z.enum(linkStates),
    encapsulation: z.string().optional(),
    nonce: z.string().optional().describe('The nonce of the device that claimed'),
    sealedProvision: z.string().optional(),
    reason: z.enum(denialReasons).optional().describe('Why it was denied'),
    expiresAt: instant,
  })
  .meta({ id: 'DeviceLink' });

/** A request as the device that may approve it sees it. */
const LinkRequest = z
  .object({
    kind: z.enum(linkKinds),
    state: z.enum(linkStates),
    deviceName: z.string(),
    client: z.string(),
    userAgent: z.string(),
    ip: z.string(),
    place: z.string().nullable().describe('City and country of the address, if the server knows them'),
    network: z.string().describe('Network of the address'),
    own: z
      .object({ ip: z.string(), place: z.string().nullable(), network: z.string() })
      .describe('The same of the calling device, to show beside it'),
    sameNetwork: z.boolean(),
    createdAt: instant,
    expiresAt: instant,
    approvableAt: instant.describe('A request from another network can be approved from then on'),
    publicKey: z.string(),
    nonceHash: z.string(),
    nonce: z.string().optional().describe('The nonce of the new device, once it is revealed'),
  })
  .meta({ id: 'DeviceLinkRequest' });

/** The operations on links. */
export const linkOperations = {
  createLink: operation({
    method: 'post',
    path: base,
    summary: 'Ask to be linked: for a new device that has no account yet',
    description:
      'Show `uri` as a QR code; an existing device scans it in its own screen for linking. Opening the address in a browser changes nothing. A link lives 180 seconds, and three of them may be open per source address.',
    auth: 'none',
    body: z.strictObject({ ...LinkOffer, client: deviceClient }),
    answers: {
      201: z
        .object({ linkId: z.string(), linkToken: z.string(), uri: z.string(), expiresAt: instant })
        .meta({ id: 'StartedDeviceLink' }),
    },
    idempotent: true,
    failures: [...commonFailures, 'idempotency-key-reused'],
  }),
  listLinkRequests: operation({
    method: 'get',
    path: base,
    summary: 'List the open requests that are meant for the user, at once or as soon as there is one',
    description:
      'Approvals of registrations with the identity of the user, and links that a device of the user has scanned. With `waitSeconds` the answer comes with the first request.',
    auth: 'device',
    query: z.strictObject({ waitSeconds }),
    answers: {
      200: z
        .object({
          items: z.array(
            z.object({
              linkId: z.string(),
              kind: z.enum(linkKinds),
              deviceName: z.string(),
              client: z.string(),
              createdAt: instant,
              expiresAt: instant,
            }),
          ),
        })
        .meta({ id: 'DeviceLinkRequests' }),
    },
    failures: [...commonFailures, 'device-missing'],
  }),
  readLink: operation({
    method: 'get',
    path: one,
    summary: 'Get the state of a link, at once or as soon as it changes',
    description:
      'The new device waits here for `claimed`, reveals its nonce, and waits for `approved`, which brings `sealedProvision`. With `waitSeconds` the answer comes with the next change.',
    auth: 'link',
    query: z.strictObject({ waitSeconds }),
    answers: { 200: Link },
    failures: [...commonFailures, 'not-found'],
  }),
  readLinkRequest: operation({
    method: 'get',
    path: `${one}/request`,
    summary:
      'Get what a new device asks for, to show it to the person who approves, at once or once its nonce is revealed',
    description:
      "Show `deviceName`, `client`, `place` and `network` beside those of the person's own device (`own`). A request from another network can be approved from `approvableAt` on. 404 when it was neither scanned by this user nor meant for them.",
    auth: 'device',
    query: z.strictObject({ waitSeconds }),
    answers: { 200: LinkRequest },
    failures: [...commonFailures, 'not-found', 'link-expired', 'device-missing'],
  }),
  claimLink: operation({
    method: 'post',
    path: `${one}/claim`,
    summary: 'Claim a link that was scanned; the first claim wins',
    description:
      '`encapsulation` is that of an HPKE context to the public key of the new device, which must have the hash of the QR code. Every later claim gets 409.',
    auth: 'device',
    stepUp: 'always',
    isBarredOnProbation: true,
    body: z.strictObject({ encapsulation: base64Text(hpkeBytesMax), nonce: base64Text(nonceBytesMax) }),
    answers: { 204: null },
    idempotent: true,
    failures: [
      ...commonFailures,
      'not-found',
      'link-expired',
      'link-claimed',
      'link-denied',
      'device-missing',
      'link-locked',
      'account-disabled',
      'idempotency-key-reused',
    ],
  }),
  revealLink: operation({
    method: 'post',
    path: `${one}/reveal`,
    summary: 'Reveal the nonce that the new device committed to',
    description:
      'Only after the claim (409 before it): the six digits then depend on both nonces, which neither side could choose. 400 when it is not the nonce that `nonceHash` promised.',
    auth: 'link',
    body: z.strictObject({ nonce: base64Text(nonceBytesMax) }),
    answers: { 204: null },
    idempotent: true,
    failures: [
      ...commonFailures,
      'not-found',
      'link-expired',
      'link-denied',
      'link-not-claimed',
      'idempotency-key-reused',
    ],
  }),
  approveLink: operation({
    method: 'post',
    path: `${one}/approve`,
    summary: 'Approve a link and give the sealed provision to the new device',
    description:
      'After the person has typed the six digits of the new device on this one. `sealedProvision` holds the identity key, encrypted for the new device; the server cannot read it. Only the device that claimed may approve.',
    auth: 'device',
    isBarredOnProbation: true,
    body: z.strictObject({ sealedProvision: base64Text(8192) }),
    answers: { 204: null },
    idempotent: true,
    failures: [
      ...commonFailures,
      'not-found',
      'link-expired',
      'link-denied',
      'link-not-revealed',
      'link-used',
      'device-missing',
      'link-locked',
      'account-disabled',
      'idempotency-key-reused',
    ],
  }),
  denyLink: operation({
    method: 'post',
    path: `${one}/deny`,
    summary: 'Deny a link; with `report`, every open request of its source ends and the source waits an hour',
    description:
      'The new device learns that it was denied and why. Deny with `wrongCode` after three wrong tries of the digits.',
    example: { report: true },
    auth: 'device',
    body: z
      .strictObject({
        report: z.boolean().optional(),
        wrongCode: z.boolean().optional().describe('The digits were wrong three times'),
      })
      .optional(),
    answers: { 204: null },
    idempotent: true,
    failures: [...commonFailures, 'not-found', 'link-expired', 'link-used', 'device-missing', 'idempotency-key-reused'],
  }),
  completeLink: operation({
    method: 'put',
    path: `${one}/device`,
    summary: 'Add the device of an approved link',
    description:
      'Works once, after the approval. Signatures must be valid under the identity key of the account. The other devices and the owner are notified.',
    auth: 'link',
    body: Device,
    bodyBytesMax: 1_048_576,
    answers: { 201: Tokens },
    failures: [
      ...commonFailures,
      'not-found',
      'link-expired',
      'link-denied',
      'link-not-approved',
      'link-used',
      'link-locked',
      'device-limit',
      'account-disabled',
    ],
  }),
} as const;
