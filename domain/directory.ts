/** People of the company directory: how their names are compared, and what their entries give to accounts. */
import type { Identifier } from './account.ts';
import { emailKey, usernameKey } from './identity.ts';
import { isUsername } from './usernames.ts';

/**
 * Returns the form in which directories compare names, so that every spelling that finds one entry has one form: string
 * preparation (RFC 4518 section 2) with case folding, and without accents, which Active Directory ignores. It is for
 * limits: different people may share a form, and one person never has two by spelling.
 */
export function directoryNameKey(name: string): string {
  return unaccented(unaccented(name).toUpperCase().toLowerCase())
    .replaceAll(/[\s\x85\p{Z}]+/gu, ' ')
    .replaceAll(/[\p{Cc}\p{Cf}\ufffc]/gu, '')
    .trim();
}

function unaccented(text: string): string {
  return text.normalize('NFKD').replaceAll(/[\p{M}\p{Default_Ignorable_Code_Point}]/gu, '');
}

/** A person as the directory is asked for them: by the immutable id of the entry where it is known, or by user name. */
export interface DirectoryPerson {
  directoryId?: string;
  username?: string;
}

/** What an entry has now. An attribute may have several values, in no order (RFC 4511 section 4.1.7). */
export interface EntryValues {
  usernames: string[];
  emails: string[];
  /** In an answer of the directory as stored, afterwards E.164. */
  phones: string[];
}

/** The status of a person in the directory, as read by the service account without the user's password. */
export type EntryStatus =
  | ({ entryStatus: 'active' | 'disabled'; id: string } & EntryValues)
  | { entryStatus: 'missing' }
  | { entryStatus: 'ambiguous' };

/** An account that holds a user name, number or address which the directory gives to another entry. */
export interface Holder extends DirectoryPerson {
  userId: string;
  held: Identifier[];
}

/** Returns the values that an entry no longer has; all of them without an entry. */
export function givenUp(held: readonly Identifier[], entry: EntryValues | undefined): Identifier[] {
  if (entry === undefined) return [...held];
  const { usernames, phones, emails } = entry;
  const has: Record<Identifier['kind'], (value: string) => boolean> = {
    username: (value) => usernames.some((own) => usernameKey(own) === usernameKey(value)),
    phone: (value) => phones.includes(value),
    email: (value) => emails.some((own) => emailKey(own) === emailKey(value)),
  };
  return held.filter(({ kind, value }) => !has[kind](value));
}

/**
 * Returns the user name that an account gets from its entry; undefined if the entry still has the current one, or none
 * that an account can have.
 */
export function newNameOf(
  current: string | undefined,
  { usernames }: Pick<EntryValues, 'usernames'>,
): string | undefined {
  const isCurrent = (name: string) => current !== undefined && usernameKey(name) === usernameKey(current);
  return usernames.some(isCurrent) ? undefined : usernames.find(isUsername);
}
