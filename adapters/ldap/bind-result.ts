import type { Entry } from 'ldapts';
import { type DirectoryEntry, Outage, type RefusalReason } from './answer.ts';
import type { BindResult } from './connection.ts';

/** Names of the attributes that hold what Vyry reads of a person. */
export interface Attributes {
  id: string;
  username: string;
  name: string;
  mail: string;
  phone: string;
  groups: string;
}

/** Attributes by which directories mark an entry as unusable; operational ones come only when they are asked for. */
export const marks = ['userAccountControl', 'nsAccountLock', 'loginDisabled', 'pwdAccountLockedTime'] as const;

/**
 * Reads a person from an entry.
 *
 * @throws {Outage} `entry-incomplete` when it has no DN, id or user name: it could be linked to nobody
 */
export function readEntry(entry: Entry, attributes: Attributes): DirectoryEntry {
  const read = reader(entry);
  const [id] = read(attributes.id);
  const [username] = read(attributes.username);
  // A bind with an empty name is anonymous and succeeds whatever the password (RFC 4513 section 5.1.1).
  if (!entry.dn || !id || !username) throw new Outage('entry-incomplete');
  const [email] = read(attributes.mail);
  const [phone] = read(attributes.phone);
  return {
    id,
    dn: entry.dn,
    username,
    fullName: read(attributes.name)[0] ?? username,
    ...(email && { email }),
    ...(phone && { phone }),
    groups: read(attributes.groups),
  };
}

/**
 * Says why a person is refused, or nothing when they are not. A mark of the entry counts even when the bind was
 * accepted: not every server enforces every mark.
 */
export function readRefusal(bind: BindResult, entry: Entry): RefusalReason | undefined {
  const read = reader(entry);
  const [lockedTime] = read('pwdAccountLockedTime');
  if (isDisabled(read)) return 'disabled';
  const told = policyErrors[bind.policyError ?? -1] ?? activeDirectoryErrors[subCode(bind.diagnostic)];
  if (told) return told;
  if (bind.code === 0) return undefined;
  return codes[bind.code] ?? (lockedTime ? 'locked' : 'wrong-password');
}

/** 389 Directory Server answers so for inactive and for locked entries; the others say 49 for everything. */
const codes: Readonly<Record<number, RefusalReason>> = { 19: 'locked', 53: 'disabled' };

/** draft-behera-ldap-password-policy section 6.2; the higher values concern changes of the password. */
const policyErrors: Readonly<Record<number, RefusalReason>> = { 0: 'expired', 1: 'locked', 2: 'must-change' };

/** Win32 error codes, in hexadecimal, that Active Directory puts into the text of result 49. */
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

/** The Win32 error code that Active Directory hides in the text of a refused bind; empty where there is none. */
export function subCode(diagnostic: string): string {
  return /AcceptSecurityContext error, data ([0-9a-f]+)/i.exec(diagnostic)?.[1]?.toLowerCase() ?? '';
}

/** Whether an entry is marked as unusable. */
export function isMarkedDisabled(entry: Entry): boolean {
  return isDisabled(reader(entry));
}

function isDisabled(read: (attribute: string) => string[]): boolean {
  const accountDisable = 0x2;
  const isTrue = (attribute: string) => read(attribute)[0]?.toUpperCase() === 'TRUE';
  return (
    (Number(read('userAccountControl')[0] ?? 0) & accountDisable) !== 0 ||
    isTrue('nsAccountLock') ||
    isTrue('loginDisabled') ||
    // The time that stands for "until an administrator unlocks it" (draft-behera-ldap-password-policy section 5.3.3).
    read('pwdAccountLockedTime')[0] === '000001010000Z'
  );
}

/** Servers answer with their own spelling of an attribute, whichever was asked for (RFC 4512 section 2.5). */
function reader(entry: Entry): (attribute: string) => string[] {
  const values = new Map(Object.entries(entry).map(([name, value]) => [name.toLowerCase(), [value].flat()]));
  return (attribute) =>
    (values.get(attribute.toLowerCase()) ?? [])
      .map((value) => (typeof value === 'string' ? value : binaryText(attribute, value)))
      .filter((value) => value !== '');
}

function binaryText(attribute: string, value: Buffer): string {
  const isGuid = attribute.toLowerCase() === 'objectguid' && value.length === 16;
  return isGuid ? guidText(value) : value.toString('hex');
}

/** The first three fields of a GUID are stored with the least byte first ([MS-DTYP] section 2.3.4.2). */
function guidText(value: Buffer): string {
  const bytes = Buffer.from(value);
  bytes.subarray(0, 4).reverse();
  bytes.subarray(4, 6).reverse();
  bytes.subarray(6, 8).reverse();
  return bytes.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}
