import type { CredentialKind } from '../../domain/account.ts';
import type { Outputs } from './outputs.ts';

interface ChangedCredential {
  changeId: string;
  userId: string;
  kind: CredentialKind;
  why: 'change' | 'reset';
}

/** Creates the events of passwords, PINs and password recoveries. */
export function createCredentialEvents({ counter, report }: Outputs) {
  const changes = counter('credential_changes_total', 'Changes of passwords and PINs, by reason', ['kind', 'why']);
  const checks = counter('credential_checks_total', 'Passwords and PINs checked within a session, by outcome', [
    'kind',
    'outcome',
  ]);
  const recoveries = counter('recoveries_total', 'Password recoveries by outcome', ['outcome']);

  return {
    /** A password or PIN was entered within a session, not to log in. */
    credentialChecked({ userId, kind, isRight }: { userId: string; kind: CredentialKind; isRight: boolean }): void {
      report({
        counter: checks,
        labels: { kind, outcome: isRight ? 'right' : 'wrong' },
        level: isRight ? 'info' : 'warn',
        log: { event: 'credential.checked', userId, kind, isRight },
        audit: {
          action: kind === 'pin' ? 'pin-verify' : 'password-verify',
          status: isRight ? 'success' : 'failure',
          message: `A ${kind} was ${isRight ? 'correct' : 'wrong'}`,
          reason: isRight ? undefined : `wrong-${kind}`,
          userId,
        },
      });
    },
    /** A recovery was requested. It is not known yet whether `identity` belongs to an account. */
    recoveryBegun({ recoveryId, identity }: { recoveryId: string; identity: string }): void {
      report({
        counter: recoveries,
        labels: { outcome: 'begun' },
        log: { event: 'recovery.begun', recoveryId },
        audit: { action: 'recovery-start', message: 'A password recovery was requested', once: recoveryId, identity },
      });
    },
    recoveryStopped({ recoveryId, userId }: { recoveryId: string; userId: string }): void {
      const message = 'The owner of an account stopped a password recovery';
      report({
        counter: recoveries,
        labels: { outcome: 'stopped' },
        level: 'warn',
        log: { event: 'recovery.stopped', recoveryId, userId },
        audit: { action: 'recovery-stop', message, once: recoveryId, userId },
      });
    },
    credentialChanged({ changeId, userId, kind, why }: ChangedCredential): void {
      const resetOrChange = why === 'reset' ? 'password-reset' : 'password-change';
      report({
        counter: changes,
        labels: { kind, why },
        log: { event: 'credential.changed', userId, kind, why },
        audit: {
          action: kind === 'pin' ? 'pin-change' : resetOrChange,
          message: `A ${kind} was ${why === 'reset' ? 'reset' : 'changed'}`,
          once: changeId,
          userId,
          metadata: { why },
        },
      });
    },
  };
}
