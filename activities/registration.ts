/** What a registration tells the outside about itself: short steps in Redis, run as local activities. */
import type { Codes } from '../adapters/redis/codes.ts';
import type { Registrations } from '../adapters/redis/registrations.ts';
import type { RegistrationStatus } from '../domain/registration.ts';
import type { Events } from '../platform/events.ts';

export interface PublishInput {
  registrationId: string;
  tokenHash: string;
  status: RegistrationStatus;
}

export interface OperatorAct {
  act: 'retry-step' | 'switch-channel' | 'cancel';
  registrationId: string;
  /** Counts the acts on a registration: the event of a repeat is the same one. */
  number: number;
  /** Absent when the operator gave no name. */
  operator?: string | undefined;
}

export interface RegistrationActivityDeps {
  registrations: Pick<Registrations, 'write' | 'removeCredentials'>;
  codes: Pick<Codes, 'remove'>;
  events: Pick<Events, 'registrationEnded' | 'operatorAct'>;
}

export type RegistrationActivities = ReturnType<typeof createRegistrationActivities>;

/** Creates the read-model activities of the registration role. */
export function createRegistrationActivities({ registrations, codes, events }: RegistrationActivityDeps) {
  return {
    /** Publishes a status. Safe to repeat and to reorder: an older version never replaces a newer one. */
    publishStatus: ({ registrationId, tokenHash, status }: PublishInput): Promise<void> =>
      registrations.write(registrationId, tokenHash, status),

    /** Leaves the event of what an operator did. Safe to repeat: keyed by registration and number of the act. */
    async operatorAct(done: OperatorAct): Promise<void> {
      events.operatorAct(done);
    },

    /** Forgets kept credentials and open codes, and counts the end. Safe to repeat: it deletes. */
    async forget({ registrationId, status }: { registrationId: string; status: RegistrationStatus }): Promise<void> {
      await registrations.removeCredentials(registrationId);
      if (status.state !== 'completed') await codes.remove({ subject: registrationId, purpose: 'register' });
      events.registrationEnded(registrationId, status.state, status.reason, status.userId);
    },
  };
}
