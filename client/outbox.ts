/**
 * The outbox of a device: each person has a lane, in which one message is sent after the other, so that they arrive in
 * their order. A message leaves the outbox when the server has stored it or refuses it for good.
 */
import { bytesToHex } from '@noble/hashes/utils.js';
import type { z } from 'zod';
import type { KeyBundles } from '../contract/devices.ts';
import type { SentMessage as Answer, MessageSend } from '../contract/messages.ts';
import { fromBase64 } from './bytes.ts';
import type { ConversationSides } from './conversations.ts';
import type { Surroundings } from './crypto/ratchet.ts';
import type { ClientDeps } from './deps.ts';
import { decodeEnvelope, encodeCopy } from './envelope.ts';
import { hasCode, toVyryError, VyryError } from './errors.ts';
import type { SentMessage } from './events.ts';
import { fullJitterMs } from './jitter.ts';
import { type Mailbox, queueMessage } from './mailbox.ts';
import type { ClientState, OutgoingMessage } from './store.ts';

/** The body of a send. */
type SendBody = z.input<typeof MessageSend>;

/** What an outbox needs. */
export interface OutboxDeps extends Pick<ClientDeps, 'calls' | 'store' | 'closing' | 'events' | 'tasks'> {
  mailbox: Pick<Mailbox<unknown>, 'outbox' | 'amend' | 'confirm'>;
  conversations: Pick<ConversationSides, 'isShared' | 'forget'>;
  /** Returns whether sending can succeed now. */
  canSend(): boolean;
  /** Sends a message. @throws {VyryError} UNREACHABLE, or what the server answers */
  transmit(userId: string, body: SendBody): Promise<Answer>;
}

/** Changes of a device set while one message is sent. */
const roundsMax = 5;
const backoff = { baseMs: 1000, maxMs: 300_000 };
/** Messages that are remembered in case a device cannot decrypt them, and the characters of their texts. */
const sentMax = 200;
const sentCharactersMax = 262_144;
/** How long they are remembered. */
const sentMs = 7 * 86_400_000;

/** The outbox of a mailbox. */
export class Outbox {
  readonly #deps: OutboxDeps;
  readonly #lanes = createLanes();
  readonly #waiting = new Map<string, PromiseWithResolvers<SentMessage>>();

  constructor(deps: OutboxDeps) {
    this.#deps = deps;
  }

  /** Sends what is in the outbox for a person. */
  flush(userId: string): void {
    if (!this.#lanes.enter(userId)) return;
    this.#deps.tasks.run(async () => {
      do await this.#runLane(userId);
      while (this.#lanes.leave(userId));
    });
  }

