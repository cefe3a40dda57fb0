/** Messages and conversations: `/messages` and `/conversations`. */
import { z } from 'zod';
import type { FailureCode } from '../domain/failures.ts';
import { registrationIdMax } from '../domain/keys.ts';
import { contentBytesMax, conversationStates, isMessageId, messageTypes } from '../domain/message.ts';
import { commonFailures, operation } from './operation.ts';
import { instant, pageCursor, pageLimit, text } from './schemas.ts';

const messages = '/api/v1/messages';
const conversations = '/api/v1/conversations';
const conversation = `${conversations}/:userId`;

/** The id of a message in the inbox of a device. */
export const messageId = z.string().max(32).refine(isMessageId, 'must be the id of a message');

/** Content in base64 (RFC 4648 section 4). Its length is judged by the operation, which answers 413. */
const content = z
  .string()
  .min(1, 'must not be empty')
  .regex(/^[A-Za-z0-9+/]+={0,2}$/, 'must be base64')
  .refine((value) => value.length % 4 === 0, 'must be base64 with its padding')
  .describe(`Ciphertext in base64, at most ${contentBytesMax} bytes`);

/** The copy of a message for one device. */
export const DeviceMessage = z.strictObject({
  deviceId: text(16),
  registrationId: z.int().min(1).max(registrationIdMax),
  type: z.enum(messageTypes),
  content,
});

/** A message to every device of a user. */
export const MessageSend = z
  .strictObject({
    clientMessageId: z
      .string()
      .regex(/^[\x21-\x7e]{1,64}$/, 'must be 1 to 64 visible ASCII characters')
      .describe('A repeat with it stores nothing again; remembered for the last 128 sends to a user, 24 h'),
    messages: z
      .array(DeviceMessage)
      .max(100)
      .refine(
        (all) => new Set(all.map(({ deviceId }) => deviceId)).size === all.length,
        'must not have a device twice',
      ),
    timestamp: instant.describe('When it was sent, as the sender says'),
    urgent: z.boolean().optional().describe('Wakes up devices that are not connected; true by default'),
    online: z.boolean().optional().describe('Only for devices that are connected; it is not stored'),
  })
  .meta({ id: 'MessageSend' });
export type MessageSend = z.output<typeof MessageSend>;

/** What became of a send. */
export const SentMessage = z
  .object({
    messages: z.array(z.object({ deviceId: z.string(), messageId: z.string() })),
    serverTimestamp: instant,
    needsSync: z.boolean().describe('The sender has other devices, which should get a message of type sync'),
    duplicate: z.literal(true).optional().describe('It was sent before; nothing was stored again'),
  })
  .meta({ id: 'SentMessage' });
export type SentMessage = z.output<typeof SentMessage>;

/** A message as its recipient gets it. */
export const ReceivedMessage = z
  .object({
    messageId: z.string(),
    from: z.object({ userId: z.string(), deviceId: z.string() }),
    type: z.enum(messageTypes),
    content: z.string(),
    timestamp: instant,
    serverTimestamp: instant,
  })
  .meta({ id: 'ReceivedMessage' });
export type ReceivedMessage = z.output<typeof ReceivedMessage>;

/** Messages that the device has not received and will never receive. */
export const InboxGap = z
  .object({
    from: instant.describe('When the first of them was taken'),
    to: instant.describe('When the last of them was taken'),
    count: z.int(),
    reason: z.enum(['expired', 'overflow']),
  })
  .meta({ id: 'InboxGap' });
export type InboxGap = z.output<typeof InboxGap>;

/** Message ids to acknowledge. */
export const MessageIds = z.strictObject({ messageIds: z.array(messageId).min(1).max(256) });

/** The failures of a send, by REST and by sockets. */
export const sendFailures = [
  ...commonFailures,
  'not-found',
  'message-too-large',
  'client-message-id-reused',
  'devices-mismatched',
  'devices-stale',
  'conversation-not-accepted',
  'conversation-blocked',
] as const satisfies FailureCode[];

