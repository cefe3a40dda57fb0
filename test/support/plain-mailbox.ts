/** A mailbox of texts without a kind, for tests of the encryption alone. */
import type { Random } from '../../client/crypto/primitives.ts';
import { decodeRetry } from '../../client/crypto/retry.ts';
import {
  createMailbox,
  keepForApplication,
  type Mailbox,
  type OpenedMessage,
  type Received,
} from '../../client/mailbox.ts';
import type { ClientState, ClientStore } from '../../client/store.ts';

/** A text, or a request to send messages again. */
type Kept = { kind: 'message' } | { kind: 'retry'; messageIds: string[] };

/** What became of a received message. */
export type PlainReceived = Received<Kept>;

/** A mailbox that keeps every text. */
export type PlainMailbox = Mailbox<Kept>;

/** Creates a mailbox that keeps every text; `retry` is recognized by the type of the message. */
export function createPlainMailbox(store: ClientStore, options: { now: () => number; random?: Random }): PlainMailbox {
  return createMailbox(store, { ...options, keep });
}

function keep(state: ClientState, opened: OpenedMessage): Kept {
  if (opened.type === 'retry') return { kind: 'retry', messageIds: decodeRetry(opened.plain) };
  keepForApplication(state, opened);
  return { kind: 'message' };
}
