/** The activity of password recovery that finds the account. */
import type { Accounts } from '../adapters/mongo/accounts.ts';
import { epochOf, type Identifier } from '../domain/account.ts';
import { type Recipient, recipientsOf } from '../domain/notifications.ts';
import { failOnOutage } from './accounts.ts';

/** A user who can recover their password, and the recipients. */
export interface Recoverable {
  userId: string;
  /** Recipient of the recovery message. */
  recipient: Recipient;
  /** The user's other recipients, which get a warning. */
  others: Recipient[];
  /** The epoch of the account; the tokens count in this epoch only. Absent in histories of an earlier version. */
  epoch?: number;
}

/** Creates the recovery activity of the registration role, which finds the account. */
export function createRecoveryActivities(deps: {
  accounts: Pick<Accounts, 'findBy'>;
  /** Returns whether an error is an outage of the database, as opposed to a bug. */
  isOutage: (err: unknown) => boolean;
}) {
  return {
    /**
     * Returns the named user if the account is enabled and has an e-mail address or a number; e-mail is preferred.
     * Otherwise returns null. Read-only.
     */
    findRecoverable: ({ identifier }: { identifier: Identifier }): Promise<Recoverable | null> =>
      failOnOutage(async () => {
        const account = await deps.accounts.findBy(identifier);
        if (account === undefined || account.disabledAt !== undefined) return null;
        const [recipient, ...others] = recipientsOf(account);
        if (recipient === undefined) return null;
        return { userId: account.userId, recipient, others, epoch: epochOf(account) };
      }, deps.isOutage),
  };
}

/** The recovery activity of the registration role. */
export type RecoveryActivities = ReturnType<typeof createRecoveryActivities>;