/** The operations on messages. */
export const messageOperations = {
  sendMessage: operation({
    method: 'put',
    path: `${messages}/:userId`,
    summary: 'Send a message to every device of a user',
    description:
      '`messages` has a ciphertext for every device of the recipient, no more and no less (409 names the missing and extra ones, 410 those with another registration id). A repeat with the same `clientMessageId` gets the first answer with `duplicate`. A stranger may send one message until it is accepted.',
    auth: 'device',
    isCounted: true,
    body: MessageSend,
    bodyBytesMax: 1_048_576,
    answers: { 200: SentMessage },
    failures: sendFailures,
  }),
  readMessages: operation({
    method: 'get',
    path: messages,
    summary: 'Get the messages that the calling device has not acknowledged, oldest first',
    description:
      'A message stays until it is acknowledged. `gap` tells about messages that the device will never get. Devices that are connected by Socket.IO get the same messages there.',
    auth: 'device',
    isCounted: true,
    query: z.strictObject({
      cursor: messageId.optional().describe('The `nextCursor` of the page before'),
      limit: pageLimit,
    }),
    answers: {
      200: z
        .object({ items: z.array(ReceivedMessage), nextCursor: z.string().nullable(), gap: InboxGap.optional() })
        .meta({ id: 'Inbox' }),
    },
    failures: commonFailures,
  }),
  acknowledgeMessages: operation({
    method: 'post',
    path: `${messages}/ack`,
    summary: 'Remove messages from the inbox of the calling device; ids that it does not have are ignored',
    description: 'Acknowledge after the message is stored: it is deleted here.',
    auth: 'device',
    isCounted: true,
    body: MessageIds,
    answers: { 204: null },
    failures: commonFailures,
  }),
  acknowledgeMessage: operation({
    method: 'delete',
    path: `${messages}/:messageId`,
    summary: 'Remove a message from the inbox of the calling device',
    description: 'The same as `POST /messages/ack` with one id.',
    auth: 'device',
    isCounted: true,
    answers: { 204: null },
    failures: [...commonFailures, 'not-found'],
  }),
} as const;

/** The side of the calling user in a conversation. */
export const Conversation = z
  .object({
    state: z.enum(conversationStates),
    receipts: z.boolean().describe('The other user may get receipts, typing and presence of the calling user'),
  })
  .meta({ id: 'Conversation' });
export type Conversation = z.output<typeof Conversation>;

/** The operations on conversations. */
export const conversationOperations = {
  listConversations: operation({
    method: 'get',
    path: conversations,
    summary: 'List what the calling user decided about others, and who has written',
    description:
      'In the order of the ids of the others. `requested` marks a stranger whose first message waits for a decision.',
    auth: 'session',
    query: z.strictObject({ limit: pageLimit, cursor: pageCursor.optional() }),
    answers: {
      200: z
        .object({
          items: z.array(Conversation.extend({ userId: z.string(), changedAt: instant })),
          nextCursor: z.string().nullable(),
        })
        .meta({ id: 'ConversationPage' }),
    },
    failures: commonFailures,
  }),
  readConversation: operation({
    method: 'get',
    path: conversation,
    summary: 'Get what the calling user decided about another user',
    description: '`requested` until the user has decided. The other user does not see the decision.',
    auth: 'session',
    answers: { 200: Conversation },
    failures: [...commonFailures, 'not-found'],
  }),
  changeConversation: operation({
    method: 'put',
    path: conversation,
    summary: 'Accept or block a user, or decide later',
    description:
      'Accepting lets the other user write, and with `receipts` see delivery, typing and presence. A blocked sender sees no difference.',
    auth: 'session',
    body: z.strictObject({
      state: z.enum(conversationStates),
      receipts: z.boolean().optional().describe('Unchanged if omitted; true for a new conversation'),
    }),
    answers: { 200: Conversation },
    failures: [...commonFailures, 'not-found'],
  }),
} as const;
