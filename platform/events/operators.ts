import type { Outputs } from './outputs.ts';

/** An action of an operator on a registration. */
interface OperatorAct {
  act: string;
  registrationId: string;
  number: number;
  operator?: string | undefined;
}

/** An account that was disabled or enabled; `at` is in milliseconds since the Unix epoch. */
interface AccessChange {
  userId: string;
  at: number;
  operator?: string | undefined;
}

/** A device that an operator removed. */
interface OperatorRemoval {
  userId: string;
  deviceId: string;
  /** Milliseconds since the Unix epoch. */
  removedAt: number;
  operator?: string | undefined;
}

/** Creates the events of operators. Their names are self-declared, so the audit log stores them as `operator.name`. */
export function createOperatorEvents(outputs: Outputs) {
  const { counter, report } = outputs;
  const decodes = counter('payloads_decoded_total', 'Temporal payloads decrypted for operators', []);
  const logins = counter('operator_logins_total', 'Log-ins of operators to the codec endpoint', ['outcome']);
  const accessChanged = (act: 'disable' | 'enable', { userId, at, operator }: AccessChange): void =>
    report({
      log: { event: `user.${act}d`, userId, operator },
      audit: {
        action: `user-${act}`,
        message: `An account was ${act}d`,
        once: `${userId} ${at}`,
        targetUserId: userId,
        details: { operator: { name: operator ?? 'unknown', act } },
      },
    });

  return {
    ...createActEvents(outputs),
    operatorLoggedIn(isRight: boolean): void {
      report({
        counter: logins,
        labels: { outcome: isRight ? 'accepted' : 'refused' },
        level: isRight ? 'info' : 'warn',
        log: { event: isRight ? 'codec.operator-logged-in' : 'codec.operator-refused' },
        audit: {
          action: 'operator-login',
          status: isRight ? 'success' : 'failure',
          message: isRight
            ? 'An operator logged in to the codec endpoint'
            : 'The password of the codec endpoint was wrong',
          reason: isRight ? undefined : 'credentials-wrong',
        },
      });
    },
    userDisabled(change: AccessChange): void {
      accessChanged('disable', change);
    },
    userEnabled(change: AccessChange): void {
      accessChanged('enable', change);
    },
    rolesChanged({ userId, at, operator, roles }: AccessChange & { roles: string[] }): void {
      report({
        log: { event: 'user.roles-changed', userId, operator, roles },
        audit: {
          action: 'role-change',
          message: 'The roles of a user were changed',
          once: `${userId} ${at}`,
          targetUserId: userId,
          details: { operator: { name: operator ?? 'unknown', act: 'set-roles' } },
          metadata: { roles: roles.join(' ') },
        },
      });
    },
    payloadsDecoded(payloads: number): void {
      decodes.inc(payloads);
      const message = 'Temporal payloads were decrypted for an operator';
      report({
        log: { event: 'codec.decoded', payloads },
        audit: { action: 'payload-decode', message, metadata: { payloads } },
      });
    },
  };
}

/** The events of actions on registrations and devices. */
function createActEvents({ report }: Outputs) {
  return {
    /**
     * `operator` is self-declared. `number` counts the actions on a registration, so that a repeat is recorded once.
     */
    operatorAct({ act, registrationId, number, operator }: OperatorAct): void {
      report({
        log: { event: 'operator.acted', act, registrationId, operator },
        audit: {
          action: 'operator-act',
          message: `An operator changed a registration: ${act}`,
          once: `${registrationId} ${number}`,
          details: { registration: { id: registrationId }, operator: { name: operator ?? 'unknown', act } },
        },
      });
    },
    operatorRemovedDevice({ userId, deviceId, removedAt, operator }: OperatorRemoval): void {
      const act = 'revoke-device';
      report({
        log: { event: 'operator.acted', act, userId, deviceId, operator },
        audit: {
          action: 'operator-act',
          message: 'An operator removed a device of a user',
          once: `${userId} ${deviceId} ${removedAt}`,
          targetUserId: userId,
          details: { operator: { name: operator ?? 'unknown', act } },
          metadata: { deviceId },
        },
      });
    },
  };
}
