/**
 * Account deletion.
 *
 * Terminology
 * - planned: the user requested the deletion and can stop it until it is due.
 * - erasure: the removal of all data of the user, store by store, once the deletion is due.
 * - receipt: the record of a deletion under a random id: instants and counts. The user id is removed from it when the
 *   erasure finishes.
 */
import type { Refusal } from './failures.ts';

/** A planned deletion. */
export interface PlannedDeletion {
  deletionId: string;
  /** When the deletion is due and can no longer be stopped. Milliseconds since the Unix epoch. */
  effectiveAt: number;
}

/** The state of the workflow of a deletion. */
export interface DeletionState {
  phase: 'planning' | 'planned' | 'stopping' | 'over';
  /** The deletion that the account is marked with; null before it is marked and without an account. */
  planned: PlannedDeletion | null;
}

/** Refuses to plan or stop a deletion that was stopped, is being carried out or had nothing to delete. */
export function refuseDeletionUpdate({ phase }: DeletionState): Refusal | undefined {
  return phase === 'over' ? { code: 'not-found' } : undefined;
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
