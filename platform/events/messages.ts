/**
 * The events of messages and conversations.
 *
 * Messages are counted and leave no audit event and no log line: who writes to whom, and when, is recorded nowhere. No
 * event has a content, a message id or a `clientMessageId`.
 */
import type { IdentityChangeReason } from '../../domain/device.ts';
import type { ConversationState, DeviceAddress, MessageType } from '../../domain/message.ts';
import { countRecent } from './flood.ts';
import type { Outputs } from './outputs.ts';

/** Refusals of one device within a minute by the same reason, from which on they are a flood. */
const floodMin = 20;

/** Upper bounds of the time between store and delivery in seconds: from a delivery within the process to a late one. */
const lagBuckets = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

/** What became of a send. `online`: it was not to be stored. */
type SendOutcome = 'stored' | 'duplicate' | 'online';

/** Why a send was refused: the code of the failure and, if it has one, the name of its limit. */
interface SendRefusal {
  code: string;
  limit?: string | undefined;
}

/** Creates the events of sends and deliveries. */
export function createMessageEvents({ counter, histogram, report }: Outputs) {
  const sent = counter('messages_sent_total', 'Messages taken, one for all devices of a user, by type and outcome', [
    'type',
    'outcome',
  ]);
  const refused = counter('messages_refused_total', 'Sends of messages refused, by limit or failure', ['reason']);
  const delivered = counter('messages_delivered_total', 'Copies of messages sent to a device, by how', ['how']);
  const acknowledged = counter('messages_acknowledged_total', 'Copies of messages that devices acknowledged', []);
  const lag = histogram(
    'message_delivery_lag_seconds',
    'Time between the storing of a message and its emission to a connected device, by the clocks of Redis and of the process',
    [],
    lagBuckets,
  );
  for (const outcome of ['stored', 'duplicate', 'online']) sent.inc({ type: 'message', outcome }, 0);
  for (const reason of ['inbox', 'messages-per-device', 'unavailable']) refused.inc({ reason }, 0);
  for (const how of ['live', 'backlog', 'rest']) delivered.inc({ how }, 0);
  const recent = countRecent();

  return {
    /** `type`: of the first copy. */
    messageSent({ type, outcome }: { type: MessageType; outcome: SendOutcome }): void {
      sent.inc({ type, outcome });
    },
    /** A flood is one event a minute, for each device and reason. `from`: the device that sends. */
    messageRefused({ userId, deviceId }: DeviceAddress, { code, limit }: SendRefusal): void {
      const reason = limit ?? code;
      refused.inc({ reason });
      if (recent(`${userId} ${deviceId} ${reason}`) !== floodMin) return;
      report({
        level: 'warn',
        log: { event: 'messages.flood', userId, deviceId, reason },
        audit: {
          action: 'message-flood',
          status: 'failure',
          message: `A device had ${floodMin} messages refused within a minute`,
          reason,
          userId,
          rule: limit,
          metadata: { device: deviceId },
        },
      });
    },
    /** A gateway emitted a message to the device as it arrived. `lagSeconds`: since it was stored. */
    messageDelivered(lagSeconds: number): void {
      delivered.inc({ how: 'live' });
      lag.observe(Math.max(0, lagSeconds));
    },
    /** A device got messages that had waited: by its connection (`backlog`), or by `GET /messages` (`rest`). */
    inboxRead(count: number, how: 'backlog' | 'rest'): void {
      delivered.inc({ how }, count);
    },
    messagesAcknowledged(count: number): void {
      acknowledged.inc(count);
    },
  };
}

interface ChangedConversation {
  /** Who decided. */
  userId: string;
  /** About whom; only its pseudonym is recorded. */
  peerId: string;
  state: ConversationState;
  was: ConversationState | undefined;
}

interface AnnouncedIdentity {
  userId: string;
  why: IdentityChangeReason;
  /** Users who have accepted a conversation with the user. */
  contacts: number;
  /** Of these, the devices that were connected. */
  reached: number;
}

/** Creates the events of conversations. */
export function createConversationEvents({ counter, report }: Outputs) {
  const changes = counter('conversations_changed_total', 'Decisions of users about others, by state', ['state']);
  const announced = counter('identity_announcements_total', 'Devices told that a contact has another identity key', []);
  for (const state of ['accepted', 'blocked', 'requested']) changes.inc({ state }, 0);

  return {
    /**
     * Only blocking and unblocking are audited: who is in touch with whom is not. The blocked user is recorded as a
     * pseudonym, by which somebody who is blocked by many is noticed.
     */
    conversationChanged({ userId, peerId, state, was }: ChangedConversation): void {
      changes.inc({ state });
      const isBlocked = state === 'blocked';
      if (isBlocked === (was === 'blocked')) return;
      report({
        log: { event: isBlocked ? 'user.blocked' : 'user.unblocked', userId },
        audit: {
          action: isBlocked ? 'user-block' : 'user-unblock',
          message: isBlocked ? 'A user blocked another one' : 'A user unblocked another one',
          userId,
          identity: peerId,
        },
      });
    },
    /** The connected contacts of a user were told about another identity key. */
    identityAnnounced({ userId, why, contacts, reached }: AnnouncedIdentity): void {
      announced.inc(reached);
      report({
        log: { event: 'identity.announced', userId, why, contacts, reached },
        audit: {
          action: 'identity-announce',
          message: 'The contacts of a user were told that the identity key of the account changed',
          reason: why,
          targetUserId: userId,
          metadata: { contacts, reached },
        },
      });
    },
  };
}
