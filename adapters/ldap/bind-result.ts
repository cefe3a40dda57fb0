import type { Entry } from 'ldapts';
import type { EntryValues } from '../../domain/directory.ts';
import { usernameKey } from '../../domain/identity.ts';
import { type DirectoryEntry, Outage, type RefusalReason } from './answer.ts';
import type { BindResult } from './connection.ts';
import { endAttributes, hasEnded } from './ends.ts';
import { guidOctets } from './filters.ts';

/** The names of the attributes that Vyry reads. */
export interface Attributes {
  id: string;
  username: string;
  name: string;
  mail: string;
  phone: string;
  groups: string;
}

/** Attributes that mark an entry as disabled, locked or ended. Operational ones are returned only if requested. */
export const marks: readonly string[] = [
  'userAccountControl',
  'msDS-UserAccountDisabled',
  'nsAccountLock',
  'inetUserStatus',
  'loginDisabled',
  'ds-pwp-account-disabled',
  'sambaAcctFlags',
  'pwdAccountLockedTime',
  ...endAttributes,
];

/**
 * Reads the configured attributes of an entry.
 *
 * @param typed the user name by which it was found
 * @throws {Outage} `entry-incomplete` if it has no DN, id or user name, because it could not be linked to an account
 */
export function readEntry(entry: Entry, attributes: Attributes, typed = ''): DirectoryEntry {
  const read = reader(entry);
  const [id] = read(attributes.id);
  const usernames = read(attributes.username);
  const username = usernames.find((name) => usernameKey(name) === usernameKey(typed)) ?? usernames[0];
  // a bind with an empty DN is anonymous and succeeds with any password (RFC 4513 section 5.1.1)
  if (!entry.dn || !id || !username) throw new Outage('entry-incomplete');
  return {
    id,
    dn: entry.dn,
    username,
    fullNames: read(attributes.name),
    emails: read(attributes.mail),
    phones: read(attributes.phone),
    groups: read(attributes.groups),
  };
}

/** Returns all values of the attributes that accounts are found by, as stored. */
export function readValues(entry: Entry, attributes: Attributes): EntryValues {
  const read = reader(entry);
  return {
    usernames: read(attributes.username),
    emails: read(attributes.mail),
    phones: read(attributes.phone),
  };
}

/**
 * Returns why a log-in is refused, or undefined if it is accepted. A mark of the entry counts even if the bind
 * succeeded, because not every server enforces every mark.
 */
export function readRefusal(bind: BindResult, entry: Entry, now: number = Date.now()): RefusalReason | undefined {
  const read = reader(entry);
  const [lockedTime] = read('pwdAccountLockedTime');
  if (isDisabled(read)) return 'disabled';
  if (hasEnded(read, now)) return 'expired';
  const told = policyErrors[bind.policyError ?? -1] ?? activeDirectoryErrors[subCode(bind.diagnostic)];
  if (told) return told;
  if (bind.code === 0) return undefined;
  return codes[bind.code] ?? (lockedTime ? 'locked' : 'wrong-password');
}

/** Result codes of 389 Directory Server for locked and inactive entries. Other servers return 49 for every refusal. */
const codes: Readonly<Record<number, RefusalReason>> = { 19: 'locked', 53: 'disabled' };

/** Errors of draft-behera-ldap-password-policy section 6.2. Higher values concern password changes. */
const policyErrors: Readonly<Record<number, RefusalReason>> = { 0: 'expired', 1: 'locked', 2: 'must-change' };

/** Win32 error codes, in hexadecimal, that Active Directory puts into the diagnostic message of result code 49. */
const activeDirectoryErrors: Readonly<Record<string, RefusalReason>> = {
  '525': 'unknown',
  '52e': 'wrong-password',
  '530': 'not-now',
  '531': 'not-now',
  '532': 'expired',
  '533': 'disabled',
  '701': 'expired',
  '773': 'must-change',
  '775': 'locked',
};

/** Returns the Win32 error code in the diagnostic message of a bind that Active Directory refused; empty if none. */
export function subCode(diagnostic: string): string {
  return /AcceptSecurityContext error, data ([0-9a-f]+)/i.exec(diagnostic)?.[1]?.toLowerCase() ?? '';
}

/** Returns whether an entry is marked as disabled, or has ended by `now`, in milliseconds since the Unix epoch. */
export function isMarkedDisabled(entry: Entry, now: number = Date.now()): boolean {
  const read = reader(entry);
  return isDisabled(read) || hasEnded(read, now);
}

function isDisabled(read: (attribute: string) => string[]): boolean {
  const accountDisable = 0x2;
  const isTrue = (attribute: string) => read(attribute)[0]?.toUpperCase() === 'TRUE';
  return (
    (Number(read('userAccountControl')[0] ?? 0) & accountDisable) !== 0 ||
    ['msDS-UserAccountDisabled', 'nsAccountLock', 'loginDisabled', 'ds-pwp-account-disabled'].some(isTrue) ||
    ['inactive', 'deleted'].includes(read('inetUserStatus')[0]?.toLowerCase() ?? '') ||
    read('sambaAcctFlags')[0]?.includes('D') === true ||
    // the value for "locked until an administrator unlocks it" (draft-behera-ldap-password-policy section 5.3.3)
    read('pwdAccountLockedTime')[0] === '000001010000Z'
  );
}

/**
 * Reads attributes by name, ignoring case: servers may return another spelling than requested (RFC 4512 section 2.5).
 * Values with options, such as `cn;lang-ja`, follow those without: they are values of the same attribute.
 */
function reader(entry: Entry): (attribute: string) => string[] {
  const values = Object.entries(entry)
    .map(([name, value]) => ({ name: name.toLowerCase(), values: [value].flat() }))
    .sort((one, other) => Number(one.name.includes(';')) - Number(other.name.includes(';')));
  return (attribute) =>
    values
      .filter(({ name }) => name === attribute.toLowerCase() || name.startsWith(`${attribute.toLowerCase()};`))
      .flatMap((found) => found.values)
      .map((value) => (typeof value === 'string' ? value : binaryText(attribute, value)))
      .filter((value) => value !== '');
}

function binaryText(attribute: string, value: Buffer): string {
  const isGuid = attribute.toLowerCase() === 'objectguid' && value.length === 16;
  return isGuid ? guidText(value) : value.toString('hex');
}

function guidText(value: Buffer): string {
  return guidOctets(value)
    .toString('hex')
    .replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}
