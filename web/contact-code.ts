/**
 * The address by which people find each other, as there is no public directory: that of the conversation with a person.
 * Its fragment does not reach a server.
 */

/** A person in a contact code. */
interface ContactCode {
  userId: string;
  /** What the person calls itself; empty if it says nothing. */
  name: string;
}

/** Longest name that is read from a code. */
const nameMax = 100;
const userIdPattern = /^[\w-]{1,64}$/;

/** Returns the contact code of a person. */
export function contactCode(origin: string, { userId, name }: ContactCode): string {
  return `${origin}/app#/chat?${new URLSearchParams({ with: userId, name })}`;
}

/** Reads a contact code, or a user id alone; undefined if the text is neither, or a code of another server. */
export function readContactCode(origin: string, text: string): ContactCode | undefined {
  const trimmed = text.trim();
  if (userIdPattern.test(trimmed)) return { userId: trimmed, name: '' };
  if (!trimmed.startsWith(`${origin}/app#/chat?`)) return undefined;
  const parameters = new URLSearchParams(trimmed.split('?')[1]);
  const userId = parameters.get('with') ?? '';
  if (!userIdPattern.test(userId)) return undefined;
  return { userId, name: (parameters.get('name') ?? '').slice(0, nameMax) };
}
