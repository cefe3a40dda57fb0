/** The account of the calling user: `/users/me` and `/deletions`. */

import { z } from 'zod';
import { ListedDevice } from './devices.ts';
import { Conversation } from './messages.ts';
import { commonFailures, operation } from './operation.ts';
import {
  chosenUsername,
  codeOnItsWay,
  instant,
  localeTag,
  personName,
  Session,
  typedCode,
  typedText,
  User,
} from './schemas.ts';

const me = '/api/v1/users/me';

/** Absent fields stay unchanged. */
const ProfileChange = z.strictObject({
  fullName: personName.optional(),
  username: chosenUsername.optional(),
  locale: localeTag.optional(),
  phone: typedText(40)
    .optional()
    .describe('With country code; it is changed after the code that is sent there was verified'),
  email: typedText(320).optional().describe('It is changed after the code that is sent there was verified'),
});
export type ProfileChange = z.output<typeof ProfileChange>;

/** A change of number or address that waits for its code. */
const StartedChange = z.object({ changeId: z.string(), ...codeOnItsWay }).meta({ id: 'StartedChange' });
export type StartedChange = z.output<typeof StartedChange>;

/** A scheduled deletion, and the token that reads its receipt. */
const PlannedDeletion = z
  .object({ deletionId: z.string(), deletionToken: z.string(), effectiveAt: instant })
  .meta({ id: 'PlannedDeletion' });

/** The receipt of a deletion; it has no personal data, also while the deletion is in progress. */
const Deletion = z
  .object({
    deletionId: z.string(),
    state: z.enum(['planned', 'stopped', 'erasing', 'erased']),
    requestedAt: instant,
    effectiveAt: instant,
    erasedAt: instant.nullable(),
    erased: z.object({
      workflows: z.int().describe('Executions in Temporal'),
      auditEvents: z.int().nullable().describe('Rewritten; null if the audit log is not connected'),
      keys: z.int().describe('Keys in Redis'),
      claims: z.int().describe('Claims of names, numbers and addresses in MongoDB'),
    }),
  })
  .meta({ id: 'Deletion' });

const ExportedEvent = z.object({
  at: instant,
  action: z.string(),
  outcome: z.string(),
  reason: z.string().optional(),
  message: z.string(),
  by: z.enum(['person', 'somebody-else', 'unknown']).describe('The actor; others are not identified'),
  ip: z.string().optional(),
  userAgent: z.string().optional(),
  details: z.record(z.string(), z.unknown()),
});

/** All data of a user, and what is missing. */
const Export = z
  .object({
    exportedAt: instant,
    account: User,
    credentials: z.object({ hasPassword: z.boolean(), hasPin: z.boolean(), isLinkedToDirectory: z.boolean() }),
    claims: z.array(z.object({ kind: z.enum(['username', 'phone', 'email']), value: z.string() })),
    registrationIds: z.array(z.string()),
    sessions: z.array(Session),
    devices: z.object({
      identityKey: z.string().nullable().describe('The public identity key; null without a device'),
      items: z.array(ListedDevice.extend({ registrationId: z.int(), capabilities: z.record(z.string(), z.boolean()) })),
    }),
    messages: z
      .array(z.object({ deviceId: z.string(), count: z.int(), bytes: z.int() }))
      .describe('What waits for each device, in bytes of base64; its content is encrypted for the device'),
    conversations: z
      .array(Conversation.extend({ userId: z.string(), changedAt: instant }))
      .describe('What the user decided about others'),
    workflows: z.object({
      state: z.enum(['complete', 'truncated', 'unavailable']),
      items: z.array(z.object({ type: z.string(), id: z.string(), startedAt: instant, closedAt: instant.nullable() })),
    }),
    auditEvents: z.object({
      state: z.enum(['complete', 'truncated', 'unavailable', 'not-configured']),
      items: z.array(ExportedEvent),
    }),
    notes: z.array(z.string()).describe('Stored data that is not included, and why'),
  })
  .meta({ id: 'Export' });
export type Export = z.output<typeof Export>;

/** The operations on the account of the calling user. */
export const userOperations = {
  readMe: operation({
    method: 'get',
    path: me,
    summary: 'Get the user of the access token',
    description: 'Personal data as its owner sees it; `groups` come from the directory.',
    auth: 'session',
    answers: { 200: User },
    failures: [...commonFailures, 'not-found'],
  }),
  changeProfile: operation({
    method: 'put',
    path: me,
    summary: 'Change the account; a new number or address is verified by a code that is sent there',
    description:
      'Fields that are left out stay. Name and language change at once (200). A new number or address changes after its code was verified with `POST /users/me/changes/{changeId}/verify` (202).',
    example: { fullName: 'Ada Lovelace', locale: 'de' },
    auth: 'session',
    stepUp: ['phone', 'email', 'username'],
    body: ProfileChange,
    answers: { 200: User, 202: StartedChange },
    idempotent: true,
    failures: [...commonFailures, 'not-found', 'identity-taken', 'step-not-available', 'idempotency-key-reused'],
  }),
  exportAccount: operation({
    method: 'get',
    path: `${me}/export`,
    summary: 'Export everything that is stored of the user, in a machine-readable format',
    description:
      'Has the account, its sessions, devices, decisions about others, workflows and audit events. `notes` says what is stored and not included. Messages are encrypted for a device and appear as counts.',
    auth: 'session',
    stepUp: 'always',
    isBarredOnProbation: true,
    answers: { 200: Export },
    fileName: 'vyry-export.json',
    failures: [...commonFailures, 'not-found'],
  }),
  deleteAccount: operation({
    method: 'delete',
    path: me,
    summary: 'Delete the account after the grace period; every other session ends',
    description:
      'The account works until `effectiveAt` and the deletion can be stopped until then. `deletionToken`, shown only here, reads the receipt after the account is gone.',
    auth: 'session',
    stepUp: 'always',
    answers: { 202: PlannedDeletion },
    failures: [...commonFailures, 'not-found'],
  }),
  stopAccountDeletion: operation({
    method: 'post',
    path: `${me}/deletion/cancel`,
    summary: 'Stop the deletion of the account',
    description: 'Possible until the grace period is over; the account stays as it was.',
    auth: 'session',
    answers: { 204: null },
    failures: [...commonFailures, 'not-found'],
  }),
  readDeletion: operation({
    method: 'get',
    path: '/api/v1/deletions/:deletionId',
    summary: 'Get the receipt of a deletion: its state, and how much was erased',
    description: 'Needs the `deletionToken`, which outlives the account. The receipt has no personal data.',
    auth: 'deletion',
    answers: { 200: Deletion },
    failures: [...commonFailures, 'not-found'],
  }),
  verifyContact: operation({
    method: 'post',
    path: `${me}/changes/:changeId/verify`,
    summary: 'Verify the code of a new number or address, which the account then has',
    description: 'The previous number or address gets a notification. A code works once.',
    auth: 'session',
    body: z.strictObject({ code: typedCode }),
    answers: { 200: User },
    failures: [...commonFailures, 'not-found', 'code-wrong', 'code-expired', 'identity-taken'],
  }),
} as const;
