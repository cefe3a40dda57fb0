/** Activities of password recovery: find the account, send the message with the links. */
import type { Accounts } from '../adapters/mongo/accounts.ts';
import type { Recoveries } from '../adapters/redis/recoveries.ts';
import { epochOf, type Identifier } from '../domain/account.ts';
import { type Recipient, recipientsOf } from '../domain/notifications.ts';
import { templatesOf } from '../domain/templates/languages.ts';
import { recoveryMail, recoverySms } from '../domain/templates/messages.ts';
import type { newToken } from '../platform/crypto.ts';
import type { Events } from '../platform/events/events.ts';
import { failOnOutage } from './accounts.ts';
import type { DeliveryActivityDeps } from './delivery.ts';
import { sendWithFailover } from './provider-failover.ts';

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

/** The input of `sendRecovery`. */
export interface SendRecoveryInput extends Recipient {
  userId: string;
  recoveryId: string;
  /** Lifetime of the links, in seconds. */
  ttlSeconds: number;
  /** The epoch of the account. */
  epoch?: number | undefined;
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

/** Dependencies of the recovery activity of the delivery role. */
export interface RecoverySendingDeps extends Pick<DeliveryActivityDeps, 'providers' | 'orderOf' | 'productName'> {
  recoveries: Pick<Recoveries, 'start' | 'recordAttempts' | 'sent'>;
  events: DeliveryActivityDeps['events'] & Pick<Events, 'notificationSent' | 'notificationRefused'>;
  newToken: typeof newToken;
  /** The page that takes a token after `#token=` or `#stop=`. Without it, the message contains the bare token. */
  recoveryUrl?: string | undefined;
}

/** Creates the recovery activity of the delivery role, which sends the message. */
export function createRecoverySending(deps: RecoverySendingDeps) {
  return {
    /**
     * Sends the recovery message once. Idempotent by `recoveryId`: the tokens and each delivery attempt are stored
     * before a provider is called. The lifetime of the tokens starts at the last attempt. Returns false when the
     * provider refuses the recipient.
     *
     * @throws {Failure} unavailable
     */
    async sendRecovery(input: SendRecoveryInput): Promise<boolean> {
      const { recoveryId, userId, channel, ttlSeconds, to, epoch } = input;
      const available = deps.providers[channel].map(({ name }) => name);
      const { tokens, attempts, isSent } = await deps.recoveries.start(recoveryId, {
        userId,
        channel,
        epoch,
        tokens: { reset: deps.newToken(), stop: deps.newToken() },
        providers: deps.orderOf(channel, { available, failed: new Set() }),
        ttlSeconds,
      });
      if (isSent) return true;
      const { outcome, provider } = await sendToProviders(input, tokens, attempts, deps);
      const sent = { notificationId: recoveryId, userId, kind: 'recovery' as const, to, provider };
      if (outcome.result === 'refused') {
        deps.events.notificationRefused(sent, outcome.reason);
        return false;
      }
      await deps.recoveries.sent(recoveryId);
      deps.events.notificationSent(sent, outcome.providerId);
      return true;
    },
  };
}

/** The recovery activity of the registration role. */
export type RecoveryActivities = ReturnType<typeof createRecoveryActivities>;
/** The recovery activity of the delivery role. */
export type RecoverySending = ReturnType<typeof createRecoverySending>;

function sendToProviders(
  { recoveryId, channel, to, locale, ttlSeconds }: SendRecoveryInput,
  tokens: { reset: string; stop: string },
  attempts: Parameters<typeof sendWithFailover>[0]['attempts'],
  { providers, productName: product, recoveryUrl, recoveries, events }: RecoverySendingDeps,
) {
  const linkOf = (use: string, token: string) => (recoveryUrl === undefined ? token : `${recoveryUrl}#${use}=${token}`);
  const texts = templatesOf(locale);
  const state = {
    product,
    link: linkOf('token', tokens.reset),
    stopLink: linkOf('stop', tokens.stop),
    minutes: Math.floor(ttlSeconds / 60),
  };
  const call = {
    channel,
    attempts,
    note: (known: typeof attempts) => recoveries.recordAttempts(recoveryId, known),
    events,
  };
  if (channel === 'email') {
    return sendWithFailover(call, providers.email, { to, ...recoveryMail(texts, state), messageId: recoveryId });
  }
  return sendWithFailover(call, providers.sms, { to, body: recoverySms(texts, state), reference: recoveryId });
}
