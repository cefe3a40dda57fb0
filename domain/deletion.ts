/**
 * Account deletion.
 *
 * Terminology
 * - planned: the user requested the deletion and can stop it until it is due.
 * - erasure: the removal of all data of the user, store by store, once the deletion is due.
 * - receipt: the record of a deletion under a random id: instants and counts. The user id is removed from it when the
 *   erasure finishes.
 */

/** A planned deletion. */
export interface PlannedDeletion {
  deletionId: string;
  /** When the deletion is due and can no longer be stopped. Milliseconds since the Unix epoch. */
  effectiveAt: number;
}

/** Counts of erased items. */
export interface Erased {
  /** Workflow executions in Temporal. */
  workflows: number;
  /** Rewritten audit events; absent when the erasure has no access to the audit log. */
  auditEvents?: number;
  /** Keys in Redis. */
  keys: number;
  /** Claims of names, numbers and addresses in MongoDB. */
  claims: number;
}
