/** Whom a notification goes to: read from the accounts, never taken from who causes it. */
import type { Accounts } from '../adapters/mongo/accounts.ts';
import type { RegistrationWarnings } from '../adapters/redis/registration-warnings.ts';
import { type Recipient, recipientsOf } from '../domain/notifications.ts';
import type { Channel } from '../domain/verification.ts';
import type { newId } from '../platform/crypto.ts';
import { failOnOutage } from './accounts.ts';

/** A number or address that a code goes to. */
export interface Warned {
  channel: Channel;
  to: string;
  /** Absent where it is no registration. */
  registrationId?: string;
}

/** Who has it already, and the occasion of the one notification that tells of it. */
export interface OwnerToWarn {
  userId: string;
  occasion: string;
}

export interface NotificationActivityDeps {
  accounts: Pick<Accounts, 'read' | 'findBy'>;
  warnings: Pick<RegistrationWarnings, 'open'>;
  newId: typeof newId;
  /** Tells an outage of the database from a bug. */
  isOutage: (err: unknown) => boolean;
}

export type NotificationActivities = ReturnType<typeof createNotificationActivities>;

/** Creates the activities on recipients of the registration role. */
export function createNotificationActivities({ accounts, warnings, newId, isOutage }: NotificationActivityDeps) {
  return {
    /** Every way the owner of an account is reached by; none when it is gone. Safe to repeat: it reads. */
    findRecipients: ({ userId }: { userId: string }): Promise<Recipient[]> =>
      failOnOutage(async () => recipientsOf((await accounts.read(userId)) ?? {}), isOutage),

    /**
     * The user who owns the number or address that a channel reaches, or null. The registration is one that the owner can end.
     * Safe to repeat: the warning of an owner is opened once. An outage is left to Temporal, which repeats: nobody waits for
     * the answer.
     */
    async findOwner({ channel, to, registrationId }: Warned): Promise<OwnerToWarn | null> {
      const owner = await accounts.findBy({ kind: channel === 'email' ? 'email' : 'phone', value: to });
      if (owner === undefined) return null;
      const { userId } = owner;
      return { userId, occasion: await warnings.open(userId, newId(), registrationId) };
    },
  };
}
