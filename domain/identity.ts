/**
 * Contact identities: what is known of a person, the forms in which it is compared, and the masks under which it is
 * shown. Identity keys belong to devices and are something else.
 */
import type { Channel } from './verification.ts';

/** The identity being registered, as far as known. Codes may be sent to its addresses. */
export interface ContactIdentity {
  username?: string;
  fullName?: string;
  email?: string;
  /** E.164. */
  phone?: string;
  /** ISO 3166 country of the number. */
  country?: string;
  /** Digits of the number's country code. */
  callingCode?: string;
  /** Immutable id of the user's directory entry. */
  directoryId?: string;
  groups?: string[];
  /** Kebab-case reasons why the numbers or the addresses of the directory entry were left out. */
  phoneRefused?: string;
  emailRefused?: string;
  /** Keys that limits count this identity by. */
  limitKeys?: LimitKeys;
  /** The pseudonyms of user name, number and address in the audit log. */
  pseudonyms?: Pseudonyms;
}

/** The pseudonyms of one person: keyed hashes. */
export interface Pseudonyms {
  username?: string;
  number?: string;
  mailbox?: string;
}

type Named = Pick<ContactIdentity, 'username' | 'phone' | 'email'>;

/** Returns the names of a person in the forms in which audit events name them. */
export function namesOf({ username, phone, email }: Partial<Record<keyof Named, string | undefined>>): string[] {
  return [username && usernameKey(username), phone, email].flatMap((name) => name || []);
}

/** Returns the pseudonyms of an identity, the forms of its names being those in which events name them. */
export function pseudonymsOf({ username, phone, email }: ContactIdentity, hash: (name: string) => string): Pseudonyms {
  return {
    ...(username !== undefined && { username: hash(usernameKey(username)) }),
    ...(phone !== undefined && { number: hash(phone) }),
    ...(email !== undefined && { mailbox: hash(email) }),
  };
}

/** Keys that limits count an identity by: keyed hashes, which the status publishes in place of plain text. */
export interface LimitKeys {
  number?: string;
  prefix?: string;
  mailbox?: string;
  /** The identifier that was typed at a log-in. */
  name?: string;
  /** As `countryOf`. */
  country?: string;
}

/** Returns the number or address that a channel sends to. */
export function addressOf(identity: ContactIdentity, channel: Channel): string | undefined {
  return channel === 'email' ? identity.email : identity.phone;
}

/** Returns the country of a number: ISO 3166, or the calling code when several countries share the number's range. */
export function countryOf({ country, callingCode }: ContactIdentity): string | undefined {
  return country ?? (callingCode === undefined ? undefined : `+${callingCode}`);
}

/** Returns an identity without the addresses of other channels. */
export function withOnlyAddressOf(
  { phone, country, callingCode, email, ...rest }: ContactIdentity,
  channel: Channel,
): ContactIdentity {
  if (channel === 'email') return { ...rest, ...(email !== undefined && { email }) };
  return {
    ...rest,
    ...(phone !== undefined && { phone }),
    ...(country !== undefined && { country }),
    ...(callingCode !== undefined && { callingCode }),
  };
}

/** Masks a number: `+1•••••0100`. The country code (or its first digit, if unknown) and the last four digits remain. */
export function maskPhone(phone: string, callingCode = phone.slice(1, 2)): string {
  return `+${callingCode}•••••${phone.slice(-4)}`;
}

/** Masks an e-mail address: `a•••@example.com`. The first letter and the domain remain. */
export function maskEmail(email: string): string {
  const at = email.lastIndexOf('@');
  return `${[...email][0]}•••${email.slice(at)}`;
}

/** Returns the form in which addresses are compared: NFC, lower case. The domain is already in its ASCII form. */
export function emailKey(email: string): string {
  return email.normalize('NFC').toLowerCase();
}

/** Returns the form in which user names are compared. */
export function usernameKey(username: string): string {
  return username.normalize('NFC').toLowerCase();
}
