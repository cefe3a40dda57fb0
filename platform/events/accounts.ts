import type { Identifier } from '../../domain/account.ts';
import type { Outputs } from './outputs.ts';

interface ChangedDeletion {
  deletionId: string;
  userId: string;
  state: 'planned' | 'stopped';
}

interface TransferredIdentity {
  changeId: string;
  fromId: string;
  toId: string;
  kinds: Identifier['kind'][];
}

interface ReleasedIdentity {
  changeId: string;
  userId: string;
  kind: Identifier['kind'];
  operator?: string | undefined;
}

interface ChangedIdentity {
  changeId: string;
  userId: string;
  kind: Identifier['kind'];
  isTaken: boolean;
}

/** Creates the events of data exports and account deletions. */
export function createAccountEvents({ counter, report }: Outputs) {
  const exported = counter('exports_total', 'Data exports, by completeness of the audit events in them', [
    'audit_events',
  ]);
  const deletions = counter('account_deletions_total', 'Account deletions by state', ['state']);

  return {
    /** `auditEvents` tells whether the export contains the audit events of the user. */
    dataExported({ userId, auditEvents }: { userId: string; auditEvents: string }): void {
      report({
        counter: exported,
        labels: { audit_events: auditEvents },
        log: { event: 'data.exported', userId, auditEvents },
        audit: { action: 'data-export', message: 'A user exported their data', userId, metadata: { auditEvents } },
      });
    },
    deletionChanged({ deletionId, userId, state }: ChangedDeletion): void {
      report({
        counter: deletions,
        labels: { state },
        log: { event: `deletion.${state}`, deletionId, userId },
        audit: {
          action: state === 'planned' ? 'deletion-start' : 'deletion-stop',
          message: `The deletion of an account was ${state}`,
          once: deletionId,
          userId,
        },
      });
    },
    /** The event names no user, because the account is erased. */
    accountErased({ deletionId }: { deletionId: string }): void {
      const message = 'An account and the data of its user were erased';
      report({
        counter: deletions,
        labels: { state: 'erased' },
        log: { event: 'deletion.erased', deletionId },
        audit: { action: 'user-delete', message, once: deletionId, metadata: { deletion: deletionId } },
      });
    },
  };
}

/** Creates the events of profiles and identifiers. */
export function createProfileEvents({ counter, report }: Outputs) {
  const profiles = counter('profile_changes_total', 'Profile changes by field and outcome', ['field', 'outcome']);

  return {
    /** A user changed fields that need no verification: the full name, the language. */
    profileChanged({ userId, fields }: { userId: string; fields: string[] }): void {
      for (const field of fields) profiles.inc({ field, outcome: 'changed' });
      const metadata = { fields: fields.join(' ') };
      report({
        log: { event: 'profile.changed', userId, fields },
        audit: { action: 'profile-change', message: 'A user changed their profile', userId, metadata },
      });
    },
    /** `isTaken`: another account has the identifier, so nothing was changed. */
    identityChanged({ changeId, userId, kind, isTaken }: ChangedIdentity): void {
      const outcome = isTaken ? 'taken' : 'changed';
      report({
        counter: profiles,
        labels: { field: kind, outcome },
        level: isTaken ? 'warn' : 'info',
        log: { event: `identity.${outcome}`, userId, kind },
        audit: {
          action: 'profile-change',
          status: isTaken ? 'failure' : 'success',
          message: isTaken
            ? `The new ${kind} of a user belongs to another account`
            : `The ${kind} of a user was changed`,
          reason: isTaken ? 'identity-taken' : undefined,
          once: `${changeId} ${kind}`,
          userId,
          metadata: { fields: kind },
        },
      });
    },
    /** The directory gives identifiers of one account to the entry of another. */
    identityTransferred({ changeId, fromId, toId, kinds }: TransferredIdentity): void {
      for (const kind of kinds) profiles.inc({ field: kind, outcome: 'transferred' });
      report({
        level: 'warn',
        log: { event: 'identity.transferred', fromId, toId, kinds },
        audit: {
          action: 'profile-change',
          message: 'What the directory now gives to another person was transferred to their account',
          reason: 'transferred',
          once: `${changeId} ${fromId}`,
          userId: toId,
          targetUserId: fromId,
          metadata: { fields: kinds.join(' ') },
        },
      });
    },
    /** An operator took an identifier from an account. */
    identityReleased({ changeId, userId, kind, operator }: ReleasedIdentity): void {
      report({
        counter: profiles,
        labels: { field: kind, outcome: 'released' },
        level: 'warn',
        log: { event: 'identity.released', userId, kind, operator },
        audit: {
          action: 'profile-change',
          message: `The ${kind} of a user was released by an operator`,
          reason: 'released',
          once: `${changeId} ${kind}`,
          targetUserId: userId,
          details: { operator: { name: operator ?? 'unknown', act: 'release' } },
          metadata: { fields: kind },
        },
      });
    },
  };
}
