/** What a directory says of a name and a password, as data: the difference is for the audit, never for the caller. */

/** A person as the directory holds them, by the configured attributes. */
export interface DirectoryEntry {
  /** Immutable id: what an account is linked to. `objectGUID` is written as the UUID that Windows shows. */
  id: string;
  dn: string;
  username: string;
  fullName: string;
  email?: string;
  /** As stored, in whatever notation the directory uses. */
  phone?: string;
  /** Values of the groups attribute, DNs as a rule. */
  groups: string[];
}

/** Why the directory refuses a person. */
export type RefusalReason =
  | 'unknown'
  | 'wrong-password'
  | 'empty-password'
  | 'ambiguous'
  | 'disabled'
  | 'locked'
  | 'expired'
  | 'must-change'
  | 'not-now';

/**
 * Why no server of the directory could answer. `service-bind-refused`, `certificate-refused`, `start-tls-refused`,
 * `confidentiality-required`, `base-missing` and `entry-incomplete` are for the operator to repair; waiting heals the rest.
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

/** The answer to a name and a password. Show callers `refused` as "wrong" and `unavailable` as "unavailable". */
export type DirectoryAnswer =
  | { outcome: 'ok'; entry: DirectoryEntry }
  | { outcome: 'refused'; reason: RefusalReason }
  | { outcome: 'unavailable'; reason: OutageReason };

/** How a name stands in the directory, as its service account sees it, without anybody's password. */
export type EntryStatus = { entryStatus: 'active'; id: string } | { entryStatus: 'disabled' | 'missing' | 'ambiguous' };

/** The answer to a name alone. */
export type EntryStatusAnswer = EntryStatus | { entryStatus: 'unavailable'; reason: OutageReason };

/** A server could not answer. Its message names the reason only: no address, name or password. */
export class Outage extends Error {
  override readonly name = 'Outage';
  readonly reason: OutageReason;
  /** Result code of the server (RFC 4511 appendix A), or the error code of TLS, where there is one: for the operator. */
  readonly detail: string | undefined;

  constructor(reason: OutageReason, detail?: string) {
    super(`The directory is unavailable: ${reason}`);
    this.reason = reason;
    this.detail = detail;
  }
}