  /** Sends what is in the outbox. */
  flushAll(): void {
    this.#deps.tasks.run(async () => {
      for (const userId of new Set((await this.#deps.mailbox.outbox()).map((one) => one.userId))) this.flush(userId);
    });
  }

  /** Sends what waits for a person, also if it was held because of the identity key. */
  release(userId: string): void {
    this.#lanes.resume(userId);
    this.flush(userId);
  }

  /** Resolves when the server has stored a message. It needs no handler of its rejection. */
  sent(clientMessageId: string): Promise<SentMessage> {
    const one = this.#waiting.get(clientMessageId) ?? Promise.withResolvers<SentMessage>();
    this.#waiting.set(clientMessageId, one);
    one.promise.catch(() => undefined);
    return one.promise;
  }

  /** Rejects what was not sent; it stays in the store. */
  close(): void {
    for (const id of [...this.#waiting.keys()]) this.#finish(id, (one) => one.reject(this.#deps.closing.signal.reason));
  }

  /** Sends the messages to a person until the lane is empty or a message has to wait. */
  async #runLane(userId: string): Promise<void> {
    while (this.#deps.canSend()) {
      const outgoing = (await this.#deps.mailbox.outbox()).find((one) => one.userId === userId);
      if (outgoing === undefined) return;
      try {
        await this.#send(outgoing);
        this.#lanes.reset(userId);
      } catch (err) {
        if (!isFinal(err)) return this.#delay(outgoing, err);
        await this.#refuse(outgoing, err);
      }
    }
  }

  async #send(outgoing: OutgoingMessage): Promise<void> {
    const { mailbox, conversations, events } = this.#deps;
    const { clientMessageId, userId, type } = outgoing;
    // a receipt to a stranger would accept the conversation
    if (type === 'receipt' && !(await conversations.isShared(userId))) return await mailbox.confirm(clientMessageId);
    const answer = await deliver(this.#deps, outgoing);
    await mailbox.confirm(clientMessageId, (...args) => followSent(answer, ...args));
    const sent = { clientMessageId, userId, ...storedAs(answer) };
    this.#finish(clientMessageId, (one) => one.resolve(sent));
    if (type === 'message') events.emit('sent', sent);
    if (answer.needsSync) this.flushAll();
  }

  async #refuse({ clientMessageId, userId, type }: OutgoingMessage, error: VyryError): Promise<void> {
    const { mailbox, conversations, events } = this.#deps;
    await mailbox.confirm(clientMessageId);
    // another device may have blocked the person
    conversations.forget(userId);
    this.#finish(clientMessageId, (one) => one.reject(error));
    if (type === 'message' || type === 'sync') events.emit('refused', { clientMessageId, userId, error });
  }

  #delay({ clientMessageId, userId }: OutgoingMessage, err: unknown): void {
    const { events, tasks, closing } = this.#deps;
    const error = toVyryError(err);
    if (hasCode(err, 'CLOSED', 'SIGNED_OUT')) return;
    if (hasCode(err, 'IDENTITY_CHANGED')) {
      this.#lanes.hold(userId);
      events.emit('identity-changed', { userId, isHeld: true });
      return;
    }
    const waitMs = this.#lanes.backoff(userId, error.retryAfterSeconds);
    if (!hasCode(err, 'UNREACHABLE')) events.emit('delayed', { clientMessageId, userId, error });
    tasks.run(async () => {
      await closing.delay(waitMs);
      this.release(userId);
    });
  }

  #finish(clientMessageId: string, end: (one: PromiseWithResolvers<SentMessage>) => void): void {
    const one = this.#waiting.get(clientMessageId);
    this.#waiting.delete(clientMessageId);
    if (one) end(one);
  }
}

/** The lanes that are in use, held or waiting. */
function createLanes() {
  /** By person: whether the lane must run once more. */
  const running = new Map<string, boolean>();
  const stopped = new Set<string>();
  const attempts = new Map<string, number>();
  return {
    /** Returns whether the caller runs the lane now. */
    enter(userId: string): boolean {
      if (stopped.has(userId)) return false;
      if (running.has(userId)) {
        running.set(userId, true);
        return false;
      }
      running.set(userId, false);
      return true;
    },
    /** Returns whether the caller must run it again: a message came meanwhile. */
    leave(userId: string): boolean {
      const again = running.get(userId) === true && !stopped.has(userId);
      if (again) running.set(userId, false);
      else running.delete(userId);
      return again;
    },
    hold: (userId: string) => stopped.add(userId),
    resume: (userId: string) => stopped.delete(userId),
    reset: (userId: string) => attempts.delete(userId),
    /** Stops a lane, and returns for how long: what the server says, or a random time that grows (full jitter). */
    backoff(userId: string, retryAfterSeconds: number | undefined): number {
      const attempt = (attempts.get(userId) ?? 0) + 1;
      attempts.set(userId, attempt);
      stopped.add(userId);
      if (retryAfterSeconds === undefined) return fullJitterMs(attempt, backoff);
      return retryAfterSeconds * 1000 + Math.random() * backoff.baseMs;
    },
  };
}

