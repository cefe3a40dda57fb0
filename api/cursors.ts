/**
 * Cursors of lists: the position after a page, signed together with the list that it belongs to. A list accepts only
 * what it issued, in the spelling that it issued.
 */
import { keyedHash } from '../platform/crypto.ts';
import { malformed } from './parse.ts';

/** Names a list: its operation, and the holder and the filter that select its items. */
type ListScope = readonly string[];

/** Returns the cursor of a position, which consists of letters, digits, `_` and `-`. */
export function signCursor(key: Buffer, position: string, scope: ListScope): string {
  return `${position}.${keyedHash(key, 'cursor', ...scope, position)}`;
}

/** Returns the position of a cursor. @throws {Failure} malformed: this list did not issue it */
export function openCursor(key: Buffer, cursor: string, scope: ListScope): string {
  const [position = ''] = cursor.split('.');
  if (signCursor(key, position, scope) !== cursor) throw malformed('cursor', 'was not issued by this list');
  return position;
}
