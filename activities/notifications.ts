/** Activities that find the recipients of a notification: from the accounts, never from the request that causes it. */
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
  /** Absent when the code is not for a registration. */
  registrationId?: string;
}

/** The owner of a number or address, and the occasion that makes the warning unique. */
export interface OwnerToWarn {
  userId: string;
  occasion: string;
}

/** Dependencies of the notification activities. */
export interface NotificationActivityDeps {
  accounts: Pick<Accounts, 'read' | 'findBy'>;
  warnings: Pick<RegistrationWarnings, 'open'>;
  newId: typeof newId;
  /** Returns whether an error is an outage of the database, as opposed to a bug. */
  isOutage: (err: unknown) => boolean;
}

/** The notification activities of the registration role. */
export type NotificationActivities = ReturnType<typeof createNotificationActivities>;

/** Creates the notification activities of the registration role. */
export function createNotificationActivities({ accounts, warnings, newId, isOutage }: NotificationActivityDeps) {
  return {
    /** Returns all recipients of an account; none when the account is gone. Read-only. */
    findRecipients: ({ userId }: { userId: string }): Promise<Recipient[]> =>
      failOnOutage(async () => recipientsOf((await accounts.read(userId)) ?? {}), isOutage),

    /**
     * Returns the owner of a number or address, or null. Adds the registration to those that the owner can stop.
     * Idempotent: an owner has one open warning. Temporal retries outages, since no caller waits for the result.
     */
    async findOwner({ channel, to, registrationId }: Warned): Promise<OwnerToWarn | null> {
      const owner = await accounts.findBy({ kind: channel === 'email' ? 'email' : 'phone', value: to });
      if (owner === undefined) return null;
      const { userId } = owner;
      return { userId, occasion: await warnings.open(userId, newId(), registrationId) };
    },
  };
}
