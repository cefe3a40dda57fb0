/** The content of messages between pages: the JSON of `client/message.ts`, with the name that the sender gives itself. */
import type { Message } from '../client/message.ts';

/** Longest name that is shown. */
const nameMax = 100;

/** Returns the content of a text. */
export function textContentFrom(name: string, text: string): Uint8Array {
  return new TextEncoder().encode(JSON.stringify({ text, name }));
}

/** Returns what the sender of a message calls itself; empty if it says nothing. */
export function nameIn({ content, text }: Pick<Message, 'content' | 'text'>): string {
  if (text === undefined) return '';
  const { name }: { name?: unknown } = JSON.parse(new TextDecoder().decode(content));
  return typeof name === 'string' ? name.slice(0, nameMax) : '';
}
