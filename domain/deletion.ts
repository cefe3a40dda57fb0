/**
 * The deletion of an account: words.
 *
 * Terminology
 * - planned: its person asked for it, and may stop it until it is due.
 * - erasure: what happens then, store by store, until nothing is left of the person.
 * - receipt: what is kept of a deletion, by a random id: instants and counts, and nobody's name.
 */

/** A deletion that was asked for. */
export interface PlannedDeletion {
  deletionId: string;
  /** From then on it cannot be stopped. Milliseconds since the Unix epoch. */
  effectiveAt: number;
}

/** How much was erased. */
export interface Erased {
  /** Executions in Temporal. */
  workflows: number;
  /** Audit events that say nobody's name any more; absent where the audit log is not reached. */
  auditEvents?: number;
  /** Keys in Redis. */
  keys: number;
  /** Claims of names, numbers and addresses in MongoDB. */
  claims: number;
}