/** Sends a message, encrypted again for the devices that the server names. The server stores it for all of them or none. */
async function deliver({ calls, mailbox, events, transmit }: OutboxDeps, outgoing: OutgoingMessage): Promise<Answer> {
  const { clientMessageId, userId } = outgoing;
  let current = outgoing;
  for (let round = 0; round < roundsMax; round += 1) {
    try {
      return await transmit(userId, bodyOf(current));
    } catch (err) {
      const changes = deviceChangesOf(err);
      if (changes === undefined) throw err;
      const amend = (bundles?: KeyBundles) => mailbox.amend(clientMessageId, { ...changes, bundles });
      const { isIdentityChanged } = await amend().catch(async (needed) => {
        if (!hasCode(needed, 'SESSION_NEEDED')) throw needed;
        return await amend(await takeBundles(calls, userId, needed.fields.deviceIds as string[]));
      });
      if (isIdentityChanged) events.emit('identity-changed', { userId, isHeld: false });
      current = (await mailbox.outbox()).find((one) => one.clientMessageId === clientMessageId) ?? current;
    }
  }
  throw new VyryError('UNAVAILABLE', 'The devices of the person change all the time', { retryAfterSeconds: 5 });
}

/** Fetches the keys of some devices: a fetch uses up keys of each device that it names. */
async function takeBundles(
  calls: ClientDeps['calls'],
  userId: string,
  deviceIds: readonly string[],
): Promise<KeyBundles> {
  const [only, ...others] = deviceIds;
  if (only !== undefined && others.length === 0) return await calls.takeDeviceKeys({ userId, deviceId: only });
  const { identityKey, devices } = await calls.takeKeys({ userId });
  return { identityKey, devices: devices.filter(({ deviceId }) => deviceIds.includes(deviceId)) };
}

/** The devices of a refusal by 409 or 410; undefined for another error. */
function deviceChangesOf(err: unknown): { extra: string[]; stale: string[]; missing: string[] } | undefined {
  if (!(err instanceof VyryError)) return undefined;
  const idsIn = (name: string) => (Array.isArray(err.fields[name]) ? (err.fields[name] as string[]) : undefined);
  const [missing, extra, stale] = ['missingDevices', 'extraDevices', 'staleDevices'].map(idsIn);
  if (missing === undefined && extra === undefined && stale === undefined) return undefined;
  return { extra: extra ?? [], stale: stale ?? [], missing: [...(missing ?? []), ...(stale ?? [])] };
}

const finalCodes = ['INVALID_REQUEST', 'FORBIDDEN', 'NOT_FOUND', 'CONFLICT', 'GONE', 'BUNDLE_INVALID'];

function isFinal(err: unknown): err is VyryError {
  return hasCode(err, ...finalCodes);
}

function bodyOf({ clientMessageId, messages, timestamp, urgent, online }: OutgoingMessage): SendBody {
  return {
    clientMessageId,
    messages,
    timestamp,
    ...(urgent !== undefined && { urgent }),
    ...(online !== undefined && { online }),
  };
}

/** A message has one id for all devices; one to oneself without other devices has none. */
function storedAs({ messages: [first], serverTimestamp }: Answer) {
  return { messageId: first?.messageId ?? '', serverTimestamp };
}

/** Remembers a message that was stored, and keeps the copy for the other devices of the account in the outbox. */
async function followSent(
  answer: Answer,
  state: ClientState,
  outgoing: OutgoingMessage,
  surroundings: Surroundings,
): Promise<void> {
  const { clientMessageId, userId, type, timestamp, plain, online } = outgoing;
  const { messageId } = storedAs(answer);
  if (type === 'message' || type === 'sync') {
    const sent = { clientMessageId, messageId, userId, type, timestamp, plain, resends: 0 };
    state.sent = prunedSent([...state.sent, sent], surroundings.now);
  }
  if (type !== 'message' || !answer.needsSync || online) return;
  const envelope = decodeEnvelope(fromBase64(plain));
  if (envelope.kind !== 'content') return;
  const copy = {
    clientMessageId: bytesToHex(surroundings.random(16)),
    userId: state.userId ?? '',
    plain: encodeCopy({ userId, messageId }, envelope.content),
    type: 'sync',
    urgent: false,
  } as const;
  await queueMessage(state, copy, surroundings);
}

function prunedSent(all: ClientState['sent'], now: number): ClientState['sent'] {
  const kept: ClientState['sent'] = [];
  let characters = 0;
  for (const one of all.slice(-sentMax).reverse()) {
    characters += one.plain.length;
    if (characters > sentCharactersMax || Date.parse(one.timestamp) + sentMs < now) break;
    kept.unshift(one);
  }
  return kept;
}
