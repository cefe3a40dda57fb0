/** What becomes of a decrypted message, in the transaction that decrypts it. */
import { bytesToHex } from '@noble/hashes/utils.js';
import { fromBase64 } from './bytes.ts';
import { addressOf } from './crypto/devices.ts';
import type { Surroundings } from './crypto/ratchet.ts';
import { decodeEnvelope, type Envelope, encodeResend } from './envelope.ts';
import { hasCode } from './errors.ts';
import { keepForApplication, type OpenedMessage, queueMessage } from './mailbox.ts';
import { keepReceived } from './rotation.ts';
import type { ClientState, DeviceAddress } from './store.ts';

/** The kinds of messages that arrive. */
export type Incoming =
  /** The application gets it. */
  | { kind: 'message' }
  | { kind: 'receipt'; receipt: 'delivered' | 'read'; messageIds: string[] }
  /** The account gets a new identity key, and this device has its keys now. */
  | { kind: 'rotation' }
  /** What the other device could not decrypt is in the outbox again, as far as this device has it. */
  | { kind: 'retry' }
  /** It says nothing to this device. */
  | { kind: 'ignored' };

/** How often a message is sent again: a device that opens nothing must not make this one answer without end. */
const resendsMax = 3;

/** Keeps what a message says. Only the other devices of the account may tell of copies and keys. */
export async function keepIncoming(
  state: ClientState,
  opened: OpenedMessage,
  surroundings: Surroundings,
): Promise<Incoming> {
  const envelope = decodeEnvelope(opened.plain);
  const isOwn = opened.from.userId === state.userId;
  switch (envelope.kind) {
    case 'resend':
      return await keepResent(state, { opened, envelope }, surroundings);
    case 'retry':
      return await sendAgain(state, { from: opened.from, messageIds: envelope.messageIds }, surroundings);
    case 'rotation':
      return isOwn && keepKeys(state, envelope) ? { kind: 'rotation' } : { kind: 'ignored' };
    case 'copy': {
      if (!isOwn) return { kind: 'ignored' };
      const { userId: peerId, messageId: peerMessageId, content } = envelope;
      keepForApplication(state, { ...opened, plain: content, peerId, ...(peerMessageId && { peerMessageId }) });
      return { kind: 'message' };
    }
    case 'receipt':
      return isOwn ? { kind: 'ignored' } : envelope;
    case 'content':
      if (isOwn) return { kind: 'ignored' };
      keepForApplication(state, { ...opened, plain: envelope.content });
      return { kind: 'message' };
  }
}

/** Only what was asked for is taken, once: the other devices of this account have opened the message, and get this too. */
async function keepResent(
  state: ClientState,
  { opened, envelope }: { opened: OpenedMessage; envelope: Extract<Envelope, { kind: 'resend' }> },
  surroundings: Surroundings,
): Promise<Incoming> {
  const { messageId, plain } = envelope;
  const address = addressOf(opened.from);
  const asked = state.asked.find((one) => one.messageId === messageId && addressOf(one.from) === address);
  if (asked === undefined) return { kind: 'ignored' };
  state.asked = state.asked.filter((one) => one !== asked);
  const serverTimestamp = instantOf(messageId) ?? opened.serverTimestamp;
  const timestamp = Number.isNaN(Date.parse(envelope.timestamp)) ? opened.timestamp : envelope.timestamp;
  return await keepIncoming(state, { ...opened, messageId, timestamp, serverTimestamp, plain }, surroundings);
}

/** The id of a message begins with the milliseconds at which the server took it. */
function instantOf(messageId: string): string | undefined {
  const [, ms] = /^(\d{1,15})-\d/.exec(messageId) ?? [];
  return ms === undefined ? undefined : new Date(Number(ms)).toISOString();
}

/** The request came in a new session, in which the answer goes. */
async function sendAgain(
  state: ClientState,
  { from, messageIds }: { from: DeviceAddress; messageIds: readonly string[] },
  surroundings: Surroundings,
): Promise<Incoming> {
  const named = new Set(messageIds);
  for (const sent of state.sent) {
    if (sent.userId !== from.userId || !named.has(sent.messageId) || sent.resends >= resendsMax) continue;
    sent.resends += 1;
    const message = {
      clientMessageId: bytesToHex(surroundings.random(16)),
      userId: from.userId,
      plain: encodeResend(sent, fromBase64(sent.plain)),
      type: 'retry',
    } as const;
    await queueMessage(state, message, surroundings);
  }
  return { kind: 'retry' };
}

/** Keeps the keys of this device; those of others are dropped. Returns whether there were any. */
function keepKeys(state: ClientState, { keys }: Extract<Envelope, { kind: 'rotation' }>): boolean {
  const own = keys.find(({ deviceId }) => deviceId === state.deviceId);
  if (own === undefined) return false;
  try {
    keepReceived(state, own);
    return true;
  } catch (err) {
    if (hasCode(err, 'ROTATION_KEYS')) return false;
    throw err;
  }
}
