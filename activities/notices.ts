/** Whom a notice goes to: read from the accounts, never taken from who causes it. */
import type { Accounts } from '../adapters/mongo/accounts.ts';
import { type Recipient, recipientsOf } from '../domain/notices.ts';
import type { Channel } from '../domain/verification.ts';
import { failOnOutage } from './accounts.ts';

export interface NoticeActivityDeps {
  accounts: Pick<Accounts, 'read' | 'findBy'>;
  /** Tells an outage of the database from a bug. */
  isOutage: (err: unknown) => boolean;
}

export type NoticeActivities = ReturnType<typeof createNoticeActivities>;

/** Creates the activities on recipients of the registration role. */
export function createNoticeActivities({ accounts, isOutage }: NoticeActivityDeps) {
  return {
    /** Every way the owner of an account is reached by; none when it is gone. Safe to repeat: it reads. */
    findRecipients: ({ userId }: { userId: string }): Promise<Recipient[]> =>
      failOnOutage(async () => recipientsOf((await accounts.read(userId)) ?? {}), isOutage),

    /**
     * The user who owns the number or address that a channel reaches, or null. Safe to repeat: it reads. An outage is left
     * to Temporal, which repeats: nobody waits for the answer.
     */
    async findOwner({ channel, to }: { channel: Channel; to: string }): Promise<string | null> {
      const owner = await accounts.findBy({ kind: channel === 'email' ? 'email' : 'phone', value: to });
      return owner?.userId ?? null;
    },
  };
}
