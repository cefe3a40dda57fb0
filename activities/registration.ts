/** Local activities of a registration: short steps in Redis that publish its status and clean up. */
import type { Codes } from '../adapters/redis/codes.ts';
import type { Registrations } from '../adapters/redis/registrations.ts';
import type { SignalAnswer, SignalSteps } from '../adapters/redis/signal-steps.ts';
import type { CarriedProofs, RegistrationStatus } from '../domain/registration.ts';
import type { Events } from '../platform/events/events.ts';

/** The input of `publishStatus`. */
export interface PublishInput {
  registrationId: string;
  tokenHash: string;
  status: RegistrationStatus;
}

/** An operator's action on a registration. */
export interface OperatorAct {
  act: 'retry-step' | 'switch-channel' | 'cancel';
  registrationId: string;
  /** Counts the actions on a registration, so that a retry emits the same event. */
  number: number;
  /** Absent when the operator gave no name. */
  operator?: string | undefined;
}

/** Dependencies of the local activities. */
export interface RegistrationActivityDeps {
  registrations: Pick<Registrations, 'write' | 'takeProofs' | 'removeCredentials' | 'removeDevice'>;
  codes: Pick<Codes, 'remove'>;
  signalSteps: Pick<SignalSteps, 'saveNumber' | 'saveAnswer' | 'forget'>;
  events: Pick<Events, 'registrationEnded' | 'operatorAct'>;
}

/** The local activities of a registration. */
export type RegistrationActivities = ReturnType<typeof createRegistrationActivities>;

/** Creates the local activities of a registration. */
export function createRegistrationActivities(deps: RegistrationActivityDeps) {
  const { registrations, codes, signalSteps, events } = deps;
  return {
    /** Publishes a status. Idempotent and order-independent: an older version never replaces a newer one. */
    publishStatus: ({ registrationId, tokenHash, status }: PublishInput): Promise<void> =>
      registrations.write(registrationId, status, tokenHash),

    /** Returns the proofs that the workflow has not recorded yet. The api tells every later one at once. Idempotent. */
    takeProofs: ({ registrationId }: { registrationId: string }): Promise<CarriedProofs> =>
      registrations.takeProofs(registrationId),

    /** Emits the event of an operator's action. Idempotent by registration and action number. */
    async operatorAct(done: OperatorAct): Promise<void> {
      events.operatorAct(done);
    },

    /** Stores the number whose code was typed. Idempotent: a registration has one such number. */
    saveVerifiedNumber: ({ registrationId, number }: { registrationId: string; number: string }): Promise<void> =>
      signalSteps.saveNumber(registrationId, number),

    /** Stores the account at the Signal-Server. Idempotent: a registration has one such account. */
    saveSignalAnswer: ({ registrationId, answer }: { registrationId: string; answer: SignalAnswer }): Promise<void> =>
      signalSteps.saveAnswer(registrationId, answer),

    /**
     * Publishes the final status, deletes stored credentials, the stored device, open codes and what only steps need, and
     * emits the end event. Idempotent: it deletes.
     */
    async closeRegistration({ registrationId, tokenHash, status }: PublishInput): Promise<void> {
      await registrations.write(registrationId, status, tokenHash);
      await registrations.removeCredentials(registrationId);
      await registrations.removeDevice(registrationId);
      if (status.steps.some(({ name }) => name === 'signal')) await signalSteps.forget(registrationId);
      if (status.state !== 'completed') await codes.remove({ subject: registrationId, purpose: 'register' });
      events.registrationEnded(registrationId, status);
    },
  };
}
