/**
 * The events of Socket.IO: the requests of clients, which `api/serve.ts` executes as it executes those of REST, and the
 * announcements of the server.
 *
 * Every request takes an acknowledgement: `{ data }`, or `{ error }` with the body of an error of REST.
 */
import { z } from 'zod';
import { identityChangeReasons } from '../domain/device.ts';
import { linkKinds, linkStates } from '../domain/link.ts';
import { connectionEnds } from '../domain/session.ts';
import {
  InboxGap,
  MessageIds,
  MessageSend,
  messageId,
  ReceivedMessage,
  SentMessage,
  sendFailures,
} from './messages.ts';
import { commonFailures, type RpcOperation, rpcOperation } from './operation.ts';
import { instant, text } from './schemas.ts';

const userId = text(64);

/** The requests of clients, by event. */
export const socketOperations = {
  'auth:renew': rpcOperation({
    summary: 'Continue with a new access token of the same session and device',
    auth: 'session',
    body: z.strictObject({ accessToken: z.string().min(1).max(4096) }),
    answers: { 200: z.object({ expiresAt: instant }) },
    failures: [...commonFailures, 'token-invalid'],
  }),
  'message:send': rpcOperation({
    summary: 'Send a message to every device of a user',
    auth: 'device',
    body: MessageSend.extend({ userId }),
    answers: { 200: SentMessage },
    failures: sendFailures,
  }),
  'message:ack': rpcOperation({
    summary: 'Remove messages from the inbox of the device',
    auth: 'device',
    body: MessageIds,
    answers: { 200: z.object({}) },
    failures: commonFailures,
  }),
  'receipt:send': rpcOperation({
    summary: 'Tell the sender of messages that they were delivered or read',
    auth: 'session',
    body: z.strictObject({
      userId,
      messageIds: z.array(messageId).min(1).max(256),
      kind: z.enum(['delivered', 'read']),
    }),
    answers: { 200: z.object({}) },
    failures: [...commonFailures, 'conversation-closed'],
  }),
  'typing:send': rpcOperation({
    summary: 'Tell a user that the caller is typing, or has stopped',
    auth: 'session',
    body: z.strictObject({ userId, active: z.boolean() }),
    answers: { 200: z.object({}) },
    failures: [...commonFailures, 'conversation-closed'],
  }),
  'presence:subscribe': rpcOperation({
    summary: 'Follow whether these users are connected, instead of those before',
    auth: 'session',
    body: z.strictObject({ userIds: z.array(userId).max(256) }),
    answers: { 200: z.object({}) },
    failures: [...commonFailures, 'conversation-closed'],
  }),
} as const satisfies Record<string, RpcOperation>;

/** The event of a request. */
export type SocketRequest = keyof typeof socketOperations;

/**
 * The announcements of the server, by event. Clients acknowledge `message:new` and `inbox:page`, which removes the messages
 * from the inbox.
 */
export const announcements = {
  'message:new': ReceivedMessage,
  'inbox:page': z.object({ messages: z.array(ReceivedMessage), more: z.boolean() }),
  'inbox:gap': InboxGap,
  'inbox:drained': z.object({}),
  'receipt:new': z.object({
    userId: z.string(),
    messageIds: z.array(z.string()),
    kind: z.enum(['delivered', 'read']),
  }),
  'typing:new': z.object({ userId: z.string(), active: z.boolean() }),
  'presence:changed': z.object({ userId: z.string(), online: z.boolean(), lastSeenAt: instant.optional() }),
  'device-link:requested': z.object({
    linkId: z.string(),
    kind: z.enum(linkKinds),
    deviceName: z.string(),
    client: z.string(),
    createdAt: instant,
    expiresAt: instant,
  }),
  'device-link:changed': z.object({ linkId: z.string(), state: z.enum(linkStates) }),
  'devices:changed': z.object({
    change: z.enum(['added', 'renamed', 'removed']),
    deviceId: z.string(),
  }),
  'identity:changed': z.object({
    userId: z.string(),
    reason: z.enum(identityChangeReasons),
    at: instant,
  }),
  'keys:low': z.object({ count: z.int(), pqCount: z.int() }),
  'session:expiring': z.object({ expiresAt: instant }),
  'session:ended': z.object({ reason: z.enum(connectionEnds) }),
  'server:draining': z.object({ reconnectAfterMs: z.int() }),
} as const satisfies Record<string, z.ZodType>;

/** The event of an announcement. */
export type Announcement = keyof typeof announcements;

/** What a request is answered with. */
export type SocketAnswer<D> = { data: D } | { error: Record<string, unknown> };

type DataOf<O extends RpcOperation> = O['answers'][200] extends z.ZodType ? z.output<O['answers'][200]> : undefined;

/** The events that a client sends, for `Socket` of socket.io-client. */
export type ClientToServerEvents = {
  [E in SocketRequest]: (
    body: z.input<(typeof socketOperations)[E]['body']>,
    acknowledge: (answer: SocketAnswer<DataOf<(typeof socketOperations)[E]>>) => void,
  ) => void;
};

/** The events that a client gets, for `Socket` of socket.io-client. */
export type ServerToClientEvents = {
  [E in Announcement]: (payload: z.output<(typeof announcements)[E]>, acknowledge: () => void) => void;
};
