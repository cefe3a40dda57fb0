/** A forgotten password: whose it is, and the message by which a new one is chosen. */
import type { Accounts } from '../adapters/mongo/accounts.ts';
import type { Recoveries } from '../adapters/redis/recoveries.ts';
import type { Identifier } from '../domain/account.ts';
import { type Recipient, recipientsOf } from '../domain/notifications.ts';
import { templatesOf } from '../domain/templates/languages.ts';
import { recoveryMail, recoverySms } from '../domain/templates/messages.ts';
import type { newToken } from '../platform/crypto.ts';
import type { Events } from '../platform/events.ts';
import { failOnOutage } from './accounts.ts';
import type { DeliveryActivityDeps } from './delivery.ts';
import { sendWithFailover } from './provider-failover.ts';

/** Who may choose a new password, and where they are reached. */
export interface Recoverable {
  userId: string;
  /** Where the message goes. */
  recipient: Recipient;
  /** Every other way the person is reached by, where a warning goes. */
  others: Recipient[];
}

export interface SendRecoveryInput extends Recipient {
  userId: string;
  recoveryId: string;
  ttlSeconds: number;
}

/** Creates the activity that finds whose password is forgotten, of the registration role. */
export function createRecoveryActivities(deps: {
  accounts: Pick<Accounts, 'findBy'>;
  /** Tells an outage of the database from a bug. */
  isOutage: (err: unknown) => boolean;
}) {
  return {
    /**
     * Who is named, when they have an account that is not disabled and can be reached: by e-mail, else by SMS. Safe to
     * repeat: it reads.
     */
    findRecoverable: ({ identifier }: { identifier: Identifier }): Promise<Recoverable | null> =>
      failOnOutage(async () => {
        const account = await deps.accounts.findBy(identifier);
        if (account === undefined || account.disabledAt !== undefined) return null;
        const [recipient, ...others] = recipientsOf(account);
        return recipient === undefined ? null : { userId: account.userId, recipient, others };
      }, deps.isOutage),
  };
}

export interface RecoverySendingDeps extends Pick<DeliveryActivityDeps, 'providers' | 'orderOf' | 'productName'> {
  recoveries: Pick<Recoveries, 'start' | 'recordAttempts' | 'sent'>;
  events: DeliveryActivityDeps['events'] & Pick<Events, 'notificationSent' | 'notificationRefused'>;
  newToken: typeof newToken;
  /** The page that takes a token behind `#token=` or `#stop=`; the bare token is sent without. */
  recoveryUrl?: string | undefined;
}

/** Creates the activity that sends the message, of the delivery role. */
export function createRecoverySending(deps: RecoverySendingDeps) {
  return {
    /**
     * Sends the message, once. Safe to repeat, by `recoveryId`: tokens are made and stored before a provider is called, and
     * so is each call. The life of the tokens counts from the last try. False when the provider refuses the address.
     *
     * @throws {Failure} unavailable
     */
    async sendRecovery(input: SendRecoveryInput): Promise<boolean> {
      const { recoveryId, userId, channel, ttlSeconds, to } = input;
      const available = deps.providers[channel].map(({ name }) => name);
      const { tokens, attempts, isSent } = await deps.recoveries.start(recoveryId, {
        userId,
        channel,
        tokens: { reset: deps.newToken(), stop: deps.newToken() },
        providers: deps.orderOf(channel, { available, failed: new Set() }),
        ttlSeconds,
      });
      if (isSent) return true;
      const { outcome, provider } = await handOver(input, tokens, attempts, deps);
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

export type RecoveryActivities = ReturnType<typeof createRecoveryActivities>;
export type RecoverySending = ReturnType<typeof createRecoverySending>;

function handOver(
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
