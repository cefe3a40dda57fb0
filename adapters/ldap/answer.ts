/** The answers of a directory to a user name and password. Their reasons are for the audit log, not for clients. */
import type { EntryStatus } from '../../domain/directory.ts';

/**
 * A directory entry, read from the configured attributes. The values of an attribute are a set without an order (RFC
 * 4511 section 4.1.7): the reader takes the first that it can use.
 */
export interface DirectoryEntry {
  /** Immutable id, to which an account is linked. `objectGUID` is formatted as the UUID that Windows shows. */
  id: string;
  dn: string;
  /** The value that the user typed, if the entry has several. */
  username: string;
  fullNames: string[];
  emails: string[];
  /** As stored, in the notation of the directory. */
  phones: string[];
  /** Values of the groups attribute, usually DNs. */
  groups: string[];
}

/** Why the directory refuses a log-in. */
export type RefusalReason =
  | 'unknown'
  | 'wrong-password'
  | 'empty-password'
  | 'ambiguous'
  | 'disabled'
  | 'locked'
  | 'expired'
  | 'must-change'
  | 'not-now'
  /** The tries of the entry are used up: it was not asked. */
  | 'limited';

/**
 * Why no server of the directory could answer. An operator must fix `service-bind-refused`, `certificate-refused`,
 * `start-tls-refused`, `confidentiality-required`, `base-missing` and `entry-incomplete`; the others are temporary.
 */
export type OutageReason =
  | 'unreachable'
  | 'timeout'
  | 'connection-lost'
  | 'tls-failed'
  | 'certificate-refused'
  | 'start-tls-refused'
  | 'service-bind-refused'
  | 'confidentiality-required'
  | 'base-missing'
  | 'entry-incomplete'
  | 'referral'
  | 'busy'
  | 'server-error'
  | 'closed';

/** The answer to a user name and password. Show clients only that it is wrong or that the directory is unavailable. */
export type DirectoryAnswer =
  | { outcome: 'ok'; entry: DirectoryEntry }
  | { outcome: 'refused'; reason: RefusalReason }
  | { outcome: 'unavailable'; reason: OutageReason };

/** The answer to an id or a user name alone. */
export type EntryStatusAnswer = EntryStatus | { entryStatus: 'unavailable'; reason: OutageReason };

/** A server could not answer. The message contains only the reason: no address, user name or password. */
export class Outage extends Error {
  override readonly name = 'Outage';
  readonly reason: OutageReason;
  /** Result code of the server (RFC 4511 appendix A) or TLS error code, if any, for operators. */
  readonly detail: string | undefined;

  constructor(reason: OutageReason, detail?: string) {
    super(`The directory is unavailable: ${reason}`);
    this.reason = reason;
    this.detail = detail;
  }
}
