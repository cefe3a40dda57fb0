import type { RegistrationStatus, StepName } from '../../domain/registration.ts';
import type { Outputs } from './outputs.ts';

/** An attempt to authenticate at the directory, in a registration or a log-in. */
interface DirectoryTry {
  registrationId?: string;
  tryId: string;
  username: string;
  reason?: string;
  /** Why values of the entry were left out, such as `address-not-valid`. */
  leftOut?: readonly string[];
}

/** The end of a registration. */
type EndedRegistration = Pick<RegistrationStatus, 'state' | 'reason' | 'userId' | 'pseudonyms'>;

/** Creates the events of the start and end of registrations. */
export function createRegistrationEvents({ counter, report }: Outputs) {
  const registrations = counter('registrations_total', 'Registrations by state', ['state']);
  const stops = counter(
    'registration_stops_total',
    'Registrations stopped by the owner of the number or address ("not me")',
    [],
  );

  return {
    registrationStarted(registrationId: string): void {
      report({
        counter: registrations,
        labels: { state: 'started' },
        log: { event: 'registration.started', registrationId },
        audit: {
          action: 'registration-start',
          message: 'A registration started',
          once: registrationId,
          details: { registration: { id: registrationId, state: 'pending' } },
        },
      });
    },
    registrationEnded(registrationId: string, { state, reason, userId, pseudonyms = {} }: EndedRegistration): void {
      report({
        counter: registrations,
        labels: { state },
        log: { event: `registration.${state}`, registrationId, reason },
        audit: {
          action: 'user-register',
          status: state === 'completed' ? 'success' : 'failure',
          message: `A registration ended: ${state}`,
          reason: state === 'completed' ? undefined : (reason ?? state),
          once: registrationId,
          userId,
          pseudonyms: Object.values(pseudonyms),
          details: { registration: { id: registrationId, state } },
        },
      });
    },
    /** The owner of a number or address answered "not me"; `count` registrations were running. */
    registrationsStopped({ userId, count }: { userId: string; count: number }): void {
      const message = 'The owner of a number or address stopped the registrations that others had started with it';
      report({
        counter: stops,
        level: 'warn',
        log: { event: 'registrations.stopped', userId, count },
        audit: { action: 'registration-stop', message, userId, metadata: { count } },
      });
    },
  };
}

/** Creates the events of the steps of registrations. */
export function createStepEvents({ counter, log, record, report }: Outputs) {
  const steps = counter('registration_steps_total', 'Step attempts by outcome', ['step', 'outcome']);

  return {
    stepDone(registrationId: string, step: StepName): void {
      report({
        counter: steps,
        labels: { step, outcome: 'done' },
        log: { event: 'registration.step-done', registrationId, step },
        audit: {
          action: 'registration-step',
          message: `The step ${step} is done`,
          once: `${registrationId} ${step}`,
          details: { registration: { id: registrationId, step } },
        },
      });
    },
    captchaRefused(registrationId: string, reason: string): void {
      report({
        counter: steps,
        labels: { step: 'captcha', outcome: 'refused' },
        level: 'warn',
        log: { event: 'registration.step-refused', registrationId, step: 'captcha', reason },
        audit: {
          action: 'captcha-verify',
          status: 'failure',
          message: 'A captcha was refused',
          reason,
          details: { registration: { id: registrationId, step: 'captcha' } },
        },
      });
    },
    /**
     * `reason` distinguishes refusals that look the same to the client, such as a disabled entry and a wrong password.
     * It is absent when the password was correct. With `leftOut`, an operator has to correct the entry. Repeats of an attempt with the same `tryId` are recorded once.
     */
    directoryTried(attempt: DirectoryTry): void {
      const { registrationId, tryId, username, reason, leftOut = [] } = attempt;
      if (leftOut.length > 0) {
        log.warn({ event: 'directory.values-left-out', registrationId, step: 'directory', reason: leftOut.join(',') });
      }
      if (reason !== undefined) {
        steps.inc({ step: 'directory', outcome: 'refused' });
        log.warn({ event: 'registration.step-refused', registrationId, step: 'directory', reason });
      }
      record('ldap-login', {
        status: reason === undefined ? 'success' : 'failure',
        message: directoryMessage(reason, leftOut),
        reason,
        once: tryId,
        identity: username,
        // a log-in or step-up has its own event, of which the directory is a part
        isPart: registrationId === undefined,
        details: registrationId === undefined ? {} : { registration: { id: registrationId, step: 'directory' } },
      });
    },
  };
}

function directoryMessage(reason: string | undefined, leftOut: readonly string[]): string {
  if (reason !== undefined) return 'The directory refused a log-in';
  const values = leftOut.length === 0 ? '' : `; values of the entry were left out: ${leftOut.join(', ')}`;
  return `The directory accepted a password${values}`;
}
