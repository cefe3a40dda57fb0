/** Messages as an application sends and gets them. */
import { utf8 } from './bytes.ts';
import type { DeviceAddress } from './store.ts';

/** A message that arrived. */
export interface Message {
  messageId: string;
  /** The other person of the conversation: the sender, or the recipient of a message that another own device has sent. */
  userId: string;
  from: DeviceAddress;
  /** Another device of this account has sent it. */
  isOwn: boolean;
  content: Uint8Array;
  /** The text of a content that `send` made of a string; undefined for other contents. */
  readonly text: string | undefined;
  /** When it was sent, as its sender says. ISO 8601. */
  timestamp: string;
  /** When the server took it. ISO 8601. */
  serverTimestamp: string;
}

/** Returns the content of a text: the JSON `{ "text": … }` in UTF-8, so that other kinds of content can be told from it. */
export function textContent(text: string): Uint8Array {
  return utf8(JSON.stringify({ text }));
}

/** Returns the text of a content of `textContent`, or undefined. */
export function textOf(content: Uint8Array): string | undefined {
  try {
    const value: unknown = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(content));
    const text = (value as { text?: unknown } | null)?.text;
    return typeof text === 'string' ? text : undefined;
  } catch {
    return undefined;
  }
}
